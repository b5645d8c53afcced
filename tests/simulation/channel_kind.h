#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::sim {

// Who may do something in a channel.
enum class Allowed : uint8_t { nobody, subscribers, everybody };

// What a channel is, as its namespace says, and what the rules make of it: a model of its own,
// which shares no code with the server's.
struct ChannelKind {
  std::string name;
  bool has_history = false;
  bool is_positioned = false;  // if asked for; recoverable ones are, too
  bool is_recoverable = false;
  bool forces_positioning = false;  // not asked for, too; as for server-side subscriptions
  bool forces_recovery = false;
  bool has_presence = false;
  bool has_members = false;  // tells who joins and leaves
  bool has_delta = false;
  bool has_filter = false;
  bool has_cache = false;        // only the newest publication is recovered
  bool recovers_always = false;  // with every subscription, asked for or not
  bool has_numbers = false;      // its pushes have a number for whoever asks for that
  bool is_ruled = false;         // a backend decides who subscribes and publishes
  bool is_wildcard = false;      // no channel, but a name for all that it stands for
  bool needs_token = false;      // subscribed to by a token for it, and by nothing else
  int32_t history_size = 0;
  int64_t history_ttl = 0;  // seconds

  Allowed subscribing = Allowed::everybody;
  Allowed publishing = Allowed::everybody;
  Allowed reading_history = Allowed::subscribers;
  Allowed seeing_presence = Allowed::subscribers;
  bool is_open_to_anonymous = true;  // who has no name may do what others may
  std::vector<std::string> users;    // the only ones that may subscribe, if there are any

  bool may(Allowed allowed, std::string_view user, bool is_subscribed) const {
    if (user.empty() && !is_open_to_anonymous) return false;
    return allowed == Allowed::everybody || (allowed == Allowed::subscribers && is_subscribed);
  }
  // Without a token for it.
  bool may_subscribe(std::string_view user) const {
    if (needs_token) return false;
    if (!users.empty()) return std::ranges::find(users, user) != users.end();
    return may(subscribing, user, false);
  }
};

// Whether the wildcard stands for the channel, or for all that another wildcard stands for. Names
// have tokens with dots between them behind the namespace (docs/wildcards.md).
inline bool stands_for(std::string_view wildcard, std::string_view name) {
  // Neither private channels nor those of some users.
  if (name.find_first_of("$#") != std::string_view::npos) return false;
  const size_t boundary = wildcard.find(':');
  if (wildcard.substr(0, boundary) != name.substr(0, name.find(':'))) return false;
  wildcard.remove_prefix(boundary + 1);
  name.remove_prefix(boundary + 1);
  for (;;) {
    const size_t end = wildcard.find('.');
    const size_t name_end = name.find('.');
    const std::string_view token = wildcard.substr(0, end);
    const std::string_view its = name.substr(0, name_end);
    if (token == ">") return true;
    if (token == "*" ? its == ">" : token != its) return false;
    if (end == std::string_view::npos || name_end == std::string_view::npos) {
      return end == name_end;
    }
    wildcard.remove_prefix(end + 1);
    name.remove_prefix(name_end + 1);
  }
}

}  // namespace gyre::sim
