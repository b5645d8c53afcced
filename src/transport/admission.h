#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "http/response.h"
#include "os/kernel.h"
#include "runtime/memory_pressure.h"

namespace gyre::transport {

// How many connections the node takes, and how fast (client.connection_limit,
// client.connection_rate_limit; spec connection-lifecycle.md 8), and whether there is memory for
// them (gyre.memory_limit). One for the node, asked by all
// shards, lock-free. Asked for connection endpoints only.
class Admission {
 public:
  struct Limits {
    uint64_t connections = 0;  // 0: any number
    uint64_t per_second = 0;   // 0: any number; as many at once
  };
  // `connected`: how many clients the node has.
  Admission(Limits limits, std::function<uint64_t()> connected,
            runtime::MemoryPressure& memory = runtime::MemoryPressure::unlimited())
      : connections_(limits.connections),
        per_second_(limits.per_second),
        connected_(std::move(connected)),
        memory_(memory) {}

  // A full node's answer, or nothing; then a token is taken. `now` is monotonic.
  enum class Verdict : uint8_t { welcome, full, too_fast, short_of_memory };
  Verdict admit(os::Nanos now);

  // For a reload.
  void set_connection_limit(uint64_t limit) {
    connections_.store(limit, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> connections_;
  const uint64_t per_second_;
  const std::function<uint64_t()> connected_;
  runtime::MemoryPressure& memory_;
  // The bucket as the time at which it will be full again (a virtual scheduling algorithm, ITU-T
  // I.371): one word to change atomically.
  std::atomic<os::Nanos> full_at_{0};
};

}  // namespace gyre::transport
