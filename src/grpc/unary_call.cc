#include "grpc/unary_call.h"

#include <utility>

#include "grpc/messages.h"

namespace gyre::grpc {

void UnaryCall::start(Worker& worker, Asking& asking) {
  const auto left = asking.deadline - std::chrono::steady_clock::now();
  if (worker.is_ending()) return finish(asking, fail(Errc::cancelled, "the server is ending"));
  if (left.count() <= 0) return finish(asking, fail(Errc::timed_out, "the time is over"));
  std::unique_ptr<UnaryCall> call(new UnaryCall(worker, asking));
  if (Result<void> is_set = set_metadata(call->context_, asking.request.metadata); !is_set) {
    return finish(asking, std::unexpected(std::move(is_set).error()));
  }
  // The library counts in the system's time.
  call->context_.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(left));
  call->reader_ = worker.channels()
                      .stub(asking.request.channel)
                      .PrepareUnaryCall(&call->context_, asking.request.method,
                                        buffer_of(asking.request.message), &worker.queue());
  if (!call->reader_) return finish(asking, fail(Errc::internal, "GRPC refuses a call"));
  UnaryCall* started = call.release();  // on_event destroys it
  worker.add(*started);
  started->reader_->StartCall();
  started->reader_->Finish(&started->answer_, &started->status_, static_cast<Event*>(started));
}

void UnaryCall::finish(Asking& asking, Result<std::string> result) {
  asking.result = std::move(result);
  // The client may be gone when the one who asked goes on.
  asking.open_calls->fetch_sub(1, std::memory_order_relaxed);
  asking.shard->post(asking);
}

void UnaryCall::on_event(bool) {
  const std::unique_ptr<UnaryCall> self(this);
  if (status_.ok()) {
    finish(asking_, message_of(answer_));
  } else if (worker_.is_ending() && status_.error_code() == ::grpc::StatusCode::CANCELLED) {
    finish(asking_, fail(Errc::cancelled, "the server is ending"));
  } else {
    finish(asking_, std::unexpected(error_of(status_)));
  }
  worker_.remove(*this);
}

}  // namespace gyre::grpc
