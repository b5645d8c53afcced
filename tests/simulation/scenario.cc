#include "tests/simulation/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include "app/node.h"
#include "base/fault_points.h"
#include "engine/memory/memory_broker.h"
#include "engine/memory/memory_presence_store.h"
#include "tests/simulation/api_client.h"
#include "tests/simulation/ledger_broker.h"
#include "tests/simulation/sdk_client.h"
#include "tests/simulation/sim_broker.h"
#include "tests/simulation/sim_stage.h"

namespace gyre::sim {

namespace {

using Engine = ScenarioOptions::Engine;
using std::chrono::seconds;

constexpr uint16_t kNodePort = 8000;
constexpr os::Nanos kSecond = os::kSecond;
constexpr uint64_t kStepsMax = 1'000'000;
constexpr int64_t kMetaTtl = 40;  // seconds; a jump of time is longer than this, at times

// Which fault points this world has at work, and how often each strikes.
class SeededFaults final : public fault::Chooser {
 public:
  explicit SeededFaults(SimNetwork& network) : network_(network) {
    for (uint32_t& chance : chances_) {
      if (network_.chance(300)) chance = static_cast<uint32_t>(10 + network_.below(300));
    }
    // Whoever is told all the time that everything is gone learns nothing else.
    uint32_t& epochs = chances_[static_cast<size_t>(fault::Point::new_epoch)];
    epochs = epochs > 0 ? 2 : 0;
  }
  bool strikes(fault::Point point) override {
    const uint32_t chance = chances_[static_cast<size_t>(point)];
    return chance > 0 && is_active_ && network_.chance(chance);
  }
  void calm() { is_active_ = false; }
  bool may_strike(fault::Point point) const {
    return fault::kCompiledIn && chances_[static_cast<size_t>(point)] > 0;
  }

 private:
  SimNetwork& network_;
  std::array<uint32_t, std::size(fault::kPoints)> chances_{};
  bool is_active_ = true;
};

// Makes the world's faults those of the thread while it runs.
class FaultScope {
 public:
#ifdef GYRE_FAULT_POINTS
  explicit FaultScope(fault::Chooser* chooser) { fault::chooser = chooser; }
  ~FaultScope() { fault::chooser = nullptr; }
#else
  explicit FaultScope(fault::Chooser*) {}
#endif
  FaultScope(const FaultScope&) = delete;
};

class Scenario {
 public:
  explicit Scenario(const ScenarioOptions& options);
  ~Scenario();
  ScenarioResult run();
  fault::Chooser* faults() { return options_.faults && fault::kCompiledIn ? &faults_ : nullptr; }

 private:
  // --- What there is.
  void choose_channels();
  app::NodeOptions node_options();
  app::EngineFactory engine();
  void start_node();
  void start_clients();

  // --- What happens.
  void plan();
  void plan_for(SdkClient& client);
  void plan_api();
  void act(SdkClient& client);
  void act_on_store();
  void publish_by_api(const std::string& channel, const std::string& text);
  std::string payload();
  std::string payload(size_t size);
  // Until the virtual time has come, with what the agenda has on the way.
  bool run_for(os::Nanos duration);
  template <class Condition>
  bool run_until(Condition condition, os::Nanos most);

  // --- What must be true.
  void check_quiet();
  void check_positions();
  void check_presence();
  void leave();
  void drain();
  void check_empty();
  std::optional<protocol::StreamPosition> top(const std::string& channel);
  template <class Work>
  void on_shard(size_t index, Work work) {
    runtime::TurnScope turn(node_->shard(index));
    work();
  }
  void violation(std::string_view what) { record_.violation("node", what); }

  uint64_t below(uint64_t bound) { return stage_.network().below(bound); }
  bool chance(uint32_t of_1000) { return stage_.network().chance(of_1000); }
  os::Nanos some_time(os::Nanos most) {
    return static_cast<os::Nanos>(below(static_cast<uint64_t>(most)));
  }
  SdkClient& some_client() { return *clients_[below(clients_.size())]; }
  const ChannelKind& some_channel() { return channels_[below(channels_.size())]; }

