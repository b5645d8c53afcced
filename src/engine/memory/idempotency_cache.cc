#include "engine/memory/idempotency_cache.h"

namespace gyre::engine::memory {

std::string IdempotencyCache::name(std::string_view channel, std::string_view key) {
  // The channel's length keeps ("a", "b_c") and ("a_b", "c") apart.
  std::string name = std::to_string(channel.size());
  name.append(1, ':').append(channel).append(key);
  return name;
}

const protocol::StreamPosition* IdempotencyCache::find(std::string_view channel,
                                                       std::string_view key, int64_t now) {
  const auto found = results_.find(name(channel, key));
  if (found == results_.end() || found->second.until <= now) return nullptr;
  return &found->second.position;
}

void IdempotencyCache::put(std::string_view channel, std::string_view key,
                           protocol::StreamPosition result, int64_t now) {
  purge(now);
  if (by_age_.size() == kEntriesMax) {
    results_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
  std::string full = name(channel, key);
  results_.insert_or_assign(full, Entry{std::move(result), now + kSeconds});
  by_age_.emplace_back(now + kSeconds, std::move(full));
}

void IdempotencyCache::purge(int64_t now) {
  while (!by_age_.empty() && by_age_.front().first <= now) {
    results_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
}

}  // namespace gyre::engine::memory
