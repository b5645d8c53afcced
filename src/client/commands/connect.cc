// The command `connect` (spec connection-lifecycle.md 2).
#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "base/fault_points.h"
#include "base/log.h"
#include "client/audience.h"
#include "client/backend_answer.h"
#include "client/census.h"
#include "client/joining.h"
#include "outbound/url.h"
#include "proxy/header_name.h"

namespace gyre::client {

namespace {

namespace errors = protocol::errors;
namespace disconnects = protocol::disconnects;

constexpr int64_t kYear = 365 * 24 * 3600;

Refusal refusal_of(const auth::Problem& problem) {
  switch (problem.kind) {
    case auth::Problem::Kind::invalid:
      return protocol::Disconnect(disconnects::kInvalidToken);
    case auth::Problem::Kind::expired:
      return protocol::ClientError(errors::kTokenExpired);
    case auth::Problem::Kind::undecodable:
      return protocol::ClientError(errors::kInternal);
  }
  return protocol::ClientError(errors::kInternal);
}

}  // namespace

// Who connects, as far as it is known.
struct Session::Identity {
  bool has_credentials = false;
  bool is_from_backend = false;
  std::string user;
  std::string info;
  std::string meta;
  std::string data;            // for the client
  std::optional<int64_t> end;  // Unix seconds
  std::string personal_channel;
};

runtime::Task<Answer<void>> Session::connect(const CommandBox& box) {
  const auto& request = box.request<protocol::ConnectRequest>();
  // A temporary error: SDKs come back later.
  if (services_.memory.refuses_connect()) co_return client::refuse(errors::kTooManyRequests);
  if (!request.name.empty()) flags_ |= kNamed;
  if (!request.version.empty()) flags_ |= kVersioned;
  introduce(request);
  if (services_.connection_tokens->missing_key_set(request.token)) {
    GYRE_CO_TRY_VOID(
        co_await load_key_sets(services_.connection_tokens, std::string(request.token)));
    if (!is_open()) co_return Answer<void>();
  }
  keep_emulated_headers(request);
  std::optional<proxy::ConnectResult> granted;
  if (request.token.empty() && backend(proxy::Event::connect)) {
    GYRE_CO_TRY(granted, co_await ask_to_connect(request));
    if (!is_open()) co_return Answer<void>();
  }
  Identity identity;
  std::vector<ServerSide> subs;
  GYRE_CO_TRY_VOID(authenticate(request, std::move(granted), identity, subs));
  flags_ |= kIdentified;
  if (is_too_fast(protocol::RequestKind::connect, identity.user)) {
    co_return client::refuse(errors::kTooManyRequests);
  }
  if (!identity.personal_channel.empty() && services_.settings->single_connection) {
    GYRE_CO_TRY_VOID(co_await displace_others(identity.user, identity.personal_channel));
    if (!is_open()) co_return Answer<void>();
  }
  GYRE_CO_TRY_VOID(co_await admit(identity));
  if (is_open() && !subs.empty()) {
    services_.sockets.hold(socket_);
    GYRE_CO_TRY_VOID(co_await join_all(subs));
  }
  if (!is_open()) co_return Answer<void>();
  reply_connected(box.id(), identity, subs);
  for (const ServerSide& one : subs) announce_join(one.plan);
  co_return Answer<void>();
}

runtime::Task<Answer<void>> Session::load_key_sets(
    const std::unique_ptr<const auth::TokenVerifier>& verifier, std::string token) {
  for (int round = 0; round < 2; ++round) {
    const std::optional<std::string> url = verifier->missing_key_set(token);
    if (!url) break;
    const Result<void> loaded = co_await services_.key_sets->load(*url);
    if (loaded) continue;
    log::error("error loading a key set",
               {{"url", outbound::without_password(*url)}, {"error", loaded.error().context}});
    co_return client::refuse(errors::kInternal);
  }
  co_return Answer<void>();
}

// Those that a backend wants; they hold for the whole connection. Of equal names the last counts.
void Session::keep_emulated_headers(const protocol::ConnectRequest& request) {
  if (!services_.proxies) return;
  for (const auto& [name, value] : request.headers) {
    if (!services_.proxies->definitions().wants_emulated_header(name)) continue;
    std::unique_ptr<proxy::ClientHeaders>& headers = rare().headers;
    if (!headers) headers = std::make_unique<proxy::ClientHeaders>();
    std::string known_name = proxy::in_lower_case(name);
    std::erase_if(headers->emulated, [&](const auto& one) { return one.first == known_name; });
    headers->emulated.emplace_back(std::move(known_name), value);
  }
}

runtime::Task<Answer<std::optional<proxy::ConnectResult>>> Session::ask_to_connect(
    const protocol::ConnectRequest& request) {
  proxy::ConnectCall call{
      .data = request.data, .name = request.name, .version = request.version, .channels = {}};
  for (const auto& [channel, wish] : request.subs) call.channels.push_back(channel);
  proxy::Backend& asked = *backend(proxy::Event::connect);
  GYRE_CO_TRY(std::optional<proxy::ConnectResult> granted,
              outcome_of(co_await asked.ask(caller(), call)));
  if (granted && !keep_capabilities_of(asked, std::move(granted->caps))) {
    co_return client::refuse(errors::kInternal);
  }
  co_return granted;
}

Answer<void> Session::authenticate(const protocol::ConnectRequest& request,
                                   std::optional<proxy::ConnectResult> granted, Identity& identity,
                                   std::vector<ServerSide>& subs) {
  const Settings& settings = *services_.settings;
  if (!request.token.empty()) {
    GYRE_TRY_VOID(authenticate_by_token(request.token, identity, subs));
  } else if (granted) {
    GYRE_TRY_VOID(authenticate_by_backend(std::move(*granted), identity, subs));
  } else if (settings.allow_anonymous_connect_without_token || settings.insecure) {
    identity.has_credentials = true;
  }
  if (identity.has_credentials) {
    GYRE_TRY_VOID(add_personal_channel(identity, subs));
    GYRE_TRY_VOID(add_wishes(request, identity, subs));
  }
  if (settings.channel_limit > 0 && subs.size() > settings.channel_limit) {
    return client::refuse(disconnects::kChannelLimit);
  }
  if (identity.has_credentials) return {};
  if (!rare_ || rare_->header_user.empty()) return client::refuse(disconnects::kBadRequest);
  identity.user = rare_->header_user;
  return {};
}

Answer<void> Session::authenticate_by_token(std::string_view token, Identity& identity,
                                            std::vector<ServerSide>& subs) {
  const Settings& settings = *services_.settings;
  auto verified =
      services_.connection_tokens->verify_connect(token, services_.shard.unix_seconds());
  if (!verified) return std::unexpected(refusal_of(verified.error()));
  auth::Claims& claims = verified->claims;
  if (is_revoked(claims, verified->user)) return client::refuse(disconnects::kInvalidToken);
  keep_token(claims);
  if (!keep_capabilities(std::move(claims.capabilities))) {
    return client::refuse(disconnects::kInvalidToken);
  }
  if (claims.subs.empty()) {
    for (std::string& channel : claims.channels)
      claims.subs.emplace_back(std::move(channel), auth::SubscriptionOptions());
  }
  boost::unordered_flat_set<std::string_view> seen;
  for (const auto& [channel, options] : claims.subs) {
    const channel::ChannelName name = settings.namespaces->parse(channel);
    const channel::Namespace* ns = settings.namespaces->find(name);
    if (!ns) return client::refuse(errors::kUnknownChannel);
    if (const auto refusal = channel::refusal_of_wildcard(*settings.namespaces, name)) {
      return client::refuse(*refusal);
    }
    if (channel.empty() || !seen.insert(channel).second) continue;
    subs.push_back({plan_server_side(name, ns->options(), options)});
    subs.back().plan.flags |= Subscription::kFromToken;
    subs.back().plan.source = Source::connection_token;
  }
  if (verified->user.empty() && settings.disallow_anonymous_connection_tokens) {
    return client::refuse(disconnects::kPermissionDenied);
  }
  identity = {.has_credentials = true,
              .user = std::move(verified->user),
              .info = std::move(claims.options.info),
              .meta = std::move(claims.meta),
              .end = settings.insecure ? std::nullopt : claims.end()};
  return {};
}

// A result stands for credentials, with an empty user too (spec connection-lifecycle.md 2.1, 3).
Answer<void> Session::authenticate_by_backend(proxy::ConnectResult granted, Identity& identity,
                                              std::vector<ServerSide>& subs) const {
  const channel::Namespaces& namespaces = *services_.settings->namespaces;
  if (GYRE_PLANTED(granted_channels_are_forgotten)) granted.channels.clear();
  for (std::string& channel : granted.channels) {
    granted.subs.emplace_back(std::move(channel), proxy::SubscribeOptions());
  }
  // Those with options stand in front, and so win.
  boost::unordered_flat_set<std::string_view> seen;
  for (auto& [channel, options] : granted.subs) {
    const channel::ChannelName name = namespaces.parse(channel);
    const channel::Namespace* ns = namespaces.find(name);
    if (!ns) return client::refuse(errors::kUnknownChannel);
    if (const auto refusal = channel::refusal_of_wildcard(namespaces, name)) {
      return client::refuse(*refusal);
    }
    if (channel.empty() || !seen.insert(channel).second) continue;
    subs.push_back({plan_server_side(name, ns->options(), proxy::options_of(options))});
    subs.back().plan.source = Source::connect_proxy;
  }
  identity = {.has_credentials = true,
              .is_from_backend = true,
              .user = std::move(granted.user),
              .info = std::move(granted.info.bytes),
              .meta = std::move(granted.meta.bytes),
              .data = std::move(granted.data.bytes),
              .end = granted.expire_at > 0 ? std::optional(granted.expire_at) : std::nullopt};
  return {};
}

// What the client asks for by connect.subs: positions to recover server-side subscriptions from,
// and further channels that it could subscribe to itself (spec subscriptions.md 2.3); not these if
// a backend has said what there is.
Answer<void> Session::add_wishes(const protocol::ConnectRequest& request, const Identity& identity,
                                 std::vector<ServerSide>& subs) const {
  const channel::Namespaces& namespaces = *services_.settings->namespaces;
  const uint32_t limit = services_.settings->channel_limit;
  if (request.subs.empty()) return {};
  // The list is the client's and may be long: no walk of one list for each entry of the other.
  boost::unordered_flat_map<std::string, size_t> places;
  for (size_t i = 0; i < subs.size(); ++i) places.emplace(subs[i].plan.channel, i);
  for (const auto& [channel, wish] : request.subs) {
    const auto found = places.find(std::string(channel));
    ServerSide* sub = found == places.end() ? nullptr : &subs[found->second];
    if (!sub && identity.is_from_backend) continue;
    const channel::ChannelName name = namespaces.parse(channel);
    if (!sub) {
      // The caller refuses so many; more of them would be made for nothing.
      if (limit > 0 && subs.size() > limit) break;
      const channel::Namespace* ns = namespaces.find(name);
      if (!ns) return client::refuse(disconnects::kBadRequest);
      const channel::Requester who{.user = identity.user,
                                   .is_subscribed = false,
                                   .is_insecure = services_.settings->insecure,
                                   .rights = rights(channel)};
      if (channel.empty()) continue;
      const channel::Ground ground = channel::ground_to_wish(namespaces, channel, who);
      if (ground == channel::Ground::none) continue;
      places.emplace(channel, subs.size());
      sub = &subs.emplace_back(plan_server_side(name, ns->options(), {}));
      sub->plan.source = source_of(ground);
    }
    const channel::ChannelOptions& options = namespaces.find(name)->options();
    sub->plan.has_delta = wish.delta == "fossil" && options.allows_fossil_delta;
    plan_recovery(options, wish.recover, {.offset = wish.offset, .epoch = std::string(wish.epoch)},
                  sub->plan);
  }
  return {};
}

// Spec connection-lifecycle.md 2.1, step 5.
Answer<void> Session::add_personal_channel(Identity& identity,
                                           std::vector<ServerSide>& subs) const {
  const Settings& settings = *services_.settings;
  if (!settings.has_personal_channels || identity.user.empty()) return {};
  const channel::Namespaces& namespaces = *settings.namespaces;
  std::string channel;
  if (!settings.personal_namespace.empty()) {
    channel = settings.personal_namespace + namespaces.rules().namespace_boundary;
  }
  channel += namespaces.rules().user_boundary + identity.user;
  const channel::ChannelName name = namespaces.parse(channel);
  const channel::Namespace* ns = namespaces.find(name);
  if (!ns) return client::refuse(errors::kUnknownChannel);
  // A user's name can look like one where a reload has brought another symbol of such channels.
  if (namespaces.is_wildcard(channel)) return client::refuse(errors::kPermissionDenied);
  const auto same = [&channel](const ServerSide& one) { return one.plan.channel == channel; };
  if (std::ranges::none_of(subs, same)) {
    subs.push_back({plan_server_side(name, ns->options(), {})});
    subs.back().plan.source = Source::user_personal;
  }
  identity.personal_channel = std::move(channel);
  return {};
}

// The user's other connections make way for this one.
runtime::Task<Answer<void>> Session::displace_others(std::string user, std::string channel) {
  const auto stats = co_await services_.directory.presence_stats(std::move(channel));
  if (!stats) {
    log::error("error reading presence of a personal channel", {{"error", stats.error().context}});
    co_return client::refuse(disconnects::kServerError);
  }
  if (stats->clients == 0 || GYRE_PLANTED(older_connection_stays)) co_return Answer<void>();
  if (GYRE_PLANTED(newer_connection_goes)) co_return client::refuse(disconnects::kConnectionLimit);
  Target others{.user = std::move(user), .client = {}, .session = {}, .spared = {id_.text()}};
  co_await services_.audience->disconnect(std::move(others), disconnects::kConnectionLimit);
  co_return Answer<void>();
}

runtime::Task<Answer<void>> Session::admit(const Identity& identity) {
  const uint32_t limit = services_.settings->user_connection_limit;
  if (limit > 0 && !identity.user.empty()) {
    if (!co_await services_.census.admit(identity.user, limit)) {
      co_return client::refuse(disconnects::kConnectionLimit);
    }
    if (!is_open()) {
      services_.census.remove(identity.user);
      co_return Answer<void>();
    }
  } else {
    services_.census.add(identity.user);
  }
  flags_ |= kCounted;
  services_.roster.admit(*this, identity.user);
  GYRE_CO_TRY_VOID(check_moderation(identity.user));
  if (!identity.info.empty()) rare().conn_info = identity.info;
  if (!identity.meta.empty()) rare().meta = identity.meta;
  if (identity.end && *identity.end < services_.shard.unix_seconds()) {
    co_return client::refuse(errors::kExpired);
  }
  co_return Answer<void>();
}

// All at once; what arrives for the first ones meanwhile is held back behind the connect reply.
runtime::Task<Answer<void>> Session::join_all(std::vector<ServerSide>& subs) {
  runtime::Latch latch(subs.size());
  for (ServerSide& one : subs) {
    services_.shard.tasks().spawn(join_one(Ref<Session>(this), &one, &latch));
  }
  co_await latch;
  const Refusal* refusal = nullptr;
  for (const ServerSide& one : subs) {
    if (one.joined) continue;
    const bool is_disconnect = std::holds_alternative<protocol::Disconnect>(one.joined.error());
    if (!refusal || is_disconnect) refusal = &one.joined.error();
  }
  if (refusal) co_return std::unexpected(*refusal);
  co_return Answer<void>();
}

runtime::Task<void> Session::join_one(Ref<Session> self, ServerSide* one, runtime::Latch* latch) {
  {
    Joining joining(*self, one->plan);
    one->joined = co_await self->join(one->plan, joining);
    if (one->joined && self->is_open()) joining.go_live(one->plan, *one->joined);
  }
  latch->arrive();
}

void Session::reply_connected(uint32_t id, const Identity& identity,
                              std::vector<ServerSide>& subs) {
  const Settings& settings = *services_.settings;
  const int64_t now = services_.shard.unix_seconds();
  const std::string client = id_.text();
  protocol::ConnectResult result;
  result.client = client;
  result.version = settings.server_version;
  result.data = identity.data;
  if (identity.end && !backend(proxy::Event::refresh)) {
    result.expires = true;
    result.ttl = static_cast<uint32_t>(std::clamp<int64_t>(*identity.end - now, 0, kYear));
  }
  for (const ServerSide& one : subs) {
    count_recovery(one.plan, *one.joined);
    result.subs.emplace_back(one.plan.channel, describe(one.plan, *one.joined));
  }
  if (settings.ping_interval > 0 && !transport_->traits().has_own_pings) {
    result.ping = static_cast<uint32_t>(settings.ping_interval / os::kSecond);
    result.pong = settings.pong_timeout > 0;
  }
  if (settings.connect_include_server_time) result.time = services_.shard.unix_milliseconds();
  std::string& out = services_.message_buffer();
  if (!protocol::encode_reply(encoding(), id, result, out)) {
    return close(disconnects::kInappropriateProtocol);
  }
  count_sent(metrics::FrameType::connect, out.size());
  services_.sockets.release(socket_, Frame::make(out));
  services_.trim_message_buffer();
  state_ = State::connected;
  flags_ |= kConnected;
  if (rare_ && rare_->introduction) {
    rare_->introduction->connected_at = services_.shard.unix_milliseconds();
  }
  connections().accepted.add();
  connections().inflight.add();
  expire_at(identity.end);
  start_duties();
}

// There is no second chance on this connection: the client gets the error and is expected to leave.
void Session::refuse_connect(uint32_t id, const protocol::ClientError& error) {
  std::string& out = services_.message_buffer();
  protocol::encode_error(encoding(), id, error, out);
  count_sent(metrics::FrameType::connect, out.size());
  services_.sockets.abandon_output(socket_);
  services_.sockets.release(socket_, Frame::make(out));
  state_ = State::refused;
  drop_backlog();
  // Pushes that are held back for it mean nothing without the connection.
  while (!subscriptions_.empty()) detach(subscriptions_.back(), &hub::LocalHub::drop);
  if (flags_ & kCounted) services_.census.remove(user());
  flags_ &= static_cast<uint8_t>(~kCounted);
  services_.roster.withdraw(*this);
  await_leaving();
}

}  // namespace gyre::client
