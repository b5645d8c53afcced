#include "app/node.h"

#include <algorithm>
#include <numeric>

#include "engine/memory/memory_broker.h"
#include "engine/memory/memory_presence_store.h"
#include "protocol/encoder.h"

namespace gyre::app {

namespace {

// As the reference sums its figures up by default (node.info_metrics_aggregate_interval).
constexpr os::Nanos kSummaryInterval = 60 * os::kSecond;

}  // namespace

EngineFactory memory_engine(std::chrono::seconds history_meta_ttl) {
  return {
      .broker =
          [history_meta_ttl](runtime::Shard& shard) {
            return std::make_unique<engine::memory::MemoryBroker>(shard, history_meta_ttl);
          },
      .presence =
          [](runtime::Shard&) { return std::make_unique<engine::memory::MemoryPresenceStore>(); }};
}

Node::Node(NodeOptions options, EngineFactory engine, std::vector<os::Kernel*> kernels,
           outbound::HttpClient* http_client, grpc::Client* grpc_client)
    : options_(std::move(options)),
      engine_(std::move(engine)),
      proxy_labels_(options_.proxies->labels()),
      http_client_(http_client),
      grpc_client_(grpc_client),
      memory_(options_.memory_limit),
      admission_(options_.admission, [this] { return connected_clients(); }, memory_) {
  if (options_.user_statuses) user_statuses_.emplace(*options_.user_statuses);
  if (options_.moderation) moderation_.emplace(*options_.moderation);
  set_.lends = !options_.has_own_descriptor_tables;
  std::vector<const metrics::ShardMetrics*> counted;
  for (size_t i = 0; i < kernels.size(); ++i) {
    shards_.push_back(std::make_unique<runtime::Shard>(runtime::ShardId{static_cast<uint16_t>(i)},
                                                       *kernels[i], set_));
    metrics_.push_back(std::make_unique<metrics::ShardMetrics>());
    for (size_t place = 0; place < proxy_labels_.size(); ++place) {
      metrics_.back()->proxies.push_back(std::make_unique<metrics::ProxyCalls>());
    }
    counted.push_back(metrics_.back().get());
  }
  for (const auto& shard : shards_) set_.shards.push_back(shard.get());
  exporter_ = std::make_unique<metrics::Exporter>(std::move(counted));
  items_ = std::make_unique<metrics::Items>(*exporter_);
  uid_ = client::ClientId::make(*kernels.front()).text();
  kernels.front()->random(&seed_, sizeof(seed_));
  hubs_.resize(kernels.size());
  homes_.resize(kernels.size());
  wildcards_.resize(kernels.size());
  rosters_.resize(kernels.size());
  censuses_.resize(kernels.size());
}

Node::~Node() = default;

metrics::NodeFacts Node::facts() const {
  const outbound::ClientFigures asked =
      http_client_ ? http_client_->figures() : outbound::ClientFigures();
  const grpc::ClientFigures called = grpc_client_ ? grpc_client_->figures() : grpc::ClientFigures();
  return {.version = options_.version,
          .num_nodes = 1,
          .process = os::process_usage(options_.has_own_descriptor_tables),
          .memory = memory_.figures(),
          .proxies = proxy_labels_,
          .outbound = {.connections = asked.connections,
                       .requests = asked.requests + called.calls,
                       .refused = asked.refused + called.refused},
          .user_statuses = kept_statuses()};
}

std::optional<metrics::UserStatusFigures> Node::kept_statuses() const {
  if (!user_statuses_) return std::nullopt;
  const client::UserStatuses::Figures figures = user_statuses_->figures();
  return metrics::UserStatusFigures{.users = figures.users, .displaced = figures.displaced};
}

std::string Node::metrics_text(os::Nanos now) {
  return exporter_->text(facts(), now);
}

void Node::summarise_metrics(os::Nanos now) {
  auto summary = std::make_shared<const api::NodeMetrics>(
      api::NodeMetrics{.interval = static_cast<double>(kSummaryInterval) / os::kSecond,
                       .items = items_->take(facts(), now)});
  exporter_->age(now);
  const std::lock_guard lock(summary_mutex_);
  summary_ = std::move(summary);
}

std::shared_ptr<const api::NodeMetrics> Node::metrics_summary() const {
  const std::lock_guard lock(summary_mutex_);
  return summary_;
}

os::Nanos Node::drain_time() const {
  if (options_.shutdown_rate == 0) return 0;
  const double seconds =
      static_cast<double>(connected_clients()) / static_cast<double>(options_.shutdown_rate);
  return static_cast<os::Nanos>(
      std::min(seconds * os::kSecond, static_cast<double>(options_.shutdown_most)));
}

uint64_t Node::connected_clients() const {
  int64_t sum = 0;
  for (const auto& shard : metrics_) sum += shard->num_clients.value();
  return static_cast<uint64_t>(std::max<int64_t>(sum, 0));
}

// Commands of the server API, as metrics.
class NodeShard::ApiCounter final : public api::Observer {
 public:
  explicit ApiCounter(metrics::ShardMetrics& metrics) : metrics_(metrics) {}

