#include "client/user_statuses.h"

#include <utility>

namespace gyre::client {

namespace {

// Who notes something does so on a shard, and must not be held up by what ended meanwhile.
constexpr int kForgottenAtOnce = 100;

}  // namespace

void UserStatuses::erase(Entries::iterator entry) {
  by_user_.erase(entry->status.user);
  entries_.erase(entry);
}

UserStatus& UserStatuses::touch(std::string_view user, int64_t now) {
  for (int i = 0; i < kForgottenAtOnce && !entries_.empty(); ++i) {
    if (entries_.front().changed + limits_.seconds > now) break;
    erase(entries_.begin());
  }
  if (const auto found = by_user_.find(user); found != by_user_.end()) {
    entries_.splice(entries_.end(), entries_, found->second);
  } else {
    if (entries_.size() >= limits_.users) {
      erase(entries_.begin());
      ++displaced_;
    }
    entries_.push_back({.status = {.user = std::string(user), .state = {}}});
    by_user_.emplace(entries_.back().status.user, std::prev(entries_.end()));
  }
  entries_.back().changed = now;
  return entries_.back().status;
}

void UserStatuses::note_active(std::string_view user, int64_t now) {
  note_active(user, {}, now);
}

void UserStatuses::note_active(std::string_view user, std::string_view state, int64_t now) {
  const std::scoped_lock lock(mutex_);
  UserStatus& status = touch(user, now);
  status.active = now;
  if (!state.empty()) status.state = state;
}

void UserStatuses::note_online(std::string_view user, int64_t now) {
  const std::scoped_lock lock(mutex_);
  touch(user, now).online = now;
}

void UserStatuses::forget(std::string_view user) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = by_user_.find(user); found != by_user_.end()) erase(found->second);
}

UserStatus UserStatuses::find(std::string_view user, int64_t now) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_user_.find(user);
  if (found == by_user_.end() || found->second->changed + limits_.seconds <= now) {
    return {.user = std::string(user), .state = {}};
  }
  return found->second->status;
}

UserStatuses::Figures UserStatuses::figures() const {
  const std::scoped_lock lock(mutex_);
  return {.users = entries_.size(), .displaced = displaced_};
}

}  // namespace gyre::client
