#include "client/moderation.h"

#include <algorithm>

namespace gyre::client {

// The length in front, so that no user and channel look like others.
std::string Moderation::key_of(std::string_view user, std::string_view channel) {
  return std::to_string(user.size()).append(":").append(user).append(channel);
}

template <class Value>
bool Moderation::put(ExpiringMap<Value>& map, const std::string& name, Value value,
                     int64_t expire_at, int64_t now) {
  blocked_.expire(now);
  revoked_.expire(now);
  issued_before_.expire(now);
  const size_t size = blocked_.size() + revoked_.size() + issued_before_.size();
  const bool has_room = size < limits_.entries || map.contains(name);
  if (has_room) map.put(name, std::move(value), expire_at);
  size_ = blocked_.size() + revoked_.size() + issued_before_.size();
  return has_room;
}

bool Moderation::block(const std::string& user, int64_t expire_at, int64_t now) {
  const std::scoped_lock lock(mutex_);
  return put(blocked_, user, {}, expire_at, now);
}

void Moderation::unblock(std::string_view user) {
  const std::scoped_lock lock(mutex_);
  if (blocked_.erase(user)) --size_;
}

bool Moderation::revoke(const std::string& uid, int64_t expire_at, int64_t now) {
  const std::scoped_lock lock(mutex_);
  return put(revoked_, uid, {}, expire_at, now);
}

bool Moderation::invalidate(std::string_view user, std::string_view channel, int64_t issued_before,
                            int64_t expire_at, int64_t now) {
  const std::scoped_lock lock(mutex_);
  const std::string key = key_of(user, channel);
  if (const int64_t* known = issued_before_.find(key, now)) {
    const int64_t end = issued_before_.end_of(key);
    issued_before = std::max(issued_before, *known);
    expire_at = expire_at == 0 || end == 0 ? 0 : std::max(expire_at, end);
  }
  return put(issued_before_, key, issued_before, expire_at, now);
}

bool Moderation::is_blocked(std::string_view user, int64_t now) const {
  if (size_ == 0 || user.empty()) return false;
  const std::scoped_lock lock(mutex_);
  return blocked_.find(user, now) != nullptr;
}

bool Moderation::is_revoked(const TokenMark& token, std::string_view user, std::string_view channel,
                            int64_t now) const {
  if (size_ == 0) return false;
  const std::scoped_lock lock(mutex_);
  if (!token.uid.empty() && revoked_.find(token.uid, now)) return true;
  const int64_t* issued_before = issued_before_.find(key_of(user, channel), now);
  return issued_before && token.issued_at < *issued_before;
}

}  // namespace gyre::client
