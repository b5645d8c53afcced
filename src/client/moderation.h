#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace gyre::client {

// What a token says of itself, as far as it takes to revoke it (claims jti and iat).
struct TokenMark {
  std::string uid;        // empty: it does not say
  int64_t issued_at = 0;  // Unix seconds; 0: it does not say, which is older than all
};

// Names with something known of them, each for as long as it says.
template <class Value>
class ExpiringMap {
 public:
  // `expire_at`: Unix seconds; 0: never. In place of what was known of the name.
  void put(const std::string& name, Value value, int64_t expire_at) {
    erase(name);
    const auto place = entries_.insert_or_assign(name, Entry{std::move(value), expire_at}).first;
    if (expire_at > 0) due_.emplace(expire_at, &place->first);
  }
  bool erase(std::string_view name) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return false;
    due_.erase({found->second.expire_at, &found->first});
    entries_.erase(found);
    return true;
  }
  int64_t end_of(std::string_view name) const { return entries_.find(name)->second.expire_at; }
  const Value* find(std::string_view name, int64_t now) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return nullptr;
    const int64_t end = found->second.expire_at;
    return end > 0 && end <= now ? nullptr : &found->second.value;
  }
  bool contains(std::string_view name) const { return entries_.contains(name); }
  // Forgets what has ended by now, some of it at a time: who asks is on a shard.
  void expire(int64_t now) {
    for (int i = 0; i < kExpiredAtOnce && !due_.empty() && due_.begin()->first <= now; ++i) {
      erase(*due_.begin()->second);
    }
  }
  size_t size() const { return entries_.size(); }

 private:
  static constexpr int kExpiredAtOnce = 1000;
  struct Entry {
    Value value;
    int64_t expire_at = 0;
  };
  std::map<std::string, Entry, std::less<>> entries_;
  std::set<std::pair<int64_t, const std::string*>> due_;  // into entries_
};

// Users that are blocked and tokens that are revoked (gyre.moderation, docs/moderation.md). One for
// the node, owned by it and asked by all shards; a lock is cheap, as only what connects or brings a
// token asks, and while nobody is blocked not even that. Times are Unix seconds.
class Moderation {
 public:
  struct Limits {
    size_t entries = 100'000;
  };
  explicit Moderation(Limits limits) : limits_(limits) {}

  // False: there is no room for another one. `expire_at` 0: for good.
  bool block(const std::string& user, int64_t expire_at, int64_t now);
  void unblock(std::string_view user);
  bool revoke(const std::string& uid, int64_t expire_at, int64_t now);
  // Tokens of the user that were issued before then: connection tokens, or with a channel
  // subscription tokens for it. Beside an order that still holds the later time and the later end
  // count: one that comes late or again takes nothing back.
  bool invalidate(std::string_view user, std::string_view channel, int64_t issued_before,
                  int64_t expire_at, int64_t now);

  bool is_blocked(std::string_view user, int64_t now) const;
  // `channel`: of a subscription token; empty for a connection token.
  bool is_revoked(const TokenMark& token, std::string_view user, std::string_view channel,
                  int64_t now) const;

 private:
  template <class Value>
  bool put(ExpiringMap<Value>& map, const std::string& name, Value value, int64_t expire_at,
           int64_t now);  // locked
  static std::string key_of(std::string_view user, std::string_view channel);

  const Limits limits_;
  mutable std::mutex mutex_;
  std::atomic<size_t> size_ = 0;  // of all three
  struct Nothing {};
  ExpiringMap<Nothing> blocked_;
  ExpiringMap<Nothing> revoked_;        // by uid
  ExpiringMap<int64_t> issued_before_;  // by user and channel
};

}  // namespace gyre::client
