#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "client/rate_limits.h"
#include "net/sockets.h"
#include "runtime/shard.h"
#include "runtime/shard_bound.h"

namespace gyre::client {

// The token buckets of everybody who is held to one limit. A bucket that is not there is full: one
// is kept for as long as an empty one takes to fill, and at most for twice that, by which time all
// in `former_` can go together. Nothing is ever searched for what could be forgotten.
class Buckets {
 public:
  bool take(uint64_t subject, const net::RateLimit& limit, os::Nanos now);
  // Forgets buckets that are full.
  void age(os::Nanos now);
  void forget(uint64_t subject);
  size_t size() const { return recent_.size() + former_.size(); }

 private:
  using FullAt = boost::unordered_flat_map<uint64_t, os::Nanos>;
  FullAt recent_;  // touched since the last change
  FullAt former_;  // touched before it
  os::Nanos change_at_ = 0;
  os::Nanos refill_ = 0;  // the time between changes
};

// The same for all commands.
class CommandBuckets {
 public:
  bool take(uint64_t subject, const RateLimits::Of& limits, metrics::ClientMethod method,
            os::Nanos now);
  void age(os::Nanos now);
  void forget(uint64_t subject);
  size_t size() const;

 private:
  Buckets total_;
  metrics::By<metrics::ClientMethod, Buckets> commands_;
};

// Those of the users. One for the node, asked by all shards: a user's connections are on any of
// them. In parts, each with a lock, so that shards rarely meet
// (docs/decisions/0011-user-rate-limits.md).
class UserBuckets {
 public:
  bool take(uint64_t user, const RateLimits::Of& limits, metrics::ClientMethod method,
            os::Nanos now);
  void age(os::Nanos now);
  size_t size();

 private:
  struct alignas(64) Part {
    std::mutex mutex;
    std::unique_ptr<CommandBuckets> buckets;  // null until somebody needs them
  };
  std::array<Part, 64> parts_;
};

// Holds the commands of a shard's sessions to their limits. Owned by the shard's assembly; sessions
// keep nothing for it.
class RateLimiter final : runtime::Timer, runtime::ShardBound {
 public:
  // `users` and `seed` are the node's.
  RateLimiter(runtime::Shard& shard, UserBuckets& users, uint64_t seed)
      : shard_(shard), users_(users), seed_(seed) {}

  // Counts a command. Whose limit it is over, if it is. Users without a name have no limit.
  std::optional<metrics::RateScope> count(const RateLimits& limits, metrics::ClientMethod method,
                                          net::SocketHandle client, std::string_view user);
  // A connection has ended: ever new ones must not add up, however slowly their buckets fill.
  void forget(net::SocketHandle client);
  // What is remembered, that of all users included.
  size_t size() const { return clients_.size() + users_.size(); }

 private:
  void on_timer() override;

  runtime::Shard& shard_;
  UserBuckets& users_;
  const uint64_t seed_;
  CommandBuckets clients_;
};

}  // namespace gyre::client
