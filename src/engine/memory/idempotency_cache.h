#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/publication.h"

namespace gyre::engine::memory {

// The results of publishes with an idempotency key, each for 300 s from its publish (spec
// memory.md, 2). Owned by MemoryBroker. Bounded: beyond kEntriesMax the oldest result is forgotten.
class IdempotencyCache {
 public:
  static constexpr int64_t kSeconds = 300;
  static constexpr size_t kEntriesMax = 1'000'000;

  // Null if there is none.
  const protocol::StreamPosition* find(std::string_view channel, std::string_view key, int64_t now);
  void put(std::string_view channel, std::string_view key, protocol::StreamPosition result,
           int64_t now);
  void purge(int64_t now);
  size_t size() const { return results_.size(); }

 private:
  static std::string name(std::string_view channel, std::string_view key);
  struct Entry {
    protocol::StreamPosition position;
    int64_t until;
  };
  std::unordered_map<std::string, Entry> results_;
  std::deque<std::pair<int64_t, std::string>> by_age_;
};

}  // namespace gyre::engine::memory
