// The commands that block users and revoke tokens (docs/moderation.md).
#include "api/names.h"
#include "api/service.h"

namespace gyre::api {

namespace {

// What has ended already can only be a mistake.
bool is_past(int64_t expire_at, int64_t now) {
  return expire_at < 0 || (expire_at > 0 && expire_at <= now);
}

}  // namespace

runtime::Task<Answer<EmptyResult>> Service::block_user(BlockUserRequest request) {
  check_shard();
  if (!moderation_) co_return refuse(errors::kNotFound);
  const int64_t now = shard_.unix_seconds();
  if (!is_name(request.user) || is_past(request.expire_at, now)) {
    co_return refuse(errors::kBadRequest);
  }
  if (!moderation_->block(request.user, request.expire_at, now)) {
    co_return refuse(errors::kLimitExceeded);
  }
  client::Target target{.user = std::move(request.user), .client = {}, .session = {}, .spared = {}};
  co_await audience_.disconnect(std::move(target), protocol::disconnects::kForceNoReconnect);
  co_return EmptyResult();
}

runtime::Task<Answer<EmptyResult>> Service::unblock_user(UnblockUserRequest request) {
  check_shard();
  if (!moderation_) co_return refuse(errors::kNotFound);
  if (!is_name(request.user)) co_return refuse(errors::kBadRequest);
  moderation_->unblock(request.user);
  co_return EmptyResult();
}

runtime::Task<Answer<EmptyResult>> Service::revoke_token(RevokeTokenRequest request) {
  check_shard();
  if (!moderation_) co_return refuse(errors::kNotFound);
  const int64_t now = shard_.unix_seconds();
  if (!is_name(request.uid) || is_past(request.expire_at, now)) {
    co_return refuse(errors::kBadRequest);
  }
  if (!moderation_->revoke(request.uid, request.expire_at, now)) {
    co_return refuse(errors::kLimitExceeded);
  }
  co_await audience_.end_what_is_revoked(std::nullopt);
  co_return EmptyResult();
}

runtime::Task<Answer<EmptyResult>> Service::invalidate_user_tokens(
    InvalidateUserTokensRequest request) {
  check_shard();
  if (!moderation_) co_return refuse(errors::kNotFound);
  const int64_t now = shard_.unix_seconds();
  if (!is_name(request.user) || request.channel.size() > kNameBytesMax ||
      request.issued_before < 0 || is_past(request.expire_at, now)) {
    co_return refuse(errors::kBadRequest);
  }
  const int64_t issued_before = request.issued_before > 0 ? request.issued_before : now;
  if (!moderation_->invalidate(request.user, request.channel, issued_before, request.expire_at,
                               now)) {
    co_return refuse(errors::kLimitExceeded);
  }
  co_await audience_.end_what_is_revoked(std::move(request.user));
  co_return EmptyResult();
}

}  // namespace gyre::api
