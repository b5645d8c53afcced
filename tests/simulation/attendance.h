#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/ledger.h"

namespace gyre::sim {

// What an answer to presence or presence_stats says.
struct PresenceAnswer {
  std::map<std::string, std::string> users;  // by client
  // Of presence_stats, which has nothing else.
  bool has_counts = false;
  size_t num_clients = 0;
  size_t num_users = 0;
};

// Who has been in which channel, as the clients know it, and so who must and who may be in an
// answer about presence while others come and go. Owned by the scenario.
class Attendance {
 public:
  // `has_all`: nothing that was done to presence fails.
  Attendance(Agenda& agenda, Record& record, bool has_all)
      : agenda_(agenda), record_(record), has_all_(has_all) {}

  // Somebody of that user may come into the channel from now on.
  void may_come(const std::string& channel, const std::string& user) {
    users_[channel].insert(user);
  }
  void is_live(const std::string& channel, const std::string& client, const std::string& user);
  // The client has asked to leave, or has heard that it has been made to.
  void is_leaving(const std::string& channel, const std::string& client);
  // The client's connection has ended, as it has seen.
  void is_gone(const std::string& client) { gone_.emplace(client, record_.now()); }

  // An answer, now, to a question that was asked then. What it is held against is known a while
  // later, when everybody has heard of what had happened to him.
  void answered(const std::string& channel, os::Nanos asked, PresenceAnswer answer);

  // Whether the client has heard of everything at once for that long.
  std::function<bool(const std::string& client, os::Nanos duration)> hears;

 private:
  struct Stay {
    std::string client;
    std::string user;
    os::Nanos live = 0;
    os::Nanos leaving = os::kForever;
  };
  void judge(const std::string& channel, os::Nanos asked, os::Nanos answered,
             const PresenceAnswer& answer);

  Agenda& agenda_;
  Record& record_;
  const bool has_all_;
  std::map<std::string, std::vector<Stay>> stays_;      // by channel
  std::map<std::string, std::set<std::string>> users_;  // by channel: who may have come
  std::map<std::string, os::Nanos> gone_;               // by client
};

}  // namespace gyre::sim
