#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>

namespace gyre::client {

// When a user has done something last. Times are Unix seconds; 0: nothing is known.
struct UserStatus {
  std::string user;
  int64_t active = 0;  // has used the application, which it has told
  int64_t online = 0;  // has had a connection
  std::string state;   // as the server API has named it last
};

// The statuses of users (gyre.user_status, docs/user-status.md). One for the node, owned by it and
// used by all shards; a lock is cheap, as each use is a look-up and users do not change their
// status often. Those whose last change is the longest ago are forgotten when there are too many.
//
// Whether a user is connected now is not kept here, so that a connection costs nothing: only its
// end is noted.
class UserStatuses {
 public:
  struct Limits {
    size_t users = 1'000'000;
    int64_t seconds = 31 * 24 * 3600;  // after its last change a status is forgotten
  };
  struct Figures {
    uint64_t users = 0;
    uint64_t displaced = 0;  // forgotten for want of room, since the start
  };
  explicit UserStatuses(Limits limits) : limits_(limits) {}

  void note_active(std::string_view user, int64_t now);
  // An empty state leaves it as it is.
  void note_active(std::string_view user, std::string_view state, int64_t now);
  void note_online(std::string_view user, int64_t now);
  void forget(std::string_view user);
  // With the user's name in any case.
  UserStatus find(std::string_view user, int64_t now) const;
  Figures figures() const;

 private:
  struct Entry {
    UserStatus status;
    int64_t changed = 0;
  };
  using Entries = std::list<Entry>;
  // The user's entry, the last of all now.
  UserStatus& touch(std::string_view user, int64_t now);
  void erase(Entries::iterator entry);

  const Limits limits_;
  mutable std::mutex mutex_;
  Entries entries_;  // in the order of their last changes
  boost::unordered_flat_map<std::string_view, Entries::iterator> by_user_;  // into entries_
  uint64_t displaced_ = 0;
};

}  // namespace gyre::client
