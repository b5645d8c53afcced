#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "channel/namespaces.h"
#include "channel/rights.h"
#include "protocol/codes.h"

// Who may do what with a channel, in the orders of spec subscriptions.md 2.1 and 4. Pure functions.
// A refusal is the error that the client gets; nothing means go on. Deny is the default.
namespace gyre::channel {

using Refusal = std::optional<protocol::ErrorCode>;

struct Requester {
  std::string_view user;       // empty: anonymous
  bool is_subscribed = false;  // to the channel in question
  bool is_insecure = false;    // client.insecure
  Rights rights = {};          // by tokens, to the channel

  bool is_anonymous() const { return user.empty(); }
};

// What every command with a channel checks first, and the channel's namespace if it passes: unknown
// namespace, a name that clients may not use.
struct Resolved {
  ChannelName name;
  const Namespace* ns = nullptr;
  bool is_wildcard = false;  // not a channel; nothing can be done with it but to subscribe
  const ChannelOptions& options() const { return ns->options(); }
};
Refusal resolve(const Namespaces& namespaces, std::string_view channel, Resolved& resolved);

// What speaks against any subscription to the name, whoever wants it: it is a wildcard, and no rule
// allows that.
Refusal refusal_of_wildcard(const Namespaces& namespaces, const ChannelName& name);
// The namespace whose wildcards stand for the channel as well. Nothing for a channel that clients
// could not subscribe to by its name, or not all who may subscribe to others of the namespace.
std::optional<std::string_view> namespace_for_wildcards(const Namespaces& namespaces,
                                                        std::string_view channel);

// Whether the namespace gives the name's list of users a meaning, and the name has one.
bool is_user_limited(const Resolved& channel, const NameRules& rules);

// Whether the subscribe proxy decides about a subscribe without a token: not if one that the client
// has connected with has decided.
bool is_asked_of_backend(const Resolved& channel, const Requester& who, const NameRules& rules);
// Whether the backend of a subscription stream decides about it, and sends what is published.
bool is_streamed_by_backend(const Resolved& channel, const Requester& who, const NameRules& rules);
// Why somebody may subscribe; of several reasons the first.
enum class Ground : uint8_t {
  none,  // there is no reason: refused
  user_list,
  option,      // of the namespace
  capability,  // before the option where a backend would decide otherwise
  insecure,
};
// A subscribe without a token, if no proxy decides. With a token, that does.
Ground ground_to_subscribe(const Resolved& channel, const Requester& who, const NameRules& rules);
// Whether a channel in the connect request's wish list becomes a server-side subscription; if not,
// it is dropped silently (subscriptions.md 2.3).
Ground ground_to_wish(const Namespaces& namespaces, std::string_view channel, const Requester& who);

Refusal may_publish(const Resolved& channel, const Requester& who);
Refusal may_read_history(const Resolved& channel, const Requester& who);
Refusal may_see_presence(const Resolved& channel, const Requester& who);

// Whether a subscriber who asks for it is told who joins and leaves: who may see presence could
// find out anyway.
bool may_follow_members(const Resolved& channel, Requester who);

// What a subscription gets of what it asks for, besides what it gets unasked; the rest is ignored
// silently. As a subscriber who may read history could find everything out anyway, that access
// grants both.
struct StreamWish {
  bool positioned = false;
  bool recoverable = false;
};
StreamWish grant(const Resolved& channel, StreamWish forced, StreamWish wish, Requester who);

// Whether a payload may be published.
bool accepts_data(DataFormat format, std::string_view data);

}  // namespace gyre::channel
