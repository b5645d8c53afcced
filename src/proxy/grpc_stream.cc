#include "proxy/grpc_stream.h"

#include <utility>

#include "base/log.h"
#include "proxy/protobuf.h"

namespace gyre::proxy {

namespace {

runtime::Task<void> hear_out(std::unique_ptr<SubscribeStream> stream) {
  while (!stream->has_ended()) static_cast<void>(co_await stream->next());
}

}  // namespace

void StreamLeaver::operator()(SubscribeStream* stream) const {
  std::unique_ptr<SubscribeStream> owned(stream);
  if (owned->has_ended()) return;
  owned->cancel();
  runtime::Shard::current()->tasks().spawn(hear_out(std::move(owned)));
}

GrpcStream::GrpcStream(runtime::Shard& shard, std::unique_ptr<grpc::Stream> stream,
                       os::Nanos timeout, const std::string& name, metrics::ProxyCalls& calls,
                       AnswerRules rules)
    : shard_(shard),
      stream_(std::move(stream)),
      name_(name),
      calls_(calls),
      rules_(rules),
      began_(shard.now()) {
  shard.timers().arm(*this, began_ + timeout);
  calls_.inflight.add();
}

void GrpcStream::on_timer() {
  is_late_ = true;
  stream_->cancel();
}

runtime::Task<Result<std::string>> GrpcStream::hear() {
  Result<std::string> message = co_await stream_->next();
  has_ended_ = !message;
  co_return message;
}

runtime::Task<Result<Response<SubscribeResult>>> GrpcStream::first() {
  const Result<std::string> message = co_await hear();
  Timer::cancel();
  calls_.inflight.subtract();
  calls_.durations.observe(shard_.now() - began_);
  Result<Response<SubscribeResult>> response = answer_in(message);
  if (!response && response.error().code != Errc::cancelled) note_failure(response.error());
  co_return response;
}

Result<Response<SubscribeResult>> GrpcStream::answer_in(const Result<std::string>& message) const {
  if (is_late_) return fail(Errc::timed_out, "no first message within the timeout");
  if (!message && message.error().code == Errc::cancelled) return std::unexpected(message.error());
  // A backend that ends the stream at once has not answered either.
  if (!message) return fail(Errc::unavailable, message.error().context);
  return decode_stream_start(*message, rules_);
}

void GrpcStream::note_failure(const Error& error) {
  calls_.errors.add();
  log::error("error in a subscription stream of a proxy's backend",
             {{"name", name_}, {"error", error.context}});
}

runtime::Task<Result<StreamPublication>> GrpcStream::next() {
  for (;;) {
    const Result<std::string> message = co_await hear();
    if (!message) {
      const Errc code = message.error().code;
      if (code != Errc::closed && code != Errc::cancelled) note_failure(message.error());
      co_return std::unexpected(message.error());
    }
    Result<std::optional<StreamPublication>> publication = decode_stream_publication(*message);
    if (!publication) {
      note_failure(publication.error());
      co_return std::unexpected(publication.error());
    }
    if (*publication) co_return std::move(**publication);
  }
}

bool GrpcStream::publish(std::string_view data) {
  return stream_->write(encode_stream_publication(data));
}

}  // namespace gyre::proxy
