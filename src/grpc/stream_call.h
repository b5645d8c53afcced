#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <coroutine>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "grpc/worker.h"
#include "runtime/shard.h"

namespace gyre::grpc {

class ChannelStream;

// The worker's side of a stream. Shared with the shard's side, so that either may ask for something
// when the other has ended; but for the constructor and `has_room_for`, of the worker's thread.
class StreamCall final : public Worker::Call, public std::enable_shared_from_this<StreamCall> {
 public:
  // `stream` is there until it has been told of the end.
  StreamCall(Worker& worker, ChannelStream& stream, std::atomic<size_t>& open_streams,
             Request request, bool is_last);

  // From the shard: counts what is going to be written, if not too much waits already.
  bool has_room_for(size_t bytes);

  void start();
  void write(std::string message);
  // So much of what was handed on has been taken: there is room for more.
  void grant(size_t messages, size_t bytes);
  void cancel() override;

 private:
  // What the library reports of one operation.
  struct Operation final : Worker::Event {
    using Handler = void (StreamCall::*)(bool is_ok);
    Operation(StreamCall& owner, Handler handled_by) : call(owner), handler(handled_by) {}
    void on_event(bool is_ok) override;
    StreamCall& call;
    const Handler handler;
  };
  void on_started(bool is_ok);
  void on_read(bool is_ok);
  void on_written(bool is_ok);
  void on_finished(bool is_ok);
  void read_next();
  void write_next();
  void finish();
  void end_if_done();
  void end(Error error);
  void* begin(Operation& operation);

  Worker& worker_;
  ChannelStream& stream_;
  runtime::Shard& shard_;
  std::atomic<size_t>& open_streams_;
  Request request_;
  const bool is_last_;          // the first message of ours
  std::atomic<size_t> unsent_;  // bytes

  std::shared_ptr<StreamCall> self_;  // while something is under way
  std::optional<::grpc::ClientContext> context_;
  std::unique_ptr<::grpc::GenericClientAsyncReaderWriter> stream_api_;
  ::grpc::ByteBuffer incoming_;
  ::grpc::Status status_;
  std::deque<std::string> outbox_;
  size_t handed_messages_ = 0;  // and not taken yet
  size_t handed_bytes_ = 0;
  int under_way_ = 0;  // operations
  bool is_started_ = false;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool has_written_in_vain_ = false;
  bool is_finishing_ = false;
  bool has_status_ = false;
  bool is_cancelled_ = false;
  Operation started_{*this, &StreamCall::on_started};
  Operation read_{*this, &StreamCall::on_read};
  Operation written_{*this, &StreamCall::on_written};
  Operation finished_{*this, &StreamCall::on_finished};
};

// The shard's side: what has come and has not been taken.
class ChannelStream final : public Stream {
 public:
  ChannelStream(Worker& worker, std::atomic<size_t>& open_streams, Request request, bool is_last);
  ~ChannelStream() override;

  runtime::Task<Result<std::string>> next() override;
  bool write(std::string message) override;
  void cancel() override;

  // From the worker's messages.
  void take(std::string message);
  void take_end(Error error);

 private:
  void wake();
  void count_taken(size_t bytes);

  Worker& worker_;
  std::shared_ptr<StreamCall> call_;
  std::deque<std::string> inbox_;
  std::optional<Error> end_;
  std::coroutine_handle<> waiting_;
  size_t taken_messages_ = 0;  // and not told yet
  size_t taken_bytes_ = 0;
  bool is_cancelled_ = false;
};

}  // namespace gyre::grpc
