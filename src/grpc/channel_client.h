#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "grpc/client.h"

namespace gyre::grpc {

struct ChannelClientOptions {
  // At once; more are refused. Streams stay open, and would leave no room for calls.
  uint32_t calls_max = 16'384;
  uint32_t streams_max = 16'384;
};

// Client on the GRPC library. Owned by app; ends before the shards do. Nothing of the library is
// there, no thread either, before the first call.
class ChannelClient final : public Client {
 public:
  explicit ChannelClient(ChannelClientOptions options = {});
  // Calls that are still open end as cancelled.
  ~ChannelClient() override;
  ChannelClient(const ChannelClient&) = delete;

  runtime::Task<Result<std::string>> call(Request request) override;
  std::unique_ptr<Stream> open(Request request, bool is_last) override;

  ClientFigures figures() const override {
    return {.calls = open_calls_.load(std::memory_order_relaxed) +
                     open_streams_.load(std::memory_order_relaxed),
            .refused = refused_.load(std::memory_order_relaxed)};
  }

 private:
  bool enter(std::atomic<size_t>& open, uint32_t most);

  const ChannelClientOptions options_;
  std::atomic<size_t> open_calls_{0};
  std::atomic<size_t> open_streams_{0};
  std::atomic<uint64_t> refused_{0};
  const std::unique_ptr<class Worker> worker_;
};

}  // namespace gyre::grpc
