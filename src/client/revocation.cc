// What a session knows of its tokens, and does when they are revoked (docs/moderation.md).
#include "base/fault_points.h"
#include "client/moderation.h"
#include "client/session.h"

namespace gyre::client {

TokenMark Session::mark_of(const auth::Claims& claims) {
  return {.uid = claims.id, .issued_at = claims.issued_at.value_or(0)};
}

bool Session::is_revoked(const auth::Claims& claims, std::string_view user) const {
  return services_.moderation &&
         services_.moderation->is_revoked(mark_of(claims), user, claims.channel,
                                          services_.shard.unix_seconds());
}

// To be asked when operations on users and tokens already find the session: one that began before
// has marked what it is for, one that begins after sees the session.
Answer<void> Session::check_moderation(std::string_view user) const {
  if (!services_.moderation) return {};
  const int64_t now = services_.shard.unix_seconds();
  if (services_.moderation->is_blocked(user, now) && !GYRE_PLANTED(blocked_user_slips_in)) {
    return client::refuse(protocol::disconnects::kPermissionDenied);
  }
  if (rare_ && rare_->token && services_.moderation->is_revoked(*rare_->token, user, {}, now)) {
    return client::refuse(protocol::disconnects::kInvalidToken);
  }
  return {};
}

void Session::keep_token(const auth::Claims& claims) {
  if (keeps_tokens()) rare().token = mark_of(claims);
}

void Session::keep_token(hub::ChannelSlot channel, const auth::Claims& claims) {
  if (!keeps_tokens()) return;
  forget_token(channel);
  rare().subscription_tokens.emplace_back(channel, mark_of(claims));
}

void Session::forget_token(hub::ChannelSlot channel) {
  if (!rare_) return;
  std::erase_if(rare_->subscription_tokens, [&](const auto& one) { return one.first == channel; });
}

void Session::end_what_is_revoked() {
  if (!is_open() || !rare_) return;
  const int64_t now = services_.shard.unix_seconds();
  const Moderation& moderation = *services_.moderation;
  if (rare_->token && moderation.is_revoked(*rare_->token, user(), {}, now)) {
    return close(protocol::disconnects::kInvalidToken);
  }
  std::vector<std::string> channels;
  if (GYRE_PLANTED(revoked_token_keeps_channel)) return;
  for (const auto& [channel, token] : rare_->subscription_tokens) {
    const std::string_view name = services_.hub.name(channel);
    if (moderation.is_revoked(token, user(), name, now)) channels.emplace_back(name);
  }
  for (const std::string& channel : channels) {
    unsubscribe_by_server(channel, protocol::unsubscribes::kServer);
  }
}

}  // namespace gyre::client
