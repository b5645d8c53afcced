#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>
#include <string>

#include "grpc/worker.h"
#include "runtime/message.h"
#include "runtime/shard.h"

namespace gyre::grpc {

// A call that waits: in the frame of the coroutine that asked. The call's end writes the result,
// then posts this to the shard, and looks at it no more.
struct Asking final : runtime::Message {
  void deliver() override { coroutine.resume(); }

  Request request;
  std::chrono::steady_clock::time_point deadline;
  Result<std::string> result = std::string();
  std::coroutine_handle<> coroutine;
  runtime::Shard* shard = nullptr;
  std::atomic<size_t>* open_calls = nullptr;
};

// One call with one answer, from the worker's thread taking it up until it has ended, which
// destroys it.
class UnaryCall final : public Worker::Event, public Worker::Call {
 public:
  // On the worker's thread.
  static void start(Worker& worker, Asking& asking);
  // Tells the one who asked, of a call that has not begun or has ended.
  static void finish(Asking& asking, Result<std::string> result);

  void cancel() override { context_.TryCancel(); }

 private:
  UnaryCall(Worker& worker, Asking& asking) : worker_(worker), asking_(asking) {}
  void on_event(bool is_ok) override;

  Worker& worker_;
  Asking& asking_;
  ::grpc::ClientContext context_;
  std::unique_ptr<::grpc::GenericClientAsyncResponseReader> reader_;
  ::grpc::ByteBuffer answer_;
  ::grpc::Status status_;
};

}  // namespace gyre::grpc
