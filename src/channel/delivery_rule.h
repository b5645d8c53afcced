#pragma once

#include <chrono>
#include <cstdint>

namespace gyre::channel {

// What becomes of a subscription whose connection does not take what is there for it.
enum class SlowConsumer : uint8_t {
  disconnect,   // nothing of its own: the connection ends when more waits for it than may
  keep_latest,  // what comes meanwhile is left out, but for the newest
  resubscribe,  // it ends, and the client is told, so that it subscribes anew and recovers
};

// How publications reach the subscribers of a namespace's channels (gyre.delivery); without one,
// each of them at once and everybody.
struct DeliveryRule {
  SlowConsumer slow_consumer = SlowConsumer::disconnect;
  bool batch_flush_latest = false;  // of a batch its newest publication alone
  // That wait for a connection until it counts as slow; 0: a quarter of what may wait at all.
  uint32_t slow_consumer_bytes = 0;
  uint32_t batch_max_size = 0;                   // publications
  std::chrono::milliseconds batch_max_delay{0};  // 0: there are no batches

  bool is_batching() const { return batch_max_delay.count() > 0; }
};

}  // namespace gyre::channel
