#pragma once

#include <atomic>
#include <cstdint>

namespace gyre::metrics {

// A number that only grows. One writer at a time (the holder of its shard's baton), any number of
// readers: the increment is an ordinary load and store, no locked instruction.
class Counter {
 public:
  void add(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// A number that goes up and down, under the same rule.
class Gauge {
 public:
  void add(int64_t amount = 1) { set(value() + amount); }
  void subtract(int64_t amount = 1) { set(value() - amount); }
  void set(int64_t value) {
    value_.store(value, std::memory_order_relaxed);
    is_used_.store(true, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }
  // Whether it was ever written: an unused series is not exposed.
  bool is_used() const { return is_used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
  std::atomic<bool> is_used_{false};
};

// Messages of one kind, and their bytes.
struct Traffic {
  Counter messages;
  Counter bytes;

  void add(uint64_t size, uint64_t count = 1) {
    messages.add(count);
    bytes.add(size);
  }
};

}  // namespace gyre::metrics
