#include "channel/permissions.h"

#include "base/fault_points.h"
#include "protocol/json.h"

namespace gyre::channel {

namespace {

namespace errors = protocol::errors;

// allow_X_for_anonymous alone gives nothing: it widens the other two to anonymous users.
bool passes(const Requester& who, bool for_client, bool for_subscriber, bool for_anonymous) {
  if (who.is_anonymous() && !for_anonymous) return false;
  return for_client ||
         (for_subscriber && (who.is_subscribed || GYRE_PLANTED(subscriber_rights_for_all)));
}

bool may_read(const ChannelOptions& options, const Requester& who) {
  return passes(who, options.allow_history_for_client, options.allow_history_for_subscriber,
                options.allow_history_for_anonymous) ||
         who.rights.has(Rights::kHistory);
}

bool may_see_members(const ChannelOptions& options, const Requester& who) {
  return passes(who, options.allow_presence_for_client, options.allow_presence_for_subscriber,
                options.allow_presence_for_anonymous) ||
         who.rights.has(Rights::kPresence) || who.is_insecure;
}

Refusal denied_unless(bool allowed) {
  if (allowed) return std::nullopt;
  return errors::kPermissionDenied;
}

// Whether the proxy of that name decides about a subscribe without a token, if no right has.
bool is_decided_by(const std::string& proxy, const Resolved& channel, const NameRules& rules) {
  return !proxy.empty() && !channel.name.is_private && !is_user_limited(channel, rules);
}

bool is_json_object(std::string_view data) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = data.find_first_not_of(kSpace);
  return first != std::string_view::npos && data[first] == '{' && protocol::json::validate(data);
}

}  // namespace

Refusal resolve(const Namespaces& namespaces, std::string_view channel, Resolved& resolved) {
  resolved.name = namespaces.parse(channel);
  resolved.ns = namespaces.find(resolved.name);
  if (!resolved.ns) return errors::kUnknownChannel;
  if (!resolved.ns->allows_name(resolved.name)) return errors::kBadRequest;
  resolved.is_wildcard = false;
  if (const WildcardRules* wildcards = namespaces.wildcards()) {
    const WildcardRules::Kind kind = wildcards->kind_of(channel);
    if (kind == WildcardRules::Kind::broken) return errors::kBadRequest;
    resolved.is_wildcard = kind == WildcardRules::Kind::wildcard;
  }
  return std::nullopt;
}

Refusal refusal_of_wildcard(const Namespaces& namespaces, const ChannelName& name) {
  const WildcardRules* wildcards = namespaces.wildcards();
  if (!wildcards) return std::nullopt;
  const WildcardRules::Kind kind = wildcards->kind_of(name.full);
  if (kind == WildcardRules::Kind::channel) return std::nullopt;
  const NameRules& rules = namespaces.rules();
  // Which symbols are special may have changed since the rules were made.
  const bool is_broken = kind == WildcardRules::Kind::broken ||
                         name.full.size() > rules.max_length || name.is_private ||
                         has_user_list(name.full, rules);
  if (is_broken) return errors::kBadRequest;
  return denied_unless(wildcards->allows(name.full, name.namespace_name) ||
                       GYRE_PLANTED(wildcard_needs_no_rule));
}

std::optional<std::string_view> namespace_for_wildcards(const Namespaces& namespaces,
                                                        std::string_view channel) {
  const NameRules& rules = namespaces.rules();
  const bool is_for_some = has_user_list(channel, rules) && !GYRE_PLANTED(wildcard_has_user_lists);
  if (channel.size() > rules.max_length || is_for_some) return std::nullopt;
  const ChannelName name = namespaces.parse(channel);
  const Namespace* ns = namespaces.find(name);
  if (name.is_private || !ns || !ns->allows_name(name)) return std::nullopt;
  return ns->name();
}

bool is_user_limited(const Resolved& channel, const NameRules& rules) {
  return channel.options().allow_user_limited_channels && has_user_list(channel.name.full, rules);
}

bool is_asked_of_backend(const Resolved& channel, const Requester& who, const NameRules& rules) {
  return !who.rights.has(Rights::kSubscribe) &&
         is_decided_by(channel.options().subscribe_proxy, channel, rules);
}

