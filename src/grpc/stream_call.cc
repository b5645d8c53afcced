#include "grpc/stream_call.h"

#include <utility>

#include "base/check.h"
#include "grpc/messages.h"
#include "runtime/message.h"

namespace gyre::grpc {

namespace {

// Of what the server sends, so much may wait on our side; then it is not read any further, and the
// protocol's own flow control holds the server back.
constexpr size_t kMessagesMost = 16;
constexpr size_t kBytesMost = size_t{64} << 10;
// Of what we send; more is refused.
constexpr size_t kUnsentMost = size_t{256} << 10;

struct Delivery final : runtime::Message {
  Delivery(ChannelStream& receiver, std::string bytes)
      : stream(receiver), message(std::move(bytes)) {}
  void deliver() override {
    const std::unique_ptr<Delivery> self(this);
    stream.take(std::move(message));
  }
  ChannelStream& stream;
  std::string message;
};

struct Ending final : runtime::Message {
  Ending(ChannelStream& receiver, Error reason) : stream(receiver), error(std::move(reason)) {}
  void deliver() override {
    const std::unique_ptr<Ending> self(this);
    stream.take_end(std::move(error));
  }
  ChannelStream& stream;
  Error error;
};

}  // namespace

void StreamCall::Operation::on_event(bool is_ok) {
  const std::shared_ptr<StreamCall> kept = call.self_;
  --call.under_way_;
  (call.*handler)(is_ok);
  call.end_if_done();
}

StreamCall::StreamCall(Worker& worker, ChannelStream& stream, std::atomic<size_t>& open_streams,
                       Request request, bool is_last)
    : worker_(worker),
      stream_(stream),
      shard_(*runtime::Shard::current()),
      open_streams_(open_streams),
      request_(std::move(request)),
      is_last_(is_last),
      unsent_(request_.message.size()) {}

bool StreamCall::has_room_for(size_t bytes) {
  if (unsent_.load(std::memory_order_relaxed) > kUnsentMost) return false;
  unsent_.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

void* StreamCall::begin(Operation& operation) {
  ++under_way_;
  return static_cast<Worker::Event*>(&operation);
}

void StreamCall::start() {
  if (worker_.is_ending() || is_cancelled_) return end({Errc::cancelled, "it has been cancelled"});
  context_.emplace();
  if (Result<void> is_set = set_metadata(*context_, request_.metadata); !is_set) {
    return end(std::move(is_set).error());
  }
  stream_api_ = worker_.channels()
                    .stub(request_.channel)
                    .PrepareCall(&*context_, request_.method, &worker_.queue());
  if (!stream_api_) return end({Errc::internal, "GRPC refuses a stream"});
  self_ = shared_from_this();
  worker_.add(*this);
  outbox_.push_front(std::move(request_.message));
  stream_api_->StartCall(begin(started_));
}

void StreamCall::on_started(bool is_ok) {
  if (!is_ok || is_cancelled_) return finish();
  is_started_ = true;
  write_next();
  read_next();
}

void StreamCall::read_next() {
  if (!is_started_ || is_reading_ || is_finishing_) return;
  if (handed_messages_ >= kMessagesMost || handed_bytes_ >= kBytesMost) return;
  is_reading_ = true;
  stream_api_->Read(&incoming_, begin(read_));
}

void StreamCall::on_read(bool is_ok) {
  is_reading_ = false;
  if (!is_ok) return finish();
  Result<std::string> message = message_of(incoming_);
  if (!message) {
    context_->TryCancel();
  } else if (!is_cancelled_) {
    ++handed_messages_;
    handed_bytes_ += message->size();
    shard_.post(*new Delivery(stream_, std::move(*message)));
  }
  read_next();
}

void StreamCall::grant(size_t messages, size_t bytes) {
  handed_messages_ -= messages;
  handed_bytes_ -= bytes;
  read_next();
}

void StreamCall::write(std::string message) {
  outbox_.push_back(std::move(message));
  write_next();
}

void StreamCall::write_next() {
  if (!is_started_ || is_writing_ || is_finishing_ || has_written_in_vain_ || outbox_.empty())
    return;
  is_writing_ = true;
  ::grpc::WriteOptions options;
  if (is_last_) options.set_last_message();
  stream_api_->Write(buffer_of(outbox_.front()), options, begin(written_));
}

void StreamCall::on_written(bool is_ok) {
  is_writing_ = false;
  unsent_.fetch_sub(outbox_.front().size(), std::memory_order_relaxed);
  outbox_.pop_front();
  // The server has ended the stream then, as the reading will learn behind its last message.
  if (!is_ok) has_written_in_vain_ = true;
  write_next();
}

void StreamCall::cancel() {
  if (is_cancelled_) return;
  is_cancelled_ = true;
  if (!self_) return;  // not begun, or over
  context_->TryCancel();
  // What is being read ends now, and with it the stream.
  if (is_started_ && !is_reading_) finish();
}

void StreamCall::finish() {
  if (is_finishing_) return;
  is_finishing_ = true;
  stream_api_->Finish(&status_, begin(finished_));
}

void StreamCall::on_finished(bool) {
  has_status_ = true;
}

void StreamCall::end_if_done() {
  if (!has_status_ || under_way_ > 0 || !self_) return;
  stream_api_.reset();
  context_.reset();
  worker_.remove(*this);
  self_.reset();
  if (is_cancelled_) {
    end({Errc::cancelled, "it has been cancelled"});
  } else if (status_.ok()) {
    end({Errc::closed, "the server has ended the stream"});
  } else {
    end(error_of(status_));
  }
}

void StreamCall::end(Error error) {
  is_finishing_ = true;
  open_streams_.fetch_sub(1, std::memory_order_relaxed);
  shard_.post(*new Ending(stream_, std::move(error)));
}

ChannelStream::ChannelStream(Worker& worker, std::atomic<size_t>& open_streams, Request request,
                             bool is_last)
    : worker_(worker),
      call_(
          std::make_shared<StreamCall>(worker, *this, open_streams, std::move(request), is_last)) {
  worker_.submit([call = call_] { call->start(); });
}

ChannelStream::~ChannelStream() {
  GYRE_CHECK(end_);
}

runtime::Task<Result<std::string>> ChannelStream::next() {
  struct Wait {
    ChannelStream& stream;
    bool await_ready() const { return !stream.inbox_.empty() || stream.end_; }
    void await_suspend(std::coroutine_handle<> coroutine) { stream.waiting_ = coroutine; }
    void await_resume() const {}
  };

  co_await Wait{*this};
  if (inbox_.empty()) co_return std::unexpected(*end_);
  std::string message = std::move(inbox_.front());
  inbox_.pop_front();
  count_taken(message.size());
  co_return message;
}

// Told in portions, since each costs a wake-up.
void ChannelStream::count_taken(size_t bytes) {
  ++taken_messages_;
  taken_bytes_ += bytes;
  if (taken_messages_ < kMessagesMost / 2 && taken_bytes_ < kBytesMost / 2) return;
  worker_.submit(
      [call = call_, messages = std::exchange(taken_messages_, 0),
       all_bytes = std::exchange(taken_bytes_, 0)] { call->grant(messages, all_bytes); });
}

bool ChannelStream::write(std::string message) {
  if (end_ || is_cancelled_) return true;  // for nobody
  if (!call_->has_room_for(message.size())) return false;
  worker_.submit(
      [call = call_, message = std::move(message)]() mutable { call->write(std::move(message)); });
  return true;
}

void ChannelStream::cancel() {
  if (is_cancelled_ || end_) return;
  is_cancelled_ = true;
  inbox_.clear();
  worker_.submit([call = call_] { call->cancel(); });
}

void ChannelStream::take(std::string message) {
  if (is_cancelled_) return;
  inbox_.push_back(std::move(message));
  wake();
}

void ChannelStream::take_end(Error error) {
  end_ = std::move(error);
  wake();
}

void ChannelStream::wake() {
  if (waiting_) std::exchange(waiting_, nullptr).resume();
}

}  // namespace gyre::grpc
