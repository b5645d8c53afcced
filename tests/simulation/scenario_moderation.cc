// Users that are blocked and tokens that are revoked: after the answer nobody of them stays or
// comes in.
#include <fmt/format.h>

#include "tests/simulation/scenario_world.h"

namespace gyre::sim {

void Scenario::moderate(const SdkClient& target) {
  const std::string& user = target.user();
  if (chance(300)) return moderate_subscription(target);
  if (chance(400)) return revoke_by_api(target);
  if (user.empty()) return;
  if (chance(250)) return invalidate_by_api(user);
  block_by_api(user);
}

// Who was connected before the answer must have noticed a while later.
template <class IsMeant>
void Scenario::check_sent_away(const std::string& why, IsMeant is_meant) {
  std::vector<std::pair<const SdkClient*, SdkClient::Mark>> marks;
  std::vector<uint64_t> refreshes;
  for (const auto& client : clients_) {
    // What it has been refreshed by it may not know yet.
    if (!is_meant(*client) || client->is_refreshing()) continue;
    marks.emplace_back(client.get(), client->mark({}));
    refreshes.push_back(client->refreshes());
  }
  agenda_.after(10 * kSecond, [this, why, marks, refreshes] {
    if (record_.has_jumped_within(20 * kSecond)) return;
    for (size_t i = 0; i < marks.size(); ++i) {
      const auto& [client, mark] = marks[i];
      // A token that came meanwhile counts instead.
      if (client->is_as_marked(mark) && client->refreshes() == refreshes[i]) {
        record_.violation(client->name(), fmt::format("stays, though {}", why));
      }
    }
  });
}

void Scenario::block_by_api(const std::string& user) {
  const std::string key = Bans::user_key(user);
  if (bans_.may_be_blocked(user)) return;
  bans_.asked(key);
  const int64_t end = stage_.network().wall() / kSecond + 3600;
  const std::string expiry = chance(500) ? fmt::format(R"(,"expire_at":{})", end) : "";
  api_->call("block_user", fmt::format(R"({{"user":"{}"{}}})", user, expiry),
             [this, key, user](std::string_view) {
               bans_.answered(key);
               check_sent_away("its user is blocked",
                               [&](const SdkClient& client) { return client.user() == user; });
             });
  agenda_.after(3 * kSecond + some_time(8 * kSecond), [this, user] { unblock_by_api(user); });
}

// Again and again, as an answer may be lost.
void Scenario::unblock_by_api(const std::string& user) {
  const std::string key = Bans::user_key(user);
  if (!bans_.is_asked(key)) return;
  bans_.lifting(key);
  api_->call("unblock_user", fmt::format(R"({{"user":"{}"}})", user),
             [this, key](std::string_view) { bans_.lifted(key); });
  agenda_.after(3 * kSecond, [this, user] { unblock_by_api(user); });
}

void Scenario::unblock_all() {
  std::vector<std::string> users;
  bans_.for_each_block([&users](const std::string& user) { users.push_back(user); });
  for (const std::string& user : users) unblock_by_api(user);
}

void Scenario::revoke_by_api(const SdkClient& target) {
  const std::string uid = target.token().uid;
  if (uid.empty()) return;
  bans_.asked(Bans::token_key(uid));
  api_->call("revoke_token", fmt::format(R"({{"uid":"{}"}})", uid), [this, uid](std::string_view) {
    bans_.answered(Bans::token_key(uid));
    check_sent_away("its token is revoked",
                    [&](const SdkClient& client) { return client.token().uid == uid; });
  });
}

void Scenario::invalidate_by_api(const std::string& user) {
  // The present second: only tokens of the seconds before.
  const int64_t now = stage_.network().wall() / kSecond;
  bans_.asked(Bans::issue_key(user));
  bans_.invalidated(user, now);
  api_->call("invalidate_user_tokens",
             fmt::format(R"({{"user":"{}","issued_before":{}}})", user, now),
             [this, user, now](std::string_view) {
               bans_.invalidation_answered(user, now);
               check_sent_away("its tokens are revoked", [&](const SdkClient& client) {
                 return client.user() == user && !client.token().uid.empty() &&
                        client.token().issued_at < now;
               });
             });
}

// The client notices if it hears anything by that token after the answer.
void Scenario::moderate_subscription(const SdkClient& target) {
  const auto [channel, uid] = target.subscription_by_token();
  if (channel.empty()) return;
  const std::string& user = target.user();
  if (user.empty() || chance(500)) {
    const std::string key = Bans::token_key(uid);
    bans_.asked(key);
    return api_->call("revoke_token", fmt::format(R"({{"uid":"{}"}})", uid),
                      [this, key](std::string_view) { bans_.answered(key); });
  }
  const std::string scope = Bans::scope(user, channel);
  const int64_t now = stage_.network().wall() / kSecond;
  bans_.asked(Bans::issue_key(scope));
  bans_.invalidated(scope, now);
  api_->call(
      "invalidate_user_tokens",
      fmt::format(R"({{"user":"{}","channel":"{}","issued_before":{}}})", user, channel, now),
      [this, scope, now](std::string_view) { bans_.invalidation_answered(scope, now); });
}

}  // namespace gyre::sim