bool is_streamed_by_backend(const Resolved& channel, const Requester& who, const NameRules& rules) {
  return !who.rights.has(Rights::kSubscribe) &&
         is_decided_by(channel.options().subscribe_stream_proxy, channel, rules);
}

Ground ground_to_subscribe(const Resolved& channel, const Requester& who, const NameRules& rules) {
  if (channel.name.is_private && !GYRE_PLANTED(private_needs_no_token)) return Ground::none;
  const bool is_limited = is_user_limited(channel, rules);
  if (is_limited &&
      (lists_user(channel.name.full, who.user, rules) || GYRE_PLANTED(user_list_is_ignored))) {
    return Ground::user_list;
  }
  const ChannelOptions& options = channel.options();
  const bool is_capable = who.rights.has(Rights::kSubscribe);
  // Without the right the option would not count.
  if (is_capable && (is_decided_by(options.subscribe_proxy, channel, rules) ||
                     is_decided_by(options.subscribe_stream_proxy, channel, rules))) {
    return Ground::capability;
  }
  if (!is_limited && passes(who, options.allow_subscribe_for_client, false,
                            options.allow_subscribe_for_anonymous)) {
    return Ground::option;
  }
  if (is_capable) return Ground::capability;
  return who.is_insecure ? Ground::insecure : Ground::none;
}

Ground ground_to_wish(const Namespaces& namespaces, std::string_view channel,
                      const Requester& who) {
  Resolved resolved;
  if (resolve(namespaces, channel, resolved)) return Ground::none;
  if (refusal_of_wildcard(namespaces, resolved.name)) return Ground::none;
  // An empty element of the list speaks for anonymous users who subscribe, but not for those who
  // connect.
  const NameRules& rules = namespaces.rules();
  if (is_asked_of_backend(resolved, who, rules) || is_streamed_by_backend(resolved, who, rules)) {
    return Ground::none;
  }
  const Ground ground = ground_to_subscribe(resolved, who, rules);
  const bool is_by_list = ground == Ground::user_list && who.is_anonymous();
  return is_by_list && !who.is_insecure ? Ground::none : ground;
}

Refusal may_publish(const Resolved& channel, const Requester& who) {
  const ChannelOptions& options = channel.options();
  return denied_unless(passes(who, options.allow_publish_for_client,
                              options.allow_publish_for_subscriber,
                              options.allow_publish_for_anonymous) ||
                       who.rights.has(Rights::kPublish) || who.is_insecure);
}

Refusal may_read_history(const Resolved& channel, const Requester& who) {
  if (!channel.options().has_history()) return errors::kNotAvailable;
  return denied_unless(may_read(channel.options(), who) || who.is_insecure);
}

Refusal may_see_presence(const Resolved& channel, const Requester& who) {
  if (!channel.options().presence) return errors::kNotAvailable;
  return denied_unless(may_see_members(channel.options(), who));
}

bool may_follow_members(const Resolved& channel, Requester who) {
  who.is_subscribed = true;  // it is about to be
  return channel.options().join_leave && may_see_members(channel.options(), who);
}

StreamWish grant(const Resolved& channel, StreamWish forced, StreamWish wish, Requester who) {
  const ChannelOptions& options = channel.options();
  who.is_subscribed = true;  // it is about to be
  const bool reads = options.has_history() && (may_read(options, who) || who.is_insecure);
  StreamWish granted = forced;
  granted.recoverable |= wish.recoverable && (options.allow_recovery || reads);
  granted.positioned |= wish.positioned && (options.allow_positioning || reads);
  granted.positioned |= granted.recoverable;  // recovery implies positioning
  return granted;
}

bool accepts_data(DataFormat format, std::string_view data) {
  switch (format) {
    case DataFormat::non_empty:
      return !data.empty();
    case DataFormat::json:
      return protocol::json::validate(data);
    case DataFormat::json_object:
      return is_json_object(data);
    case DataFormat::binary:
      return true;
  }
  return false;
}

}  // namespace gyre::channel
