// The commands on what users have done last (docs/user-status.md).
#include <algorithm>
#include <memory>

#include "api/names.h"
#include "api/service.h"

namespace gyre::api {

namespace {

constexpr size_t kUsersMax = 10'000;
constexpr size_t kStateBytesMax = 1024;
// So many users are seen to before others have their turn.
constexpr size_t kUsersPerSlice = 1000;

Answer<void> check_users(const std::vector<std::string>& users) {
  if (users.empty() || !std::ranges::all_of(users, is_name)) return refuse(errors::kBadRequest);
  if (users.size() > kUsersMax) return refuse(errors::kLimitExceeded);
  return {};
}

template <class Act>
runtime::Task<void> for_each_user(const std::vector<std::string>* users, Act act) {
  for (size_t i = 0; i < users->size(); ++i) {
    if (i > 0 && i % kUsersPerSlice == 0) co_await runtime::Yield();
    act(i);
  }
}

}  // namespace

runtime::Task<Answer<EmptyResult>> Service::update_user_status(UpdateUserStatusRequest request) {
  check_shard();
  if (!user_statuses_) co_return refuse(errors::kNotFound);
  GYRE_CO_TRY_VOID(check_users(request.users));
  if (request.state.size() > kStateBytesMax) co_return refuse(errors::kBadRequest);
  const int64_t now = shard_.unix_seconds();
  co_await for_each_user(&request.users, [&](size_t i) {
    user_statuses_->note_active(request.users[i], request.state, now);
  });
  co_return EmptyResult();
}

// First who is connected now, then what is known of the others: who goes in between has been noted.
runtime::Task<Answer<UserStatusesResult>> Service::get_user_status(GetUserStatusRequest request) {
  check_shard();
  if (!user_statuses_) co_return refuse(errors::kNotFound);
  GYRE_CO_TRY_VOID(check_users(request.users));
  const auto users = std::make_shared<const std::vector<std::string>>(std::move(request.users));
  const int64_t now = shard_.unix_seconds();
  const std::vector<bool> are_online = co_await audience_.are_online(users);
  UserStatusesResult result;
  result.statuses.reserve(users->size());
  co_await for_each_user(users.get(), [&](size_t i) {
    result.statuses.push_back(user_statuses_->find((*users)[i], now));
    if (are_online[i]) result.statuses.back().online = now;
  });
  co_return result;
}

runtime::Task<Answer<EmptyResult>> Service::delete_user_status(DeleteUserStatusRequest request) {
  check_shard();
  if (!user_statuses_) co_return refuse(errors::kNotFound);
  GYRE_CO_TRY_VOID(check_users(request.users));
  co_await for_each_user(&request.users,
                         [&](size_t i) { user_statuses_->forget(request.users[i]); });
  co_return EmptyResult();
}

}  // namespace gyre::api
