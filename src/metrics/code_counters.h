#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "metrics/counter.h"

namespace gyre::metrics {

// Counters by a code, and by a tag that tells apart what has the code (a method, a transport).
// Codes are few but applications choose some, so the table is searched from its start and has an
// end: what comes when it is full is counted together. Writing and reading as with Counter.
template <size_t kCapacity>
class CodeCounters {
 public:
  void add(uint32_t tag, uint32_t code) { find(key_of(tag, code)).add(); }
  void add(uint32_t code) { add(0, code); }

  // Calls visit(tag, code, count) for each.
  template <class Visit>
  void for_each(Visit&& visit) const {
    const size_t size = size_.load(std::memory_order_acquire);
    for (size_t i = 0; i < size; ++i) {
      const uint64_t key = entries_[i].key;
      visit(static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(key),
            entries_[i].count.value());
    }
  }
  // What found no place.
  uint64_t rest() const { return rest_.value(); }

 private:
  struct Entry {
    uint64_t key = 0;  // written before size_ says so, never again after
    Counter count;
  };

  static uint64_t key_of(uint32_t tag, uint32_t code) { return uint64_t{tag} << 32 | code; }

  Counter& find(uint64_t key) {
    const size_t size = size_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < size; ++i) {
      if (entries_[i].key == key) return entries_[i].count;
    }
    if (size == kCapacity) return rest_;
    entries_[size].key = key;
    size_.store(size + 1, std::memory_order_release);
    return entries_[size].count;
  }

  std::atomic<size_t> size_{0};
  std::array<Entry, kCapacity> entries_;
  Counter rest_;
};

}  // namespace gyre::metrics
