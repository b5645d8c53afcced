#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/node_options.h"
#include "client/audience.h"
#include "client/capabilities.h"
#include "client/census.h"
#include "client/client_id.h"
#include "client/moderation.h"
#include "client/rate_limiter.h"
#include "client/roster.h"
#include "client/streams.h"
#include "client/user_statuses.h"
#include "engine/broker.h"
#include "engine/presence_store.h"
#include "grpc/client.h"
#include "hub/directory.h"
#include "hub/position_check.h"
#include "hub/wildcards.h"
#include "metrics/exporter.h"
#include "metrics/items.h"
#include "outbound/http_client.h"
#include "runtime/memory_pressure.h"
#include "runtime/shard.h"

namespace gyre::app {

class NodeShard;

// What makes the engine of a home shard.
struct EngineFactory {
  std::function<std::unique_ptr<engine::Broker>(runtime::Shard& shard)> broker;
  std::function<std::unique_ptr<engine::PresenceStore>(runtime::Shard& shard)> presence;
};
EngineFactory memory_engine(std::chrono::seconds history_meta_ttl);

// A whole server without threads, signals and files: its shards over the kernels that it is given.
// `serve` runs each shard on a thread over the Linux kernel; the simulation runs all of them in one
// thread. First the node, then the shards (`NodeShard`), each in a turn of its own; when all are
// there they may listen.
class Node {
 public:
  // `http_client`: for key sets and proxies; without it, tokens that need the ones are refused, and
  // the others are not there. `grpc_client`: for proxies over GRPC. Both outlive the node.
  Node(NodeOptions options, EngineFactory engine, std::vector<os::Kernel*> kernels,
       outbound::HttpClient* http_client = nullptr, grpc::Client* grpc_client = nullptr);
  ~Node();
  Node(const Node&) = delete;

  const NodeOptions& options() const { return options_; }
  runtime::ShardSet& set() { return set_; }
  runtime::Shard& shard(size_t index) { return *shards_[index]; }
  size_t size() const { return shards_.size(); }
  const std::string& uid() const { return uid_; }
  std::string metrics_text(os::Nanos now);
  // Sums the figures up that `info` shows; called on one shard, once per kSummaryInterval.
  void summarise_metrics(os::Nanos now);
  std::shared_ptr<const api::NodeMetrics> metrics_summary() const;
  uint64_t connected_clients() const;
  runtime::MemoryPressure& memory() { return memory_; }
  // Null: they are not kept.
  client::UserStatuses* user_statuses() { return user_statuses_ ? &*user_statuses_ : nullptr; }
  // Null: nobody can be blocked, nothing revoked.
  client::Moderation* moderation() { return moderation_ ? &*moderation_ : nullptr; }

 private:
  friend class NodeShard;
  metrics::NodeFacts facts() const;
  std::optional<metrics::UserStatusFigures> kept_statuses() const;
  // In which all connections are told that the node goes.
  os::Nanos drain_time() const;

  const NodeOptions options_;
  const EngineFactory engine_;
  const std::vector<metrics::ProxyLabels> proxy_labels_;
  outbound::HttpClient* const http_client_;
  grpc::Client* const grpc_client_;
  runtime::ShardSet set_;
  std::vector<std::unique_ptr<runtime::Shard>> shards_;
  std::vector<std::unique_ptr<metrics::ShardMetrics>> metrics_;
  std::unique_ptr<metrics::Exporter> exporter_;
  std::unique_ptr<metrics::Items> items_;
  mutable std::mutex summary_mutex_;
  std::shared_ptr<const api::NodeMetrics> summary_;
  runtime::MemoryPressure memory_;
  transport::Admission admission_;
  client::UserBuckets user_buckets_;
  std::optional<client::UserStatuses> user_statuses_;  // none: they are not kept
  std::optional<client::Moderation> moderation_;       // none: nobody can be blocked
  std::string uid_;
  uint64_t seed_ = 0;
  // By shard; each fills in its own place, before any of them is used.
  std::vector<hub::LocalHub*> hubs_;
  std::vector<hub::HomeParts> homes_;
  std::vector<hub::Wildcards*> wildcards_;
  std::vector<client::Roster*> rosters_;
  std::vector<client::Census*> censuses_;
};

// Everything of one shard, built bottom up. Made, used and destroyed in turns of the shard.
class NodeShard {
 public:
  static Result<std::unique_ptr<NodeShard>> create(Node& node, size_t index);
  ~NodeShard();
  NodeShard(const NodeShard&) = delete;

  // Opens the listeners. `external` and `internal` have the ports that the first shard got, when
  // the system was to choose; the result has them.
  struct Ports {
    uint16_t external = 0;
    uint16_t internal = 0;
  };
  Result<Ports> listen(const Ports& ports);
  // A new configuration, from now on.
  Result<void> apply(const Reloaded& reloaded);
  // No new connections; those that are there are told to go, at a pace. Ends when all have gone.
  runtime::Task<void> drain();
  // Makes room when memory is short.
  void cut_slowest();

  net::Sockets& sockets() { return sockets_; }
  client::Roster& roster() { return roster_; }
  // For the simulation, which looks whether anything is left.
  const hub::LocalHub& hub() const { return hub_; }
  const hub::Homes& homes() const { return homes_; }
  const hub::Wildcards* wildcards() const { return wildcards_ ? &*wildcards_ : nullptr; }
  const client::Census& census() const { return census_; }

 private:
  class ApiCounter;
  class MetricsClock;
  NodeShard(Node& node, size_t index);
  Result<void> set_verifiers(const auth::VerifierOptions& connection,
                             const auth::VerifierOptions& subscription);
  Result<void> start_wildcards();
  void add_routes();
  void limit_http_rate(const net::RateLimit& rate);
  void add_node_routes(http::Router<http::Route>& router);

  Node& node_;
  runtime::Shard& shard_;
  metrics::ShardMetrics& metrics_;
  net::Sockets sockets_;
  std::unique_ptr<engine::Broker> broker_;
  std::unique_ptr<engine::PresenceStore> presence_;
  client::Roster roster_;
  hub::LocalHub hub_;
  hub::Homes homes_;
  hub::Directory directory_;
  std::optional<hub::Wildcards> wildcards_;  // none: there are no rules for any
  client::Census census_;
  client::RateLimiter rate_limiter_;
  client::RegexCache regexes_;
  std::optional<auth::KeySets> key_sets_;
  std::optional<proxy::Proxies> proxies_;
  std::optional<client::Streams> streams_;
  client::Services services_;
  client::Audience audience_;
  std::unique_ptr<hub::PositionCheck> position_check_;
  std::unique_ptr<MetricsClock> metrics_clock_;  // on the first shard only
  transport::WebSocketEndpoint websocket_;
  api::Service api_service_;
  std::unique_ptr<ApiCounter> api_counter_;
  std::unique_ptr<api::HttpApi> api_;
  http::Server external_;
  http::Server internal_;
};

}  // namespace gyre::app