  const ScenarioOptions options_;
  SimStage stage_;
  Record record_;
  Agenda agenda_;
  Ledger ledger_;
  std::unique_ptr<SimStore> store_;
  std::vector<ChannelKind> channels_;
  std::vector<std::pair<std::string, channel::ChannelOptions>> namespaces_;
  os::Nanos position_check_delay_ = 0;
  std::unique_ptr<app::Node> node_;
  std::vector<std::unique_ptr<app::NodeShard>> shards_;
  std::vector<engine::memory::MemoryPresenceStore*> presence_;
  std::vector<engine::Broker*> brokers_;
  std::vector<std::unique_ptr<SdkClient>> clients_;
  std::unique_ptr<ApiClient> api_;
  SeededFaults faults_;
  const bool has_floods_;  // more at once than a reader that rests may leave waiting
  bool is_active_ = true;
  uint64_t next_payload_ = 1;
};

Weather choose_weather(uint64_t seed) {
  Weather weather;
  weather.delay_max = (seed % 3 == 0 ? 2 : 20) * os::kMillisecond;
  weather.buffer = seed % 4 == 0 ? 1024 : 8192;
  weather.stall = seed % 5 == 0 ? 0 : 20;
  return weather;
}

Scenario::Scenario(const ScenarioOptions& options)
    : options_(options),
      stage_(options.seed, choose_weather(options.seed)),
      record_(stage_.network(), options.traces),
      agenda_(stage_.network()),
      ledger_(record_),
      faults_(stage_.network()),
      has_floods_(options.seed % 4 == 1) {
  choose_channels();
  start_node();
  start_clients();
}

Scenario::~Scenario() {
  clients_.clear();
  api_.reset();
  for (size_t i = 0; i < shards_.size(); ++i) on_shard(i, [&] { shards_[i].reset(); });
}

// --- What there is

void Scenario::choose_channels() {
  const auto add = [this](std::string ns, bool has_history, bool is_positioned,
                          bool is_recoverable) {
    channel::ChannelOptions options;
    options.presence = chance(400);
    options.allow_subscribe_for_client = true;
    options.allow_publish_for_client = true;
    options.allow_presence_for_subscriber = true;
    options.allow_history_for_subscriber = true;
    if (has_history) {
      options.history_size = static_cast<int32_t>(2 + below(12));
      options.history_ttl = seconds(3 + below(30));
      options.history_meta_ttl = seconds(chance(500) ? kMetaTtl : 0);
    }
    // Granted to whoever asks, or to everybody: the same for a client that asks.
    options.force_positioning = is_positioned && chance(500);
    options.force_recovery = is_recoverable && chance(500);
    const size_t count = 1 + below(2);
    for (size_t i = 0; i < count; ++i) {
      channels_.push_back({.name = fmt::format("{}:{}", ns, i),
                           .has_history = has_history,
                           .is_positioned = is_positioned,
                           .is_recoverable = is_recoverable,
                           .has_presence = options.presence,
                           .history_size = options.history_size,
                           .history_ttl = options.history_ttl.count()});
    }
    namespaces_.emplace_back(std::move(ns), std::move(options));
  };
  add("plain", false, false, false);
  add("kept", true, false, false);
  add("placed", true, true, false);
  add("sure", true, true, true);
  add("safe", true, true, true);
}

app::NodeOptions Scenario::node_options() {
  auto namespaces = channel::Namespaces::compile({}, {}, namespaces_);
  GYRE_CHECK(namespaces);
  client::Settings settings;
  settings.namespaces = std::make_shared<const channel::Namespaces>(std::move(*namespaces));
  settings.ping_interval = static_cast<os::Nanos>(5 + below(20)) * kSecond;
  settings.pong_timeout = 4 * kSecond;
  settings.presence_update_interval = 5 * kSecond;
  settings.concurrency = chance(300) ? 4 : 1;
  settings.recovery_max_publication_limit = chance(200) ? 5 : 300;
  settings.user_connection_limit = 0;
  settings.server_version = "simulation";
  position_check_delay_ = static_cast<os::Nanos>(2 + below(5)) * kSecond;

  app::NodeOptions options;
  options.name = "simulation";
  options.version = "simulation";
  options.sockets = {.queue_bytes_max = has_floods_ ? 25'000u : 1'000'000u,
                     .write_timeout = 3 * kSecond};
  options.settings = std::make_shared<const client::Settings>(std::move(settings));
  options.history_meta_ttl = seconds(kMetaTtl * 2);
  options.position_check_delay = position_check_delay_;
  options.websocket_path = "/connection/websocket";
  options.websocket.user_header = "X-User";
  options.api = api::HttpApi::Options{.prefix = "/api", .key = "secret"};
  options.api_is_external = true;
  options.external.port = kNodePort;
  return options;
}

app::EngineFactory Scenario::engine() {
  app::EngineFactory factory;
  factory.presence = [this](runtime::Shard&) {
    auto store = std::make_unique<engine::memory::MemoryPresenceStore>();
    presence_.push_back(store.get());
    return store;
  };
  if (options_.engine == Engine::memory) {
    factory.broker = [this](runtime::Shard& shard) {
      auto broker = std::make_unique<LedgerBroker>(
          std::make_unique<engine::memory::MemoryBroker>(shard, seconds(kMetaTtl * 2)), ledger_);
      brokers_.push_back(broker.get());
      return broker;
    };
    return factory;
  }
  BrokerWeather weather;
  if (chance(600)) weather.lost = 30;
  if (chance(600)) weather.repeated = 50;
  if (chance(400)) weather.refused = 30;
  if (chance(400)) weather.unconfirmed = 30;
  if (chance(300)) weather.delay_max = 300 * os::kMillisecond;
  store_ = std::make_unique<SimStore>(stage_.network(), agenda_, ledger_, weather);
  factory.broker = [this](runtime::Shard& shard) {
    auto broker = std::make_unique<SimBroker>(shard, *store_);
    brokers_.push_back(broker.get());
    return broker;
  };
  return factory;
}

void Scenario::start_node() {
  const size_t count = 1 + below(3);
  std::vector<os::Kernel*> kernels;
  for (size_t i = 0; i < count; ++i) kernels.push_back(&stage_.make_kernel());
  app::NodeOptions node_options = this->node_options();
  node_ = std::make_unique<app::Node>(std::move(node_options), engine(), std::move(kernels));
  const uint64_t lends = below(3);
  if (lends == 0) node_->set().lends = false;
  if (lends == 1) {
    node_->set().lend_choice = [this] { return stage_.network().chance(500); };
  }
  for (size_t i = 0; i < count; ++i) {
    on_shard(i, [&] {
      auto shard = app::NodeShard::create(*node_, i);
      GYRE_CHECK(shard);
      shards_.push_back(std::move(*shard));
    });
  }
  for (size_t i = 0; i < count; ++i) {
    on_shard(i, [&] { GYRE_CHECK(shards_[i]->listen({.external = kNodePort})); });
    stage_.engage(node_->shard(i));
  }
}

void Scenario::start_clients() {
  const size_t count = 3 + below(6);
  const bool is_reliable = options_.engine == Engine::memory;
  for (size_t i = 0; i < count; ++i) {
    clients_.push_back(std::make_unique<SdkClient>(
        stage_.network(), agenda_, ledger_, record_,
        SdkClient::Options{
            .name = fmt::format("client{}", i),
            .user = fmt::format("user{}", below(count)),
            .port = kNodePort,
            .encoding = chance(500) ? protocol::Encoding::json : protocol::Encoding::protobuf,
            .connects_first = chance(300),
            .is_slow = chance(200),
            .may_be_slow = has_floods_,
            .promises = {.is_reliable = is_reliable,
                         .recovers_surely = is_reliable &&
                                            !faults_.may_strike(fault::Point::new_epoch) &&
                                            !faults_.may_strike(fault::Point::short_record)},
            .recovery_limit = node_->options().settings->recovery_max_publication_limit}));
    SdkClient& client = *clients_.back();
    stage_.add(client);
    for (const ChannelKind& channel : channels_) {
      if (chance(500)) client.subscribe(channel);
    }
    agenda_.after(some_time(2 * kSecond), [&client] { client.start(); });
  }
  api_ = std::make_unique<ApiClient>(stage_.network(), record_, kNodePort, !is_reliable);
  stage_.add(*api_);
}

// --- What happens

std::string Scenario::payload() {
  return payload(chance(50) ? 500 + below(1500) : below(60));
}

std::string Scenario::payload(size_t size) {
  return fmt::format(R"({{"n":{},"p":"{}"}})", next_payload_++, std::string(size, 'x'));
}

void Scenario::plan() {
  for (const auto& client : clients_) plan_for(*client);
  plan_api();
  if (store_) act_on_store();
}

void Scenario::plan_for(SdkClient& client) {
  agenda_.after(some_time(3 * kSecond), [this, &client] {
    if (!is_active_) return;
    if (!client.is_gone()) act(client);
    plan_for(client);
  });
}

void Scenario::act(SdkClient& client) {
  const ChannelKind& channel = some_channel();
  switch (below(12)) {
    case 0:
    case 1:
      return client.subscribe(channel);
    case 2:
      return client.unsubscribe(channel.name);
    case 3:
    case 4:
    case 5:
      return client.publish(channel.name, payload());
    case 6:
      return client.cut();
    case 7:
      if (channel.has_presence) client.ask_presence(channel.name);
      return;
    case 8:
      if (channel.has_history) {
        client.ask_history(channel.name, static_cast<int32_t>(below(8)) - 1);
      }
      return;
    case 9:
      // Away for long, so that it misses more than is kept.
      client.set_patience(chance(300) ? 20 * kSecond : 500 * os::kMillisecond);
      return;
    case 10:
      if (!client.is_slow()) return;
      client.pause_reading(true);
      agenda_.after(some_time(6 * kSecond), [&client] { client.pause_reading(false); });
      return;
    default:
      return client.publish(channel.name, payload());
  }
}

void Scenario::publish_by_api(const std::string& channel, const std::string& text) {
  if (chance(200)) {
    std::set<std::string> names;
    for (size_t i = 0; i < 3; ++i) names.insert(some_channel().name);
    std::string list;
    for (const std::string& name : names) {
      list += fmt::format("{}\"{}\"", list.empty() ? "" : ",", name);
    }
    return api_->call("broadcast", fmt::format(R"({{"channels":[{}],"data":{}}})", list, text));
  }
  const std::string body = fmt::format(R"({{"channel":"{}","data":{}}})", channel, text);
  api_->call("publish", body, [this, channel, text](std::string_view answer) {
    const auto place = ledger_.find(channel, text);
    if (!place) return violation("an answer to a publish that did not happen");
    const Ledger::Entry& entry = ledger_.at(channel, *place);
    const std::string expected = entry.offset == 0
                                     ? R"({"result":{}})"
                                     : fmt::format(R"({{"result":{{"offset":{},"epoch":"{}"}}}})",
                                                   entry.offset, entry.epoch);
    if (answer != expected) violation(fmt::format("{} and not {}", answer, expected));
  });
}

void Scenario::plan_api() {
  agenda_.after(some_time(kSecond), [this] {
    if (!is_active_) return;
    const SdkClient& client = some_client();
    switch (below(16)) {
      case 0:
        api_->call("unsubscribe", fmt::format(R"({{"user":"{}","channel":"{}"}})", client.user(),
                                              some_channel().name));
        break;
      case 1:
        api_->call("disconnect",
                   fmt::format(R"({{"user":"{}","disconnect":{{"code":{},"reason":"so"}}}})",
                               client.user(), chance(900) ? 4000 : 4501));
        break;
      case 2:
        api_->cut();
        break;
      case 3: {
        const ChannelKind& channel = some_channel();
        if (channel.has_history && options_.engine == Engine::remote) {
          api_->call("history", fmt::format(R"({{"channel":"{}","limit":5}})", channel.name));
        }
        break;
      }
      case 4:
        if (has_floods_) {
          const std::string channel = some_channel().name;
          for (int i = 0; i < 30; ++i) publish_by_api(channel, payload(1'500));
        }
        break;
      default:
        for (uint64_t i = chance(100) ? 15 : 1; i > 0; --i) {
          publish_by_api(some_channel().name, payload());
        }
    }
    plan_api();
  });
}

// The broker's own life: publishers of other nodes, and now and then a restart without memory.
void Scenario::act_on_store() {
  agenda_.after(some_time(2 * kSecond), [this] {
    if (!is_active_) return;
    const ChannelKind& channel = some_channel();
    if (channel.has_history && chance(30)) {
      record_.note("store", fmt::format("forgets {}", channel.name));
      store_->forget(channel.name);
    } else {
      engine::PublishRequest request;
      request.channel = channel.name;
      request.publication = make_ref<protocol::Publication>(payload());
      const std::string ns = channel.name.substr(0, channel.name.find(':'));
      for (const auto& [name, its] : namespaces_) {
        if (name != ns || !its.has_history()) continue;
        request.history = {
            .size = its.history_size, .ttl = its.history_ttl, .meta_ttl = its.history_meta_ttl};
      }
      store_->publish(std::move(request));
    }
    act_on_store();
  });
}

bool Scenario::run_for(os::Nanos duration) {
  return !run_until([] { return false; }, duration);
}

template <class Condition>
bool Scenario::run_until(Condition condition, os::Nanos most) {
  SimNetwork& network = stage_.network();
  const os::Nanos end = network.now() + most;
  const uint64_t last_step = stage_.steps() + kStepsMax;
  while (network.now() < end && record_.violations().empty()) {
    agenda_.advance();
    if (condition()) return true;
    if (stage_.steps() > last_step) {
      violation("the simulation does not come to rest");
      return false;
    }
    const os::Nanos limit = std::min(end, agenda_.next());
    if (!stage_.step(limit)) network.advance_to(limit);
  }
  return condition();
}

// --- What must be true

// Where the stream stands by the broker's own word.
std::optional<protocol::StreamPosition> Scenario::top(const std::string& channel) {
  if (store_) return store_->top(channel);
  // Each home has a broker; that of the channel has the newest publication, if there is one.
  const size_t count = ledger_.count(channel);
  if (count == 0) return std::nullopt;
  const Ledger::Entry& last = ledger_.at(channel, count - 1);
  return protocol::StreamPosition{last.offset, last.epoch};
}

void Scenario::check_quiet() {
  for (const auto& client : clients_) {
    if (!client->is_settled()) violation(fmt::format("{} does not settle", client->name()));
  }
  if (!api_->is_settled()) violation("the API does not answer");
  check_positions();
  check_presence();
  size_t expected = 0;
  for (const auto& client : clients_) expected += client->live_channels().size();
  size_t subscriptions = 0;
  for (size_t i = 0; i < shards_.size(); ++i) {
    subscriptions += shards_[i]->hub().subscriptions();
    shards_[i]->sockets().for_each([&](net::SocketHandle socket, net::Handler&) {
      if (shards_[i]->sockets().queued_bytes(socket) > 0) violation("bytes wait for somebody");
    });
  }
  size_t homes = 0;
  for (const auto& shard : shards_) homes += shard->homes().size();
  if (store_ && store_->subscriptions() != homes) {
    violation(
        fmt::format("the broker delivers {} channels to {} homes", store_->subscriptions(), homes));
  }
  if (subscriptions != expected) {
    violation(fmt::format("{} subscriptions, the clients have {}", subscriptions, expected));
  }
}

// Whoever is live has got everything, or was told that it has not.
void Scenario::check_positions() {
  for (const auto& client : clients_) {
    for (const std::string& channel : client->live_channels()) {
      const auto position = client->position(channel);
      if (!position) continue;
      const auto truth = top(channel);
      // A stream that has begun anew without publications.
      const bool is_new = position->offset == 0 && options_.engine == Engine::memory;
      if (!truth || *truth == *position || (is_new && truth->epoch != position->epoch)) continue;
      record_.violation(
          client->name(),
          fmt::format("stands at {}@{} in {}, which is at {}@{}, and does not know",
                      position->offset, position->epoch, channel, truth->offset, truth->epoch));
    }
  }
}

runtime::Task<void> list_presence(engine::PresenceStore* store, std::string channel,
                                  std::set<std::string>* clients) {
  const auto list = co_await store->list(std::move(channel));
  for (const protocol::ClientInfo& one : *list) clients->insert(one.client);
}

void Scenario::check_presence() {
  for (const ChannelKind& channel : channels_) {
    std::set<std::string> expected;
    for (const auto& client : clients_) {
      if (channel.has_presence && client->live_channels().contains(channel.name)) {
        expected.insert(client->client_id());
      }
    }
    std::set<std::string> present;
    for (size_t i = 0; i < presence_.size(); ++i) {
      on_shard(i, [&] {
        node_->shard(i).tasks().spawn(list_presence(presence_[i], channel.name, &present));
      });
    }
    if (present != expected) {
      violation(fmt::format("{} clients are present in {}, {} are there", present.size(),
                            channel.name, expected.size()));
    }
  }
}

void Scenario::leave() {
  for (const auto& client : clients_) client->stop();
  api_->stop();
}

// The node goes down under its clients.
void Scenario::drain() {
  for (size_t i = 0; i < shards_.size(); ++i) {
    on_shard(i, [&] { node_->shard(i).tasks().spawn(shards_[i]->drain()); });
  }
  // What was spawned outside of a turn is noticed in the next.
  for (size_t i = 0; i < shards_.size(); ++i) stage_.kernel(i).wake();
  agenda_.after(5 * kSecond, [this] { leave(); });
}

void Scenario::check_empty() {
  for (size_t i = 0; i < shards_.size(); ++i) {
    app::NodeShard& shard = *shards_[i];
    if (shard.sockets().open_sockets() > 0) violation("sockets are open");
    if (shard.sockets().waiting() > 0) violation("output is waiting");
    if (shard.roster().sessions() > 0) violation("there are sessions");
    if (shard.roster().clients() > 0) violation("the roster has clients");
    if (shard.hub().channels() > 0 || shard.hub().subscriptions() > 0) {
      violation(fmt::format("{} channels in the hub", shard.hub().channels()));
    }
    if (shard.homes().size() > 0) violation(fmt::format("{} homes", shard.homes().size()));
    if (shard.homes().listened() > 0) violation("homes are listened to");
    if (shard.census().users() > 0) violation("users are counted");
    if (presence_[i]->channels() > 0) violation("clients are present");
    if (node_->shard(i).tasks().active() > 0) violation("tasks are active");
  }
  if (node_->connected_clients() > 0) violation("clients are counted");
  if (stage_.network().open_connections() > 0) violation("connections are open");
  if (store_ && store_->subscriptions() > 0) {
    violation(fmt::format("the broker delivers {} channels", store_->subscriptions()));
  }
}

ScenarioResult Scenario::run() {
  plan();
  const uint64_t acts = 1 + below(3);
  for (uint64_t i = 0; i < acts; ++i) {
    run_for(static_cast<os::Nanos>(3 + below(15)) * kSecond);
    // A machine that stood still: everything is late, TTLs have passed.
    if (chance(200)) {
      stage_.network().advance_to(stage_.network().now() + some_time(60 * kSecond));
      record_.jumped();
    }
  }
  is_active_ = false;
  api_->drop_waiting();
  if (store_) store_->calm();
  faults_.calm();
  for (const auto& client : clients_) {
    client->pause_reading(false);
    client->set_patience(500 * os::kMillisecond);
  }
  // Long enough for everybody to come back, and for losses to be found.
  run_for(25 * kSecond + 3 * position_check_delay_);
  const auto is_settled = [this] {
    return api_->is_settled() &&
           std::ranges::all_of(clients_, [](const auto& client) { return client->is_settled(); });
  };
  run_until(is_settled, 20 * kSecond);
  if (record_.violations().empty()) check_quiet();
  if (record_.violations().empty()) {
    if (chance(300)) {
      drain();
    } else {
      leave();
    }
    // Past lingering, write timeouts and deadlines of HTTP.
    run_for(40 * kSecond);
    if (record_.violations().empty()) check_empty();
  }

  ScenarioResult result;
  result.violations = record_.violations();
  result.hash = stage_.hash();
  result.steps = stage_.steps();
  result.simulated = stage_.network().now() - 1'000 * kSecond;
  for (const auto& client : clients_) {
    const SdkClient::Counts& counts = client->counts();
    result.connects += counts.connects;
    result.publications += counts.publications;
    result.recovered += counts.recovered;
    result.recovered_publications += counts.recovered_publications;
    result.unrecovered += counts.unrecovered;
    result.losses += counts.losses;
    if (counts.disconnects.contains(3008)) result.slow += counts.disconnects.at(3008);
  }
  return result;
}

}  // namespace

ScenarioResult run_scenario(const ScenarioOptions& options) {
  auto scenario = std::make_unique<Scenario>(options);
  const FaultScope scope(scenario->faults());
  ScenarioResult result = scenario->run();
  // One that was broken off has operations under way, which nothing can end any more.
  if (!result.violations.empty()) static_cast<void>(scenario.release());
  return result;
}

}  // namespace gyre::sim
