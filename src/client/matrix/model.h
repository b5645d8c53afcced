#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "channel/channel_options.h"

// Who may do what, written down a second time, from the specification alone (subscriptions.md 1 to
// 4, connection-lifecycle.md 2.1, config.md 10), to hold sessions against. Nothing here calls the
// code that decides: what the name of a channel means, and what a token says, is told by hand in
// each row instead of being found out.
namespace gyre::client::matrix {

// What a client gets for a command.
struct Outcome {
  enum class Kind : uint8_t { allowed, error, disconnect, silence };
  Kind kind = Kind::allowed;
  uint32_t code = 0;
  friend auto operator<=>(const Outcome&, const Outcome&) = default;
};
inline constexpr Outcome kAllowed;
constexpr Outcome error(uint32_t code) {
  return {Outcome::Kind::error, code};
}
constexpr Outcome disconnect(uint32_t code) {
  return {Outcome::Kind::disconnect, code};
}
inline std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  static constexpr std::string_view kNames[] = {"allowed", "error ", "disconnect ", "silence"};
  out << kNames[static_cast<size_t>(outcome.kind)];
  return outcome.code ? out << outcome.code : out;
}

// Whose options a channel has: those of channels without namespace, of one of two namespaces, or of
// one that nobody has configured.
enum class Place : uint8_t { bare, chat, digits, unknown };

struct Channel {
  std::string name;
  Place place = Place::bare;
  bool is_private = false;
  bool is_well_formed = true;  // ASCII, or what the regex of `digits` takes
  bool is_too_long = false;
  std::optional<std::vector<std::string>> users = {};  // behind the last boundary

  bool lists(const std::string& user) const {
    bool is_listed = false;
    for (const std::string& one : *users) is_listed |= one == user;
    return is_listed;
  }
};

inline const std::vector<Channel>& channels() {
  using enum Place;
  static const std::string longest(255, 'n');
  static const std::vector<Channel> all{
      {.name = "news"},
      {.name = ":news"},
      {.name = "news$"},
      {.name = "*"},
      {.name = "/users/1"},
      {.name = "chat:room", .place = chat},
      {.name = "chat:a:b", .place = chat},
      {.name = "nope:room", .place = unknown},
      {.name = "Chat:room", .place = unknown},
      {.name = "chat$:room", .place = unknown},
      {.name = "$secret", .is_private = true},
      {.name = "$:secret", .is_private = true},
      {.name = "$chat:room", .place = chat, .is_private = true},
      {.name = "$nope:room", .place = unknown, .is_private = true},
      {.name = "#ann", .users = {{"ann"}}},
      {.name = "dialog#ann,bob", .users = {{"ann", "bob"}}},
      {.name = "dialog#bob", .users = {{"bob"}}},
      {.name = "dialog#ann#bob", .users = {{"bob"}}},
      {.name = "dialog#an", .users = {{"an"}}},
      {.name = "dialog#anna", .users = {{"anna"}}},
      {.name = "dialog#Ann", .users = {{"Ann"}}},
      {.name = "dialog# ann", .users = {{" ann"}}},
      {.name = "dialog#", .users = {{""}}},
      {.name = "dialog#carol,", .users = {{"carol", ""}}},
      {.name = "chat:dialog#ann", .place = chat, .users = {{"ann"}}},
      {.name = "chat:#bob", .place = chat, .users = {{"bob"}}},
      {.name = "$dialog#ann", .is_private = true, .users = {{"ann"}}},
      {.name = "$chat:dialog#ann", .place = chat, .is_private = true, .users = {{"ann"}}},
      {.name = "nope:dialog#ann", .place = unknown, .users = {{"ann"}}},
      {.name = "digits:12", .place = digits},
      {.name = "$digits:12", .place = digits, .is_private = true},
      {.name = "digits:\xc3\xa9", .place = digits},
      {.name = "digits:1x", .place = digits, .is_well_formed = false},
      {.name = "digits:", .place = digits, .is_well_formed = false},
      {.name = "digits:1#ann", .place = digits, .is_well_formed = false, .users = {{"ann"}}},
      {.name = "caf\xc3\xa9", .is_well_formed = false},
      {.name = "$caf\xc3\xa9", .is_private = true, .is_well_formed = false},
      {.name = "chat:\xc3\xa9", .place = chat, .is_well_formed = false},
      {.name = "nope:\xc3\xa9", .place = unknown, .is_well_formed = false},
      {.name = longest},
      {.name = longest + "n", .is_too_long = true},
      {.name = "nope:" + longest, .place = unknown, .is_too_long = true},
      {.name = std::string(254, 'n') + "\xc3\xa9", .is_well_formed = false, .is_too_long = true},
      {.name = ""},
  };
  return all;
}

