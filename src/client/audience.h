#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/claims.h"
#include "base/glob.h"
#include "base/result.h"
#include "client/connection_facts.h"
#include "protocol/codes.h"
#include "protocol/publication.h"
#include "runtime/shard.h"
#include "runtime/task.h"

namespace gyre::client {

class Roster;

// Which connections an operation of the server API is for: those of the user, narrowed down by
// whatever else is not empty.
struct Target {
  std::string user;  // empty: the anonymous connections
  std::string client;
  std::string session;
  std::vector<std::string> spared;  // client ids that are left alone
};

// A server-side subscription that the API makes (spec server-api.md 3, subscribe).
struct SubscribeOrder {
  std::string channel;
  std::string info;  // chan_info, raw JSON or bytes
  std::string data;  // for the subscribe push
  auth::Override override_options;
  std::optional<protocol::StreamPosition> recover_since;
  int64_t expire_at = 0;  // Unix seconds; 0: never
};

// A connection's new end of life (spec server-api.md 3, refresh).
struct RefreshOrder {
  bool is_expired = false;
  int64_t expire_at = 0;  // Unix seconds; 0: never
  std::string info;       // conn_info; empty leaves it as it is
};

struct Totals {
  uint64_t clients = 0;
  uint64_t users = 0;
  uint64_t channels = 0;
  uint64_t subscriptions = 0;
};

// The connections of the whole node, seen from one shard: every operation runs on all shards and
// ends when it has run on each. One for each shard, owned by its assembly.
class Audience {
 public:
  // `rosters`: of all shards, by id; complete before the first use.
  Audience(runtime::Shard& shard, const std::vector<Roster*>& rosters)
      : shard_(shard), rosters_(rosters) {}

  // Fails if a matching connection could not be subscribed. None matching is no failure.
  runtime::Task<Result<void>> subscribe(Target target, SubscribeOrder order);
  // An empty channel ends nothing, but the push is sent (spec server-api.md 3, unsubscribe).
  runtime::Task<void> unsubscribe(Target target, std::string channel, protocol::Unsubscribe reason);
  runtime::Task<void> disconnect(Target target, protocol::Disconnect reason);
  runtime::Task<void> refresh(Target target, RefreshOrder order);
  // After client::Moderation has been told: ends what has come with revoked tokens, of the user, or
  // without one of anybody.
  runtime::Task<void> end_what_is_revoked(std::optional<std::string> user);

  // What is known of the user's connections, or without one of all, in no order. Fails with
  // too_large if there is no room for so much.
  runtime::Task<Result<std::vector<ConnectionFacts>>> connections(std::optional<std::string> user,
                                                                  AnswerRoom room);

  // Which of the users have connections, in their order.
  runtime::Task<std::vector<bool>> are_online(
      std::shared_ptr<const std::vector<std::string>> users);

  // Channels with subscribers and how many each has, in no order. `filter` may be null.
  runtime::Task<std::vector<std::pair<std::string, uint32_t>>> channels(
      std::shared_ptr<const Glob> filter);
  runtime::Task<Totals> totals();

 private:
  runtime::Shard& shard_;
  const std::vector<Roster*>& rosters_;
};

}  // namespace gyre::client