  void on_command(api::Method method, os::Nanos duration) override {
    metrics_.api_commands[metrics::ApiProtocol::http][label(method)].observe(duration);
  }
  void on_error(api::Method method, std::string_view error) override {
    metrics_.count_api_error(metrics::ApiProtocol::http, label(method), code(error));
  }

 private:
  static metrics::ApiMethod label(api::Method method) {
    const auto& names = metrics::kLabelValues<metrics::ApiMethod>;
    const auto found = std::ranges::find(names, api::name_of(method));
    return found == names.end() ? metrics::ApiMethod::unknown
                                : static_cast<metrics::ApiMethod>(found - names.begin());
  }
  static uint32_t code(std::string_view error) {
    if (error == "read_body") return static_cast<uint32_t>(metrics::ApiFault::read_body);
    if (error == "unmarshal") return static_cast<uint32_t>(metrics::ApiFault::unmarshal);
    if (error == "marshal") return static_cast<uint32_t>(metrics::ApiFault::marshal);
    return std::accumulate(error.begin(), error.end(), 0u, [](uint32_t value, char digit) {
      return value * 10 + static_cast<uint32_t>(digit - '0');
    });
  }
  metrics::ShardMetrics& metrics_;
};

// Has the node's figures summed up once per interval, at once for the first time.
class NodeShard::MetricsClock final : runtime::Timer {
 public:
  MetricsClock(runtime::Shard& shard, Node& node) : shard_(shard), node_(node) { on_timer(); }

