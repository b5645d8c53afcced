// The commands `subscribe` and `unsubscribe`, and their like by the server (spec subscriptions.md
// 2, 3 and 5.1).
#include "base/fault_points.h"
#include "base/log.h"
#include "client/backend_answer.h"
#include "client/joining.h"
#include "hub/delta_payload.h"

namespace gyre::client {

namespace {

namespace errors = protocol::errors;
namespace disconnects = protocol::disconnects;

Refusal refusal_of_token(const auth::Problem& problem) {
  switch (problem.kind) {
    case auth::Problem::Kind::invalid:
      return protocol::ClientError(errors::kPermissionDenied);
    case auth::Problem::Kind::expired:
      return protocol::ClientError(errors::kTokenExpired);
    case auth::Problem::Kind::undecodable:
      return protocol::ClientError(errors::kInternal);
  }
  return protocol::ClientError(errors::kInternal);
}

// What the protocol knows as types of subscriptions and this server does not have.
Answer<void> check_type(int32_t type) {
  if (type == protocol::kSubscriptionSharedPoll) return client::refuse(errors::kNotAvailable);
  if (type > protocol::kSubscriptionSharedPoll) return client::refuse(errors::kBadRequest);
  return {};
}

}  // namespace

runtime::Task<Answer<void>> Session::subscribe(const CommandBox& box) {
  const auto& request = box.request<protocol::SubscribeRequest>();
  if (services_.subscription_tokens->missing_key_set(request.token)) {
    GYRE_CO_TRY_VOID(
        co_await load_key_sets(services_.subscription_tokens, std::string(request.token)));
    if (!is_open()) co_return Answer<void>();
  }
  const std::shared_ptr<const Settings> settings = services_.settings;
  GYRE_CO_TRY(const channel::Resolved resolved, check_subscribe(*settings, request));
  GYRE_CO_TRY(SubscribePlan plan, plan_subscribe(request, resolved));
  // From here on the channel is taken: a backend may be slow, and nobody subscribes twice
  // meanwhile.
  std::optional<Joining> joining;
  proxy::StreamRef stream;
  if (plan.backend) {
    joining.emplace(*this, plan);
    if (plan.is_streamed) {
      GYRE_CO_TRY_VOID(co_await open_stream(request, resolved, plan, stream));
    } else {
      GYRE_CO_TRY_VOID(co_await ask_to_subscribe(request, resolved, plan));
    }
    if (!is_open()) co_return Answer<void>();
  }
  GYRE_CO_TRY_VOID(finish_plan(request, resolved.options(), plan));
  if (joining) {
    joining->set_flags(plan.flags);
  } else {
    joining.emplace(*this, plan);
  }
  if (plan.token) keep_token(joining->channel(), *plan.token);
  const Answer<hub::Joined> joined = co_await join(plan, *joining);
  if (!is_open()) co_return Answer<void>();
  if (!joined) co_return std::unexpected(joined.error());
  if (plan.rejects_unrecovered && !plan.recovers_cache && plan.since &&
      !joined->recovery.recovered) {
    co_return client::refuse(errors::kUnrecoverablePosition);
  }
  count_recovery(plan, *joined);
  protocol::SubscribeResult result = describe(plan, *joined);
  result.id = push_id(*find(joining->channel()));
  reply(box.id(), result);
  if (!is_open()) co_return Answer<void>();
  joining->go_live(plan, *joined);
  announce_join(plan);
  if (stream) start_following(plan.channel, std::move(stream));
  co_return Answer<void>();
}

// The checks that come before anybody is asked, in the order of the specification (2.1).
Answer<channel::Resolved> Session::check_subscribe(
    const Settings& settings, const protocol::SubscribeRequest& request) const {
  if (request.channel.empty()) return client::refuse(disconnects::kBadRequest);
  GYRE_TRY_VOID(check_type(request.type));
  if (!request.delta.empty() && request.delta != "fossil") {
    return client::refuse(disconnects::kBadRequest);
  }
  if (request.channel.size() > settings.namespaces->rules().max_length) {
    return client::refuse(errors::kBadRequest);
  }
  if (find(request.channel)) return client::refuse(errors::kAlreadySubscribed);
  const size_t most = settings.channel_limit + (GYRE_PLANTED(channel_limit_off_by_one) ? 1u : 0u);
  if (settings.channel_limit > 0 && subscriptions_.size() >= most) {
    return client::refuse(errors::kLimitExceeded);
  }
  GYRE_TRY(const channel::Resolved resolved, resolve(settings, request.channel, true));
  if (const auto refusal = channel::refusal_of_wildcard(*settings.namespaces, resolved.name)) {
    return client::refuse(*refusal);
  }
  if (request.type > protocol::kSubscriptionStream) {
    return client::refuse(errors::kPermissionDenied);
  }
  return resolved;
}

// What the namespace gives to all subscriptions, before anybody else has had his say.
Session::SubscribePlan Session::plan_by_namespace(std::string_view channel,
                                                  const channel::ChannelOptions& options) {
  SubscribePlan plan;
  plan.channel = channel;
  plan.delivery = options.delivery;
  plan.announces = options.join_leave;
  plan.wants_announcements = options.force_push_join_leave;
  plan.set_stream({.positioned = options.force_positioning, .recoverable = options.force_recovery});
  plan.set_flag(Subscription::kPresent, options.presence);
  plan.set_flag(Subscription::kBackendRefreshes, !options.sub_refresh_proxy.empty());
  return plan;
}

// Who decides, and what the subscription gets, as far as it is known before a backend is asked.
Answer<Session::SubscribePlan> Session::plan_subscribe(const protocol::SubscribeRequest& request,
                                                       const channel::Resolved& resolved) const {
  const channel::NameRules& rules = services_.settings->namespaces->rules();
  const channel::ChannelOptions& options = resolved.options();
  channel::Requester who = requester(request.channel);
  SubscribePlan plan = plan_by_namespace(request.channel, options);
  if (resolved.is_wildcard) plan.wildcard_of = resolved.name.namespace_name;
  if (request.token.empty() && channel::is_asked_of_backend(resolved, who, rules)) {
    // What the client wishes for has no effect then (2.1, 9).
    plan.backend = backend(proxy::Event::subscribe, options.subscribe_proxy);
    plan.source = Source::subscribe_proxy;
    if (!plan.backend) return client::refuse(errors::kNotAvailable);
    return plan;
  }
  if (request.token.empty() && channel::is_streamed_by_backend(resolved, who, rules)) {
    plan.backend = backend(proxy::Event::subscribe_stream, options.subscribe_stream_proxy);
    if (!plan.backend || !services_.streams) return client::refuse(errors::kNotAvailable);
    plan.source = Source::subscribe_proxy;
    plan.is_streamed = true;
    plan.is_bidirectional = options.is_subscribe_stream_bidirectional;
    plan.set_stream({.positioned = false, .recoverable = false});
    return plan;
  }
  if (!request.token.empty()) {
    GYRE_TRY(auth::Claims claims, verify_token(request));
    if (is_revoked(claims, user())) return client::refuse(errors::kPermissionDenied);
    plan.end = claims.end();
    grant(claims.options, plan);
    plan.source = Source::subscription_token;
    plan.rights = channel::Rights(claims.allow);
    who.rights = who.rights | plan.rights;
    if (keeps_tokens()) plan.token = std::move(claims);
  } else {
    const channel::Ground ground = channel::ground_to_subscribe(resolved, who, rules);
    if (ground == channel::Ground::none) return client::refuse(errors::kPermissionDenied);
    plan.source = source_of(ground);
  }
  GYRE_TRY_VOID(grant_wishes(
      resolved,
      {.stream = {.positioned = request.positioned, .recoverable = request.recoverable},
       .is_recovering = request.recover,
       .follows_members = request.join_leave},
      who, plan));
  return plan;
}

// As far as `who` may have it.
Answer<void> Session::grant_wishes(const channel::Resolved& resolved, const Wishes& wishes,
                                   const channel::Requester& who, SubscribePlan& plan) {
  plan.set_stream(channel::grant(
      resolved, {.positioned = plan.is_positioned(), .recoverable = plan.is_recoverable},
      wishes.stream, who));
  // What it would get of a channel, and asks for, is not to be had of a wildcard.
  const bool asks_for_stream =
      wishes.stream.positioned || wishes.stream.recoverable || wishes.is_recovering;
  if (plan.is_wildcard() && plan.is_positioned() && asks_for_stream) {
    return client::refuse(errors::kNotAvailable);
  }
  plan.wants_announcements |= wishes.follows_members && channel::may_follow_members(resolved, who);
  return {};
}

Source Session::source_of(channel::Ground ground) {
  switch (ground) {
    case channel::Ground::none:
      return Source::unknown;
    case channel::Ground::user_list:
      return Source::user_limited;
    case channel::Ground::option:
      return Source::client_allowed;
    case channel::Ground::capability:
      return Source::capability;
    case channel::Ground::insecure:
      return Source::client_insecure;
  }
  return Source::unknown;
}

// What a token or a backend gives in place of the namespace's options.
void Session::grant(const auth::SubscriptionOptions& granted, SubscribePlan& plan) {
  const auth::Override& own = granted.override_options;
  plan.info = granted.info;
  plan.data = granted.data;
  plan.announces = own.join_leave.value_or(plan.announces);
  plan.wants_announcements = own.force_push_join_leave.value_or(plan.wants_announcements);
  if (own.presence) plan.set_flag(Subscription::kPresent, *own.presence);
  const bool is_recoverable = own.force_recovery.value_or(plan.is_recoverable);
  plan.set_stream(
      {.positioned = own.force_positioning.value_or(plan.is_positioned()) || is_recoverable,
       .recoverable = is_recoverable});
}

// The rights that a backend gives to the subscription. Where it decides, what the client wishes for
// has an effect only as far as they go.
Answer<void> Session::allow(const proxy::Allow& allow, const protocol::SubscribeRequest& request,
                            const channel::Resolved& resolved, SubscribePlan& plan) const {
  plan.rights = channel::Rights(allow.words);
  channel::Requester who = requester(request.channel);
  who.rights = plan.rights;
  // A streamed subscription has no place in a stream of the channel's own.
  const bool reads = plan.rights.has(channel::Rights::kHistory) && !plan.is_streamed;
  const bool sees_members = plan.rights.has(channel::Rights::kPresence);
  return grant_wishes(resolved,
                      {.stream = {.positioned = reads && request.positioned,
                                  .recoverable = reads && request.recoverable},
                       .is_recovering = reads && request.recover,
                       .follows_members = sees_members && request.join_leave},
                      who, plan);
}

runtime::Task<Answer<void>> Session::ask_to_subscribe(const protocol::SubscribeRequest& request,
                                                      const channel::Resolved& resolved,
                                                      SubscribePlan& plan) {
  const proxy::SubscribeCall call{.channel = request.channel, .data = request.data};
  auto asked = co_await plan.backend->ask(caller(), call);
  if (GYRE_PLANTED(backend_refusal_is_forgotten) && asked) asked->error.reset();
  GYRE_CO_TRY(std::optional<proxy::SubscribeResult> result, outcome_of(std::move(asked)));
  if (result && result->expire_at > 0) plan.end = result->expire_at;
  grant(result ? proxy::options_of(*result) : auth::SubscriptionOptions(), plan);
  co_return result ? allow(result->allow, request, resolved, plan) : Answer<void>();
}

// The rest, when it is known what has been granted.
Answer<void> Session::finish_plan(const protocol::SubscribeRequest& request,
                                  const channel::ChannelOptions& options,
                                  SubscribePlan& plan) const {
  if (plan.end && *plan.end <= services_.shard.unix_seconds()) {
    return client::refuse(errors::kExpired);
  }
  // Those of a wildcard have no common base; what a backend streams is sent as it comes.
  plan.has_delta = request.delta == "fossil" && options.allows_fossil_delta &&
                   !plan.is_wildcard() && !plan.is_streamed;
  GYRE_TRY_VOID(plan_filter(request, options, plan));
  plan.rejects_unrecovered = request.flag & protocol::kSubscribeFlagRejectUnrecovered;
  plan.set_flag(Subscription::kByPushId, request.flag & protocol::kSubscribeFlagChannelCompaction &&
                                             options.allows_compaction(encoding()));
  plan_recovery(options, request.recover,
                {.offset = request.offset, .epoch = std::string(request.epoch)}, plan);
  plan.history_meta_ttl = options.history_meta_ttl;
  return {};
}

Answer<void> Session::plan_filter(const protocol::SubscribeRequest& request,
                                  const channel::ChannelOptions& options,
                                  SubscribePlan& plan) const {
  if (!request.tf) return {};
  if (!options.allow_tags_filter) return client::refuse(errors::kBadRequest);
  std::optional<protocol::TagsFilter> filter = protocol::TagsFilter::compile(*request.tf);
  if (!filter) return client::refuse(errors::kBadRequest);
  // Deltas need every publication, so such a subscription is not filtered.
  if (!plan.has_delta) {
    plan.filter = std::make_shared<const protocol::TagsFilter>(std::move(*filter));
  }
  return {};
}

// From where the subscription recovers, if it does. The last that is planned of any subscription.
void Session::plan_recovery(const channel::ChannelOptions& options, bool is_asked,
                            protocol::StreamPosition since, SubscribePlan& plan) {
  if (plan.is_wildcard()) plan.keep_to_live();
  plan.recovers_cache = options.recovers_cache;
  const bool is_auto = options.recovers_cache && options.auto_cache_recover &&
                       plan.is_recoverable && !GYRE_PLANTED(cache_is_not_recovered_unasked);
  plan.was_recovering = is_asked || is_auto;
  if (plan.is_recoverable && plan.was_recovering) plan.since = std::move(since);
}

// The claims of a token that is this client's for this channel.
Answer<auth::Claims> Session::verify_token(const protocol::SubscribeRequest& request) const {
  auto verified = services_.subscription_tokens->verify_subscribe(request.token,
                                                                  services_.shard.unix_seconds());
  if (!verified) return std::unexpected(refusal_of_token(verified.error()));
  const channel::Namespaces& namespaces = *services_.settings->namespaces;
  if (!namespaces.find(namespaces.parse(verified->claims.channel))) {
    return client::refuse(errors::kUnknownChannel);
  }
  if (!is_token_ours(*verified, request.channel)) {
    return client::refuse(disconnects::kInvalidToken);
  }
  return std::move(verified->claims);
}

bool Session::is_token_ours(const auth::SubscribeToken& token, std::string_view channel) const {
  const auth::Claims& claims = token.claims;
  return (claims.channel == channel || GYRE_PLANTED(token_of_any_channel)) &&
         (token.user == user() || GYRE_PLANTED(token_of_any_user)) &&
         (claims.client.empty() || claims.client == id_.text());
}

Session::SubscribePlan Session::plan_server_side(const channel::ChannelName& name,
                                                 const channel::ChannelOptions& options,
                                                 const auth::SubscriptionOptions& wanted) const {
  SubscribePlan plan = plan_by_namespace(name.full, options);
  if (services_.settings->namespaces->is_wildcard(name.full)) {
    plan.wildcard_of = name.namespace_name;
  }
  plan.flags |= Subscription::kServerSide;
  grant(wanted, plan);
  plan.history_meta_ttl = options.history_meta_ttl;
  plan_recovery(options, false, {}, plan);
  return plan;
}

// Ends in the turn, and at the place, of the home's answer.
runtime::Task<Answer<hub::Joined>> Session::join(const SubscribePlan& plan, Joining& joining) {
  const bool is_listening = services_.hub.receivers(joining.channel()) > 0;
  if (plan.is_wildcard()) co_return co_await join_wildcard(plan, is_listening);
  if (is_listening && !plan.is_positioned() && !plan.is_present()) co_return hub::Joined();
  hub::JoinWish wish{.positioned = plan.is_positioned(),
                     .since = plan.since,
                     .recovery_limit = services_.settings->recovery_max_publication_limit,
                     .meta_ttl = plan.history_meta_ttl,
                     .is_cache = plan.recovers_cache,
                     .wants_delta = plan.has_delta,
                     .filter = plan.filter};
  std::optional<protocol::ClientInfo> present;
  if (plan.is_present()) present = info(plan.info);
  const std::string shown(plan.is_present() ? conn_info() : "");
  Result<hub::Joined> joined =
      co_await services_.directory.join(plan.channel, std::move(wish), std::move(present));
  if (!joined) {
    log::error("error subscribing to a channel",
               {{"channel", plan.channel}, {"error", joined.error().context}});
    co_return client::refuse(disconnects::kServerError);
  }
  if (plan.is_present()) {
    joining.mark_present();
    // The connection may have been refreshed meanwhile.
    if (is_open() && conn_info() != shown) {
      services_.directory.refresh_presence(plan.channel, info(plan.info));
    }
  }
  co_return std::move(*joined);
}

// The same of a wildcard, which has no home but a place on each shard.
runtime::Task<Answer<hub::Joined>> Session::join_wildcard(const SubscribePlan& plan,
                                                          bool is_listening) {
  hub::Wildcards& wildcards = *services_.wildcards;
  // The namespace by which it was allowed, whatever a reload has made of the name meanwhile.
  const std::string& its_namespace = *plan.wildcard_of;
  if (is_listening && wildcards.is_listening(plan.channel, its_namespace)) co_return hub::Joined();
  const Result<void> joined = co_await wildcards.join(plan.channel, its_namespace);
  if (joined) co_return hub::Joined();
  if (joined.error().code == Errc::too_large) co_return client::refuse(errors::kLimitExceeded);
  log::error("error subscribing to a wildcard",
             {{"channel", plan.channel}, {"error", joined.error().context}});
  co_return client::refuse(errors::kInternal);
}

void Session::count_recovery(const SubscribePlan& plan, const hub::Joined& joined) {
  if (!plan.since) return;
  const hub::Recovery& recovery = joined.recovery;
  services_.metrics
      .recoveries[metrics::yes_no(recovery.recovered)]
                 [metrics::yes_no(recovery.recovered && !recovery.publications.empty())]
      .add();
}

// Spec subscriptions.md 5.1. Views into the arguments.
protocol::SubscribeResult Session::describe(const SubscribePlan& plan,
                                            const hub::Joined& joined) const {
  protocol::SubscribeResult result;
  const int64_t now = services_.shard.unix_seconds();
  result.delta = plan.has_delta;
  constexpr uint16_t kEndsUntold = Subscription::kServerSide | Subscription::kBackendRefreshes;
  if (plan.end && !(plan.flags & kEndsUntold)) {
    result.expires = true;
    result.ttl = static_cast<uint32_t>(std::clamp<int64_t>(*plan.end - now, 0, UINT32_MAX));
  }
  result.data = plan.data;
  result.was_recovering = plan.was_recovering;
  if (!plan.is_positioned()) return result;
  result.positioned = true;
  result.recoverable = plan.is_recoverable;
  result.epoch = joined.position.epoch;
  result.recovered = joined.recovery.recovered;
  // The client moves on by the publications that it missed.
  result.offset = result.recovered ? plan.since->offset : joined.position.offset;
  if (!result.recovered) return result;
  result.publications = plan.has_delta ? hub::with_deltas(encoding(), joined.recovery.publications)
                                       : joined.recovery.publications;
  return result;
}

int64_t Session::push_id(const Subscription& subscription) const {
  return subscription.is(Subscription::kByPushId) ? services_.hub.push_id(subscription.channel) : 0;
}

void Session::unsubscribe(uint32_t id, std::string_view channel) {
  if (channel.empty()) return close(disconnects::kBadRequest);
  if (Subscription* subscription = find(channel)) {
    if (subscription->is(Subscription::kJoining)) {
      // Only with client.concurrency, or if the API subscribes: answered when that has ended.
      subscription->flags |= Subscription::kUnwanted;
      return await_join(subscription->channel, id);
    }
    detach(*subscription);
  }
  reply(id, protocol::UnsubscribeResult());
}

runtime::Task<Result<void>> Session::subscribe_by_server(Ref<Session> self, SubscribeOrder order) {
  Result<void> joined = co_await join_by_server(self, std::move(order));
  self->resume();  // what waited behind unsubscribes that waited for this
  co_return joined;
}

runtime::Task<Result<void>> Session::join_by_server(Ref<Session> self, SubscribeOrder order) {
  if (self->state_ != State::connected || self->find(order.channel)) co_return Result<void>();
  const Settings& settings = *self->services_.settings;
  if (settings.channel_limit > 0 && self->subscriptions_.size() >= settings.channel_limit) {
    self->close(disconnects::kChannelLimit);
    co_return Result<void>();
  }
  const channel::ChannelName name = settings.namespaces->parse(order.channel);
  const channel::Namespace* ns = settings.namespaces->find(name);
  if (!ns) co_return fail(Errc::not_found, "the channel's namespace is not configured");
  if (channel::refusal_of_wildcard(*settings.namespaces, name)) {
    co_return fail(Errc::invalid, "no rule allows the wildcard");
  }
  SubscribePlan plan = self->plan_server_side(
      name, ns->options(),
      {.info = order.info, .data = order.data, .override_options = order.override_options});
  plan.source = Source::server_api;
  if (order.expire_at > 0) plan.end = order.expire_at;
  if (order.recover_since) plan_recovery(ns->options(), true, *order.recover_since, plan);
  Joining joining(*self, plan);
  const Answer<hub::Joined> joined = co_await self->join(plan, joining);
  if (!joined) co_return fail(Errc::unavailable, "the channel could not be joined");
  if (!self->is_open()) co_return Result<void>();
  self->push_subscribed(plan, *joined);
  if (!self->is_open()) co_return Result<void>();
  joining.go_live(plan, *joined);
  self->announce_join(plan);
  co_return Result<void>();
}

// The push, and what the client has missed since the position that the API gave.
void Session::push_subscribed(const SubscribePlan& plan, const hub::Joined& joined) {
  const protocol::SubscribeResult result = describe(plan, joined);
  protocol::SubscribePush push;
  push.recoverable = result.recoverable;
  push.positioned = result.positioned;
  push.epoch = result.epoch;
  push.offset = result.offset;
  push.data = result.data;
  std::string& out = services_.message_buffer();
  bool is_encoded =
      protocol::encode_push(encoding(), protocol::Envelope::reply, plan.channel, push, out);
  if (is_encoded) send(metrics::FrameType::push_subscribe, out);
  for (const protocol::PublicationRef& publication : result.publications) {
    if (!is_encoded) break;
    out.clear();
    is_encoded = protocol::encode_push(encoding(), protocol::Envelope::reply, plan.channel,
                                       *publication, out);
    if (is_encoded) send(metrics::FrameType::push_publication, out);
  }
  if (!is_encoded) close(disconnects::kInappropriateProtocol);
}

void Session::unsubscribe_by_server(std::string_view channel, const protocol::Unsubscribe& reason) {
  if (state_ != State::connected) return;
  if (Subscription* subscription = find(channel)) {
    if (subscription->is(Subscription::kJoining)) {
      if (GYRE_PLANTED(server_unsubscribe_misses_join)) return;
      subscription->flags |= Subscription::kUnwanted;  // told when it has joined
      return;
    }
    detach(*subscription);
  }
  push_unsubscribe(channel, reason);
}

}  // namespace gyre::client