// Whoever has connected.
struct Who {
  std::string user;
  bool is_insecure = false;  // client.insecure
};

// A token for a subscription. In `claims`, CHANNEL, USER and CLIENT stand for those of the cell,
// PAST and FUTURE for times.
struct SubscriptionToken {
  enum class Key : uint8_t { subscriptions, connections, other };
  enum class For : uint8_t { this_channel, another, unknown_namespace, none };

  std::string_view title;
  std::string claims;  // empty: no token is sent
  Key key = Key::subscriptions;
  For channel = For::this_channel;
  std::optional<std::string> user = {};  // where it is not the client's own
  bool is_for_another_client = false;
  bool is_over = false;    // by exp, or not valid yet by nbf
  bool has_ended = false;  // what it gives is over
  bool is_token = true;

  bool is_given() const { return !claims.empty(); }
  bool is_valid() const { return is_token && key == Key::subscriptions && channel != For::none; }
  bool is_ours(const Who& who) const {
    return channel == For::this_channel && (!user || *user == who.user) && !is_for_another_client;
  }
};

inline const std::vector<SubscriptionToken>& subscription_tokens() {
  using enum SubscriptionToken::For;
  using Key = SubscriptionToken::Key;
  static const std::vector<SubscriptionToken> all{
      {.title = "none"},
      {.title = "valid", .claims = R"({"sub":"USER","channel":"CHANNEL"})"},
      {.title = "valid for a time",
       .claims = R"({"sub":"USER","channel":"CHANNEL","exp":FUTURE,"nbf":PAST,"iat":FUTURE})"},
      {.title = "that never ends",
       .claims = R"({"sub":"USER","channel":"CHANNEL","exp":FUTURE,"expire_at":0})"},
      {.title = "for this client",
       .claims = R"({"sub":"USER","channel":"CHANNEL","client":"CLIENT"})"},
      {.title = "for another client",
       .claims = R"({"sub":"USER","channel":"CHANNEL","client":"another"})",
       .is_for_another_client = true},
      {.title = "for bob", .claims = R"({"sub":"bob","channel":"CHANNEL"})", .user = "bob"},
      {.title = "for nobody", .claims = R"({"channel":"CHANNEL"})", .user = ""},
      {.title = "for another channel",
       .claims = R"({"sub":"USER","channel":"other"})",
       .channel = another},
      {.title = "for a longer channel",
       .claims = R"({"sub":"USER","channel":"CHANNELx"})",
       .channel = another},
      {.title = "for an unknown namespace",
       .claims = R"({"sub":"USER","channel":"nope:room"})",
       .channel = unknown_namespace},
      {.title = "to connect", .claims = R"({"sub":"USER"})", .channel = none},
      {.title = "to connect, over",
       .claims = R"({"sub":"USER","exp":PAST})",
       .channel = none,
       .is_over = true},
      {.title = "over",
       .claims = R"({"sub":"USER","channel":"CHANNEL","exp":PAST})",
       .is_over = true},
      {.title = "for later",
       .claims = R"({"sub":"USER","channel":"CHANNEL","nbf":FUTURE})",
       .is_over = true},
      {.title = "over, for another channel",
       .claims = R"({"sub":"USER","channel":"other","exp":PAST})",
       .channel = another,
       .is_over = true},
      {.title = "that has ended",
       .claims = R"({"sub":"USER","channel":"CHANNEL","expire_at":PAST})",
       .has_ended = true},
      {.title = "by the key for connections",
       .claims = R"({"sub":"USER","channel":"CHANNEL"})",
       .key = Key::connections},
      {.title = "by a stranger's key",
       .claims = R"({"sub":"USER","channel":"CHANNEL","exp":PAST})",
       .key = Key::other,
       .is_over = true},
      {.title = "that is none", .claims = "nonsense", .is_token = false},
  };
  return all;
}

// --- Rules

// allow_X_for_anonymous gives nothing alone; it widens the others to anonymous users.
inline bool covers(bool allows, bool allows_anonymous, const Who& who) {
  return allows && (!who.user.empty() || allows_anonymous);
}

// What a command with a channel has to pass first.
inline std::optional<Outcome> refused_name(const Channel& channel) {
  if (channel.name.empty()) return disconnect(3501);
  if (channel.place == Place::unknown) return error(102);
  if (!channel.is_well_formed) return error(107);
  return std::nullopt;
}