 private:
  void on_timer() override {
    node_.summarise_metrics(shard_.now());
    shard_.timers().arm(*this, shard_.now() + kSummaryInterval);
  }
  runtime::Shard& shard_;
  Node& node_;
};

NodeShard::NodeShard(Node& node, size_t index)
    : node_(node),
      shard_(node.shard(index)),
      metrics_(*node.metrics_[index]),
      sockets_(shard_, node.options_.sockets),
      broker_(node.engine_.broker(shard_)),
      presence_(node.engine_.presence(shard_)),
      hub_(sockets_, roster_, &metrics_),
      homes_(shard_, *broker_, node.hubs_, &metrics_, node.options_.position_max_lag),
      directory_(shard_, node.homes_, node.seed_, &metrics_),
      census_(shard_, node.censuses_, node.seed_, metrics_),
      rate_limiter_(shard_, node.user_buckets_, node.seed_),
      services_{.shard = shard_,
                .sockets = sockets_,
                .hub = hub_,
                .directory = directory_,
                .roster = roster_,
                .census = census_,
                .rate_limiter = rate_limiter_,
                .metrics = metrics_,
                .settings = node.options_.settings,
                .connection_tokens = nullptr,
                .subscription_tokens = nullptr,
                .audience = &audience_,
                .moderation = node.moderation(),
                .user_statuses = node.user_statuses(),
                .regexes = &regexes_,
                .tells_of_connections = node.options_.connections_max > 0,
                .memory = node.memory_},
      audience_(shard_, node.rosters_),
      websocket_(sockets_, roster_, node.admission_, metrics_, node.options_.origins,
                 node.options_.websocket),
      api_service_({.shard = shard_,
                    .directory = directory_,
                    .audience = audience_,
                    .node = {.uid = node.uid_,
                             .name = node.options_.name,
                             .version = node.options_.version,
                             .started = shard_.now(),
                             .metrics = [&node] { return node.metrics_summary(); }},
                    .memory = node.memory_,
                    .moderation = node.moderation(),
                    .user_statuses = node.user_statuses(),
                    .connections_max = node.options_.connections_max},
                   node.options_.settings->namespaces),
      api_counter_(std::make_unique<ApiCounter>(metrics_)),
      external_(sockets_, {}),
      internal_(sockets_, {}) {
  for (const auto encoding : {protocol::Encoding::json, protocol::Encoding::protobuf}) {
    std::string ping;
    protocol::encode_ping(encoding, ping);
    services_.pings[static_cast<size_t>(encoding)] = Frame::make(ping);
  }
  if (node.http_client_) {
    key_sets_.emplace(shard_, *node.http_client_);
    services_.key_sets = &*key_sets_;
    if (!node.proxy_labels_.empty()) {
      proxies_.emplace(shard_, *node.http_client_, node.grpc_client_, node.options_.proxies,
                       metrics_);
      services_.proxies = &*proxies_;
      if (proxies_->has(proxy::Event::subscribe_stream)) {
        streams_.emplace(shard_);
        services_.streams = &*streams_;
      }
    }
  }
  node.hubs_[index] = &hub_;
  node.homes_[index] = {.homes = &homes_, .presence = presence_.get()};
  node.rosters_[index] = &roster_;
  node.censuses_[index] = &census_;
  roster_.start(services_);
  shard_.attach(sockets_, sockets_);
  if (node.options_.position_check_delay > 0) {
    position_check_ =
        std::make_unique<hub::PositionCheck>(shard_, homes_, node.options_.position_check_delay);
  }
  if (index == 0) metrics_clock_ = std::make_unique<MetricsClock>(shard_, node);
  add_routes();
  limit_http_rate(node.options_.http_rate);
}

NodeShard::~NodeShard() = default;

Result<std::unique_ptr<NodeShard>> NodeShard::create(Node& node, size_t index) {
  std::unique_ptr<NodeShard> shard(new NodeShard(node, index));
  GYRE_TRY_VOID(
      shard->set_verifiers(node.options_.connection_tokens, node.options_.subscription_tokens));
  GYRE_TRY_VOID(shard->start_wildcards());
  return shard;
}

Result<void> NodeShard::start_wildcards() {
  const std::shared_ptr<const channel::Namespaces>& namespaces =
      node_.options_.settings->namespaces;
  if (!namespaces->wildcards()) return {};
  if (!broker_->traits().delivers_all) {
    return fail(Errc::invalid,
                "gyre.wildcards.rules: the broker does not carry wildcards; take the memory engine "
                "(engine.type: memory, broker.enabled: false), or no rules");
  }
  wildcards_.emplace(homes_, node_.wildcards_, namespaces, node_.options_.wildcards_max);
  homes_.feed(*wildcards_);
  services_.wildcards = &*wildcards_;
  node_.wildcards_[shard_.id().value] = &*wildcards_;
  return {};
}

Result<void> NodeShard::set_verifiers(const auth::VerifierOptions& connection,
                                      const auth::VerifierOptions& subscription) {
  GYRE_TRY(auth::TokenVerifier connection_tokens,
           auth::TokenVerifier::create(connection, services_.key_sets));
  GYRE_TRY(auth::TokenVerifier subscription_tokens,
           auth::TokenVerifier::create(subscription, services_.key_sets));
  services_.connection_tokens =
      std::make_unique<const auth::TokenVerifier>(std::move(connection_tokens));
  services_.subscription_tokens =
      std::make_unique<const auth::TokenVerifier>(std::move(subscription_tokens));
  return {};
}

// Which address serves what: spec security.md 1.
void NodeShard::add_routes() {
  const NodeOptions& options = node_.options_;
  http::Server& inside = options.internal ? internal_ : external_;
  if (options.websocket_path) {
    external_.routes().add(*options.websocket_path, websocket_.route());
  }
  if (options.api) {
    api_ = std::make_unique<api::HttpApi>(shard_, api_service_, api_counter_.get(), *options.api);
    api_->add_routes((options.api_is_external ? external_ : inside).routes());
  }
  if (options.demo) {
    const http::Route page{.handle = [demo = options.demo](http::Exchange exchange) {
      exchange.answer(demo->answer(exchange.request()));
    }};
    external_.routes().add(std::string(kDemoPath), page);
    external_.routes().add(std::string(kDemoPath.substr(0, kDemoPath.size() - 1)), page);
  }
  add_node_routes(inside.routes());
}

void NodeShard::add_node_routes(http::Router<http::Route>& router) {
  const NodeOptions& options = node_.options_;
  if (options.health_path) {
    router.add(*options.health_path, {.handle = [](http::Exchange exchange) {
      exchange.answer(http::Response::json("{}"));
    }});
  }
  if (options.metrics_path) {
    router.add(*options.metrics_path, {.handle = [this](http::Exchange exchange) {
      exchange.answer(
          http::Response(200, metrics::kTextContentType, node_.metrics_text(shard_.now())));
    }});
  }
}

Result<NodeShard::Ports> NodeShard::listen(const Ports& ports) {
  const NodeOptions& options = node_.options_;
  Ports result;
  const bool is_first = ports.external == 0;
  os::ListenOptions external = options.external;
  external.must_be_free = is_first;
  if (!is_first) external.port = ports.external;
  GYRE_TRY(result.external, sockets_.listen(external, external_));
  if (options.internal) {
    os::ListenOptions internal = *options.internal;
    internal.must_be_free = is_first;
    if (ports.internal != 0) internal.port = ports.internal;
    GYRE_TRY(result.internal, sockets_.listen(internal, internal_));
  }
  return result;
}

Result<void> NodeShard::apply(const Reloaded& reloaded) {
  GYRE_TRY_VOID(set_verifiers(reloaded.connection_tokens, reloaded.subscription_tokens));
  services_.settings = reloaded.settings;
  api_service_.use(reloaded.settings->namespaces);
  if (wildcards_) wildcards_->use(reloaded.settings->namespaces);
  node_.admission_.set_connection_limit(reloaded.connection_limit);
  limit_http_rate(reloaded.http_rate);
  return {};
}

void NodeShard::limit_http_rate(const net::RateLimit& rate) {
  for (http::Server* server : {&external_, &internal_}) {
    server->limit_rate(rate, metrics_.rate_limited_http);
  }
}

void NodeShard::cut_slowest() {
  // Asked ten times a second; some milliseconds of a turn.
  constexpr size_t kMost = 512;
  node_.memory_.count_cut(sockets_.cut_slowest(kMost));
}

runtime::Task<void> NodeShard::drain() {
  sockets_.stop_listening();
  websocket_.drain();
  if (api_) api_->drain();
  external_.drain();
  internal_.drain();
  hub_.stop_batches();  // before those for whom they are held are told to go
  co_await roster_.drain(protocol::disconnects::kShutdown, node_.drain_time());
  if (position_check_) position_check_->stop();
  // This very task is one of those that are counted.
  while (sockets_.open_sockets() > 0 || shard_.tasks().active() > 1) {
    co_await runtime::SleepUntil(shard_.now() + runtime::TimerWheel::kTick);
  }
}

}  // namespace gyre::app
