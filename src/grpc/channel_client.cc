#include "grpc/channel_client.h"

#include <utility>

#include "grpc/stream_call.h"
#include "grpc/unary_call.h"
#include "grpc/worker.h"

namespace gyre::grpc {

ChannelClient::ChannelClient(ChannelClientOptions options)
    : options_(options), worker_(std::make_unique<Worker>()) {}

ChannelClient::~ChannelClient() = default;

bool ChannelClient::enter(std::atomic<size_t>& open, uint32_t most) {
  if (open.fetch_add(1, std::memory_order_relaxed) < most) return true;
  open.fetch_sub(1, std::memory_order_relaxed);
  refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

runtime::Task<Result<std::string>> ChannelClient::call(Request request) {
  // Submits when the coroutine is suspended, so that the answer finds it so.
  struct Submission {
    Worker& worker;
    Asking& asking;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) {
      asking.coroutine = coroutine;
      asking.shard = runtime::Shard::current();
      worker.submit([this] { UnaryCall::start(worker, asking); });
    }
    void await_resume() const {}
  };

  if (!enter(open_calls_, options_.calls_max)) {
    co_return fail(Errc::unavailable, "too many requests are waiting for their answers");
  }
  Asking asking;
  asking.deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(request.timeout);
  asking.request = std::move(request);
  asking.open_calls = &open_calls_;
  co_await Submission{*worker_, asking};
  co_return std::move(asking.result);
}

std::unique_ptr<Stream> ChannelClient::open(Request request, bool is_last) {
  if (!enter(open_streams_, options_.streams_max)) return nullptr;
  return std::make_unique<ChannelStream>(*worker_, open_streams_, std::move(request), is_last);
}

}  // namespace gyre::grpc
