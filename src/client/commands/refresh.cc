// The commands `refresh` and `sub_refresh`, and the API's refresh (spec connection-lifecycle.md 4,
// subscriptions.md 3.4).
#include <algorithm>

#include "base/fault_points.h"
#include "client/backend_answer.h"
#include "client/session.h"

namespace gyre::client {

namespace {

namespace errors = protocol::errors;
namespace disconnects = protocol::disconnects;

constexpr int64_t kTtlMax = 365 * 24 * 3600;

uint32_t ttl_until(int64_t end, int64_t now) {
  return static_cast<uint32_t>(std::clamp<int64_t>(end - now, 0, kTtlMax));
}

}  // namespace

void Session::refresh(uint32_t id, std::string_view token) {
  protocol::RefreshResult result;
  const Answer<void> answer = apply_refresh(token, result);
  if (answer) {
    reply(id, result);
  } else {
    refuse(id, protocol::RequestKind::refresh, answer.error());
  }
}

runtime::Task<Answer<void>> Session::refresh_with_key_set(const CommandBox& box) {
  const std::string_view token = box.request<protocol::RefreshRequest>().token;
  GYRE_CO_TRY_VOID(co_await load_key_sets(services_.connection_tokens, std::string(token)));
  if (is_open()) refresh(box.id(), token);
  co_return Answer<void>();
}

Answer<void> Session::apply_refresh(std::string_view token, protocol::RefreshResult& result) {
  // A backend sees to that, and the client has not been told of an end.
  if (token.empty() || backend(proxy::Event::refresh)) {
    return client::refuse(disconnects::kBadRequest);
  }
  const int64_t now = services_.shard.unix_seconds();
  auto verified = services_.connection_tokens->verify_connect(token, now);
  if (!verified) {
    switch (verified.error().kind) {
      case auth::Problem::Kind::expired:
        return client::refuse(disconnects::kExpired);
      case auth::Problem::Kind::undecodable:
        return client::refuse(disconnects::kServerError);
      case auth::Problem::Kind::invalid:
        return client::refuse(disconnects::kInvalidToken);
    }
  }
  if (verified->user != user()) return client::refuse(disconnects::kInvalidToken);
  auth::Claims& claims = verified->claims;
  const std::optional<int64_t> end = services_.settings->insecure ? std::nullopt : claims.end();
  if (end && *end <= now) return client::refuse(errors::kExpired);
  if (has_other_token_channels(claims)) return client::refuse(disconnects::kInsufficientState);
  if (is_revoked(claims, verified->user)) return client::refuse(disconnects::kInvalidToken);
  if (!keep_capabilities(std::move(claims.capabilities))) {
    return client::refuse(disconnects::kInvalidToken);
  }
  if (!GYRE_PLANTED(refreshed_token_is_not_kept)) keep_token(claims);
  if (!claims.options.info.empty()) set_conn_info(claims.options.info);
  if (!claims.meta.empty() || rare_) rare().meta = claims.meta;
  if (!GYRE_PLANTED(refresh_keeps_old_end)) expire_at(end);
  if (end) {
    result.expires = true;
    result.ttl = ttl_until(*end, now);
  }
  end_what_is_not_granted();
  return {};
}

// The connection has come to its end, unless its backend gives it longer.
runtime::Task<void> Session::refresh_by_backend(Ref<Session> self) {
  if (GYRE_PLANTED(refresh_holds_commands)) self->in_flight_ += 100;
  auto asked =
      co_await self->backend(proxy::Event::refresh)->ask(self->caller(), proxy::RefreshCall());
  if (GYRE_PLANTED(refresh_holds_commands)) self->in_flight_ -= 100;
  if (GYRE_PLANTED(refresh_holds_commands)) self->resume();
  if (self->state_ == State::connected) self->apply_refresh(std::move(asked));
}

void Session::apply_refresh(Result<proxy::Response<proxy::RefreshResult>> asked) {
  const int64_t now = services_.shard.unix_seconds();
  if (!asked && asked.error().code == Errc::invalid) return close(disconnects::kServerError);
  if (!asked && GYRE_PLANTED(failed_refresh_ends)) return close(disconnects::kExpired);
  if (!asked) return expire_at(now + kUnansweredSeconds);
  // Errors and disconnects say no more here than nothing at all (spec proxies.md 2.3).
  std::optional<proxy::RefreshResult>& result = asked->result;
  if (!result || result->expired || result->expire_at <= now) return close(disconnects::kExpired);
  if (!keep_capabilities_of(*backend(proxy::Event::refresh), std::move(result->caps))) {
    return expire_at(now + kUnansweredSeconds);
  }
  if (!result->info.empty()) set_conn_info(result->info.bytes);
  if (!result->meta.empty()) rare().meta = result->meta.bytes;
  if (!GYRE_PLANTED(refresh_is_asked_once)) expire_at(result->expire_at);
  end_what_is_not_granted();
}

// Whether the token asks for a channel that the connection is not subscribed to, or does not name
// one any more that an earlier token brought.
bool Session::has_other_token_channels(const auth::Claims& claims) const {
  std::vector<std::string_view> wanted;
  for (const auto& [channel, options] : claims.subs) wanted.push_back(channel);
  if (claims.subs.empty()) wanted.assign(claims.channels.begin(), claims.channels.end());
  for (const std::string_view channel : wanted) {
    if (!find(channel)) return true;
  }
  return std::ranges::any_of(subscriptions_, [&](const Subscription& subscription) {
    return subscription.is(Subscription::kFromToken) &&
           std::ranges::find(wanted, services_.hub.name(subscription.channel)) == wanted.end();
  });
}

void Session::sub_refresh(uint32_t id, const protocol::SubRefreshRequest& request) {
  protocol::SubRefreshResult result;
  const Answer<void> answer = apply_sub_refresh(request, result);
  if (answer) {
    reply(id, result);
  } else {
    refuse(id, protocol::RequestKind::sub_refresh, answer.error());
  }
}

runtime::Task<Answer<void>> Session::sub_refresh_with_key_set(const CommandBox& box) {
  const auto& request = box.request<protocol::SubRefreshRequest>();
  GYRE_CO_TRY_VOID(
      co_await load_key_sets(services_.subscription_tokens, std::string(request.token)));
  if (is_open()) sub_refresh(box.id(), request);
  co_return Answer<void>();
}

Answer<void> Session::apply_sub_refresh(const protocol::SubRefreshRequest& request,
                                        protocol::SubRefreshResult& result) {
  if (request.channel.empty()) return client::refuse(disconnects::kBadRequest);
  Subscription* subscription = find(request.channel);
  if (!subscription || subscription->is(Subscription::kJoining)) {
    return client::refuse(errors::kPermissionDenied);
  }
  // The client has not been told of an end.
  if (subscription->is(Subscription::kBackendRefreshes)) {
    return client::refuse(disconnects::kBadRequest);
  }
  // Keys are tracked in shared poll channels only.
  if (request.type != protocol::kSubRefresh || request.token.empty()) {
    return client::refuse(errors::kBadRequest);
  }
  const int64_t now = services_.shard.unix_seconds();
  const auto verified = services_.subscription_tokens->verify_subscribe(request.token, now);
  if (!verified && verified.error().kind == auth::Problem::Kind::expired) {
    if (GYRE_PLANTED(expired_token_refreshes)) return {};
    return client::refuse(errors::kTokenExpired);
  }
  if (!verified && verified.error().kind == auth::Problem::Kind::undecodable) {
    return client::refuse(errors::kInternal);
  }
  if (!verified || !is_token_ours(*verified, request.channel)) {
    return client::refuse(disconnects::kInvalidToken);
  }
  const auth::Claims& claims = verified->claims;
  const std::optional<int64_t> end = claims.end();
  if (end && *end <= now) return client::refuse(errors::kExpired);
  if (is_revoked(claims, verified->user)) return client::refuse(errors::kPermissionDenied);
  keep_token(subscription->channel, claims);
  subscription->rights = channel::Rights(claims.allow);
  set_chan_info(*subscription, claims.options.info);
  if (!GYRE_PLANTED(sub_refresh_keeps_old_end)) {
    subscription->expires_at = Subscription::expiry(end);
  }
  if (end) {
    start_presence_ticks();
    result.expires = true;
    result.ttl = ttl_until(*end, now);
  }
  return {};
}

// The subscription, which is marked for it, has come to its end, unless its backend gives it
// longer.
runtime::Task<void> Session::sub_refresh_by_backend(Ref<Session> self, std::string channel,
                                                    uint32_t expires_at) {
  const channel::Namespaces& namespaces = *self->services_.settings->namespaces;
  const channel::Namespace* ns = namespaces.find(namespaces.parse(channel));
  proxy::Backend* backend =
      ns ? self->backend(proxy::Event::sub_refresh, ns->options().sub_refresh_proxy) : nullptr;
  Result<proxy::Response<proxy::SubRefreshResult>> asked =
      proxy::Response<proxy::SubRefreshResult>();
  // A reload may have taken it away: then nobody gives the subscription longer.
  if (backend) asked = co_await backend->ask(self->caller(), proxy::SubRefreshCall{channel});
  if (self->state_ != State::connected) co_return;
  // It may have been ended meanwhile, and even made anew.
  Subscription* subscription = self->find(channel);
  if (subscription && subscription->is(Subscription::kRefreshing) &&
      subscription->expires_at == expires_at) {
    self->apply_sub_refresh(*subscription, asked);
  }
}

void Session::apply_sub_refresh(Subscription& subscription,
                                const Result<proxy::Response<proxy::SubRefreshResult>>& asked) {
  subscription.flags &= static_cast<uint16_t>(~Subscription::kRefreshing);
  const int64_t now = services_.shard.unix_seconds();
  if (!asked && asked.error().code == Errc::invalid) return close(disconnects::kServerError);
  if (!asked) {
    subscription.expires_at = Subscription::expiry(now + kUnansweredSeconds);
    return;
  }
  const std::optional<proxy::SubRefreshResult>& result = asked->result;
  const bool has_end = result && result->expire_at > 0;
  if (!result || result->expired || (has_end && result->expire_at <= now)) {
    if (GYRE_PLANTED(expired_subscription_stays)) return;
    return end_expired(subscription);
  }
  if (!result->info.empty()) set_chan_info(subscription, result->info.bytes);
  subscription.expires_at =
      has_end ? Subscription::expiry(result->expire_at) : Subscription::kNever;
}

void Session::refresh_by_server(const RefreshOrder& order) {
  if (state_ != State::connected) return;
  const int64_t now = services_.shard.unix_seconds();
  if (order.is_expired || (order.expire_at != 0 && order.expire_at <= now)) {
    return close(disconnects::kExpired);
  }
  protocol::RefreshPush push;
  if (order.expire_at == 0) {
    expire_at(std::nullopt);
  } else {
    if (!order.info.empty()) set_conn_info(order.info);
    expire_at(order.expire_at);
    push.expires = true;
    push.ttl = ttl_until(order.expire_at, now);
  }
  std::string& out = services_.message_buffer();
  protocol::encode_push(encoding(), protocol::Envelope::reply, push, out);
  send(metrics::FrameType::push_refresh, out);
}

}  // namespace gyre::client