// subscriptions.md 2.1.8, without a token; 10.3 for those limited to users.
inline bool may_enter(const Channel& channel, const channel::ChannelOptions& options,
                      const Who& who) {
  if (channel.is_private) return false;
  const bool is_limited = options.allow_user_limited_channels && channel.users;
  if (is_limited && channel.lists(who.user)) return true;
  if (!is_limited &&
      covers(options.allow_subscribe_for_client, options.allow_subscribe_for_anonymous, who)) {
    return true;
  }
  return who.is_insecure;
}

inline Outcome to_subscribe(const Channel& channel, const channel::ChannelOptions& options,
                            const Who& who, const SubscriptionToken& token, bool is_subscribed) {
  if (channel.name.empty()) return disconnect(3501);
  if (channel.is_too_long) return error(107);
  if (is_subscribed) return error(105);
  if (const auto refused = refused_name(channel)) return *refused;
  if (!token.is_given()) return may_enter(channel, options, who) ? kAllowed : error(103);
  if (!token.is_valid()) return error(103);
  if (token.is_over) return error(109);
  if (token.channel == SubscriptionToken::For::unknown_namespace) return error(102);
  if (!token.is_ours(who)) return disconnect(3500);
  return token.has_ended ? error(110) : kAllowed;
}

// subscriptions.md 3.4, without the defect of an expired token that is taken.
inline Outcome to_refresh_subscription(const Channel& channel, const Who& who,
                                       const SubscriptionToken& token, bool is_subscribed) {
  if (channel.name.empty()) return disconnect(3501);
  if (!is_subscribed) return error(103);
  if (!token.is_given()) return error(107);
  if (!token.is_valid()) return disconnect(3500);
  if (token.is_over) return error(109);
  if (!token.is_ours(who)) return disconnect(3500);
  return token.has_ended ? error(110) : kAllowed;
}

inline Outcome to_unsubscribe(const Channel& channel) {
  return channel.name.empty() ? disconnect(3501) : kAllowed;
}

// subscriptions.md 2.3: what becomes of a channel in the wish list.
inline bool is_wish_granted(const Channel& channel, const channel::ChannelOptions& options,
                            const Who& who) {
  if (refused_name(channel)) return false;
  const bool is_limited = options.allow_user_limited_channels && channel.users;
  // For the list, an anonymous user is not among those listed.
  if (is_limited && who.user.empty() && !who.is_insecure) return false;
  return may_enter(channel, options, who);
}

inline Outcome to_publish(const Channel& channel, const channel::ChannelOptions& options,
                          const Who& who, bool is_subscribed) {
  if (const auto refused = refused_name(channel)) return *refused;
  const bool anonymous = options.allow_publish_for_anonymous;
  const bool may = covers(options.allow_publish_for_client, anonymous, who) ||
                   (is_subscribed && covers(options.allow_publish_for_subscriber, anonymous, who));
  return may || who.is_insecure ? kAllowed : error(103);
}

inline bool has_history_access(const channel::ChannelOptions& options, const Who& who,
                               bool is_subscribed) {
  const bool anonymous = options.allow_history_for_anonymous;
  return covers(options.allow_history_for_client, anonymous, who) ||
         (is_subscribed && covers(options.allow_history_for_subscriber, anonymous, who)) ||
         who.is_insecure;
}

inline bool has_presence_access(const channel::ChannelOptions& options, const Who& who,
                                bool is_subscribed) {
  const bool anonymous = options.allow_presence_for_anonymous;
  return covers(options.allow_presence_for_client, anonymous, who) ||
         (is_subscribed && covers(options.allow_presence_for_subscriber, anonymous, who)) ||
         who.is_insecure;
}

inline Outcome to_read_history(const Channel& channel, const channel::ChannelOptions& options,
                               const Who& who, bool is_subscribed) {
  if (const auto refused = refused_name(channel)) return *refused;
  if (options.history_size == 0 || options.history_ttl.count() == 0) return error(108);
  return has_history_access(options, who, is_subscribed) ? kAllowed : error(103);
}

inline Outcome to_see_presence(const Channel& channel, const channel::ChannelOptions& options,
                               const Who& who, bool is_subscribed) {
  if (const auto refused = refused_name(channel)) return *refused;
  if (!options.presence) return error(108);
  return has_presence_access(options, who, is_subscribed) ? kAllowed : error(103);
}

}  // namespace gyre::client::matrix
