#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/api_error.h"
#include "api/method.h"
#include "client/connection_facts.h"
#include "client/user_statuses.h"
#include "engine/broker.h"
#include "engine/presence_store.h"
#include "protocol/publication.h"

// What the methods of the server API answer (spec server-api.md 3).
namespace gyre::api {

struct EmptyResult {};

struct PublishResult {
  protocol::StreamPosition position;  // zero and empty: not in history
};

struct BroadcastResult {
  std::vector<Answer<PublishResult>> responses;  // in the order of the channels
};

struct HistoryResult {
  engine::HistoryPage page;
};

struct PresenceResult {
  engine::MemberList members;
  std::string cursor = {};  // ours: behind which the next page begins; empty: there is none
};

struct PresenceStatsResult {
  engine::PresenceStats stats;
};

// A node's figures as it sums them up from time to time (spec observability.md 1.4).
struct NodeMetrics {
  double interval = 0;  // seconds
  std::map<std::string, double> items;
};

struct NodeResult {
  std::string uid;
  std::string name;
  std::string version;
  uint64_t clients = 0;
  uint64_t users = 0;
  uint64_t channels = 0;
  uint64_t subscriptions = 0;
  int64_t uptime = 0;  // seconds
  std::shared_ptr<const NodeMetrics> metrics = nullptr;
};

struct InfoResult {
  std::vector<NodeResult> nodes;
};

struct ChannelsResult {
  std::vector<std::pair<std::string, uint32_t>> channels;  // and the subscribers of each
};

struct ConnectionsResult {
  std::vector<client::ConnectionFacts> connections;
};

struct UserStatusesResult {
  std::vector<client::UserStatus> statuses;  // in the order of the request
};

using AnyResult = std::variant<EmptyResult, PublishResult, BroadcastResult, HistoryResult,
                               PresenceResult, PresenceStatsResult, InfoResult, ChannelsResult,
                               ConnectionsResult, UserStatusesResult>;

struct Reply {
  Method method = Method::unknown;  // of the command
  Answer<AnyResult> answer;
};

struct BatchResult {
  std::vector<Reply> replies;  // in the order of the commands
};

}  // namespace gyre::api
