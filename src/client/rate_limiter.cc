#include "client/rate_limiter.h"

#include <utility>

#include "base/hash.h"

namespace gyre::client {

namespace {

// How often it is looked at what can be forgotten.
constexpr os::Nanos kAgeing = 10 * os::kSecond;

uint64_t subject_of(net::SocketHandle client) {
  return uint64_t{client.generation} << 32 | client.slot;
}

}  // namespace

bool Buckets::take(uint64_t subject, const net::RateLimit& limit, os::Nanos now) {
  refill_ = limit.most;
  age(now);
  const auto [bucket, is_new] = recent_.try_emplace(subject, 0);
  if (is_new) {
    const auto before = former_.find(subject);
    if (before != former_.end()) bucket->second = before->second;
  }
  return limit.take(bucket->second, now);
}

void Buckets::age(os::Nanos now) {
  if (now < change_at_) return;
  former_ = std::exchange(recent_, {});
  change_at_ = now + refill_;
}

void Buckets::forget(uint64_t subject) {
  recent_.erase(subject);
  former_.erase(subject);
}

bool CommandBuckets::take(uint64_t subject, const RateLimits::Of& limits,
                          metrics::ClientMethod method, os::Nanos now) {
  const net::RateLimit& own = limits.commands[method];
  if (own && !commands_[method].take(subject, own, now)) return false;
  // Who is not let go of what it has would ask for more of it.
  if (!limits.total || method == metrics::ClientMethod::unsubscribe) return true;
  return total_.take(subject, limits.total, now);
}

void CommandBuckets::age(os::Nanos now) {
  total_.age(now);
  metrics::for_each_label<metrics::ClientMethod>(
      [&](metrics::ClientMethod method) { commands_[method].age(now); });
}

void CommandBuckets::forget(uint64_t subject) {
  total_.forget(subject);
  metrics::for_each_label<metrics::ClientMethod>(
      [&](metrics::ClientMethod method) { commands_[method].forget(subject); });
}

size_t CommandBuckets::size() const {
  size_t sum = total_.size();
  metrics::for_each_label<metrics::ClientMethod>(
      [&](metrics::ClientMethod method) { sum += commands_[method].size(); });
  return sum;
}

bool UserBuckets::take(uint64_t user, const RateLimits::Of& limits, metrics::ClientMethod method,
                       os::Nanos now) {
  if (!limits.total && !limits.commands[method]) return true;
  Part& part = parts_[user % parts_.size()];
  const std::lock_guard lock(part.mutex);
  if (!part.buckets) part.buckets = std::make_unique<CommandBuckets>();
  return part.buckets->take(user, limits, method, now);
}

void UserBuckets::age(os::Nanos now) {
  for (Part& part : parts_) {
    const std::lock_guard lock(part.mutex);
    if (!part.buckets) continue;
    part.buckets->age(now);
    if (part.buckets->size() == 0) part.buckets.reset();
  }
}

size_t UserBuckets::size() {
  size_t sum = 0;
  for (Part& part : parts_) {
    const std::lock_guard lock(part.mutex);
    if (part.buckets) sum += part.buckets->size();
  }
  return sum;
}

std::optional<metrics::RateScope> RateLimiter::count(const RateLimits& limits,
                                                     metrics::ClientMethod method,
                                                     net::SocketHandle client,
                                                     std::string_view user) {
  check_shard();
  const os::Nanos now = shard_.now();
  if (!is_armed()) shard_.timers().arm(*this, now + kAgeing);
  if (!clients_.take(subject_of(client), limits.client, method, now))
    return metrics::RateScope::client;
  if (user.empty()) return std::nullopt;
  if (!users_.take(hash_text(user, seed_), limits.user, method, now)) {
    return metrics::RateScope::user;
  }
  return std::nullopt;
}

void RateLimiter::forget(net::SocketHandle client) {
  check_shard();
  if (is_armed()) clients_.forget(subject_of(client));  // else there is nothing
}

void RateLimiter::on_timer() {
  clients_.age(shard_.now());
  users_.age(shard_.now());
  if (size() > 0) shard_.timers().arm(*this, shard_.now() + kAgeing);
}

}  // namespace gyre::client
