#include "tests/simulation/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "tests/simulation/scenario_world.h"

namespace gyre::sim {

namespace {

using std::chrono::seconds;

Weather choose_weather(uint64_t seed) {
  Weather weather;
  weather.delay_max = (seed % 3 == 0 ? 2 : 20) * os::kMillisecond;
  weather.buffer = seed % 4 == 0 ? 1024 : 8192;
  weather.stall = seed % 5 == 0 ? 0 : 20;
  return weather;
}

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

}  // namespace

Scenario::Scenario(const ScenarioOptions& options)
    : options_(options),
      stage_(options.seed, choose_weather(options.seed)),
      record_(stage_.network(), options.traces),
      agenda_(stage_.network()),
      ledger_(record_),
      faults_(stage_.network()),
      has_floods_(options.seed % 4 == 1),
      has_delivery_rules_(options.seed % 8 == 2 || options.seed % 8 == 5),
      kills_nodes_(chance(250)),
      users_(2 + below(6)),
      bans_(record_) {
  choose_proxies();
  choose_channels();
  choose_settings();
  make_world_outside();
  make_backend();
  start_node();
  start_clients();
}

// --- What there is

void Scenario::choose_channels() {
  const auto add = [this](std::string_view name, bool has_history, bool is_positioned,
                          bool is_recoverable) {
    ChannelKind kind;
    kind.name = name;
    kind.has_history = has_history;
    kind.is_positioned = is_positioned;
    kind.is_recoverable = is_recoverable;
    kind.has_presence = chance(400);
    kind.has_members = chance(200);
    if (has_history) {
      kind.history_size = static_cast<int32_t>(2 + below(12));
      kind.history_ttl = static_cast<int64_t>(3 + below(30));
      kind.has_delta = chance(300);
    }
    kind.has_filter = !kind.has_delta && chance(250);
    kind.has_numbers = options_.seed % 3 == 0;
    kind.forces_positioning = is_positioned && chance(500);
    kind.forces_recovery = is_recoverable && chance(500);
    if (chance(300)) restrict(kind);
    if (name == "newest") {
      kind.has_cache = kind.forces_recovery = true;
      kind.recovers_always = chance(400);
      // What does not pass is not recovered, whatever else is kept.
      kind.has_filter = false;
    }
    add_channels(kind, 1 + below(2));
  };
  add("plain", false, false, false);
  add("kept", true, false, false);
  add("placed", true, true, false);
  add("sure", true, true, true);
  add("safe", true, true, true);
  if (chance(400)) add("newest", true, true, true);
  if (proxied_.subscribe) add_ruled_channels();
  if (chance(400)) add_token_channels();
  // Brokers outside of the node carry none.
  if (is_reliable() && chance(400)) add_wildcards();
  shared_channels_ = channels_.size();
  add_user_channels();
  for (const ChannelKind& kind : channels_) kinds_.emplace(kind.name, kind);
  for (const ChannelKind& kind : wildcards_) kinds_.emplace(kind.name, kind);
}

// Rules that keep some clients from some things.
void Scenario::restrict(ChannelKind& kind) {
  const auto choose = [this] {
    constexpr Allowed kAll[] = {Allowed::nobody, Allowed::subscribers, Allowed::everybody};
    return kAll[below(3)];
  };
  kind.publishing = choose();
  kind.reading_history = choose();
  kind.seeing_presence = choose();
  kind.is_open_to_anonymous = chance(500);
  if (chance(200)) kind.subscribing = Allowed::nobody;
  if (!chance(400)) return;
  for (size_t i = 0; i < users_; ++i) {
    if (chance(500)) kind.users.push_back(fmt::format("user{}", i));
  }
}

void Scenario::add_channels(const ChannelKind& kind, size_t count) {
  std::string users;
  for (const std::string& user : kind.users) users += (users.empty() ? "#" : ",") + user;
  for (size_t i = 0; i < count; ++i) {
    channels_.push_back(kind);
    channels_.back().name = fmt::format("{}:{}{}", kind.name, i, users);
  }
  namespaces_.emplace_back(kind.name, options_of(kind));
}

// Channels that are subscribed to by a token for each: because they are private, or as no rule of
// their namespace lets anybody in.
void Scenario::add_token_channels() {
  ChannelKind kind;
  kind.name = "sealed";
  kind.needs_token = true;
  kind.has_numbers = options_.seed % 3 == 0;
  kind.has_presence = chance(400);
  kind.has_history = chance(600);
  if (kind.has_history) {
    kind.history_size = static_cast<int32_t>(4 + below(12));
    kind.history_ttl = static_cast<int64_t>(3 + below(30));
    kind.has_delta = chance(300);
    kind.is_recoverable = chance(500);
    kind.is_positioned = kind.is_recoverable || chance(300);
  }
  const bool is_private = chance(500);
  if (!is_private) kind.subscribing = Allowed::nobody;
  constexpr size_t kCount = 2;
  add_channels(kind, kCount);
  for (size_t i = channels_.size() - kCount; is_private && i < channels_.size(); ++i) {
    channels_[i].name.insert(0, "$");
  }
}

// Channels of which wildcards stand for some, and wildcards of which a rule allows some. What comes
// by a wildcard is live only, whatever the channels have.
void Scenario::add_wildcards() {
  ChannelKind kind;
  kind.name = "tree";
  kind.has_numbers = options_.seed % 3 == 0;
  kind.has_filter = chance(400);
  kind.has_history = chance(500);
  if (kind.has_history) {
    kind.history_size = static_cast<int32_t>(4 + below(12));
    kind.history_ttl = static_cast<int64_t>(3 + below(30));
    kind.is_recoverable = kind.is_positioned = chance(500);
    kind.forces_positioning = kind.is_positioned && chance(500);
  }
  if (chance(200)) kind.subscribing = Allowed::nobody;
  kind.users = {"user0"};
  namespaces_.emplace_back(kind.name, options_of(kind));
  for (const std::string_view name :
       {"tree:a.0", "tree:a.1", "tree:b.0.1", "tree:a.2#user0", "$tree:a.3"}) {
    ChannelKind& one = channels_.emplace_back(kind);
    one.name = name;
    one.needs_token = name.starts_with('$');
    if (!name.contains('#')) one.users.clear();
  }
  constexpr std::string_view kWildcards[] = {"tree:a.*", "tree:*.0", "tree:*.*", "tree:>"};
  wildcard_rule_ = kWildcards[below(std::size(kWildcards))];
  for (const std::string_view name : kWildcards) {
    ChannelKind& one = wildcards_.emplace_back();
    one.name = name;
    one.is_wildcard = true;
    one.has_numbers = kind.has_numbers;
    one.has_filter = kind.has_filter;
    one.subscribing = stands_for(wildcard_rule_, name) ? kind.subscribing : Allowed::nobody;
  }
}

// Batches come a little later and are otherwise what comes without them; who is behind is told, as
// of any loss. So no client needs to know of them.
std::shared_ptr<const channel::DeliveryRule> Scenario::delivery_rule(bool may_lose) {
  channel::DeliveryRule rule{.batch_max_size = 4,
                             .batch_max_delay = std::chrono::milliseconds(300)};
  if (may_lose) rule.slow_consumer = channel::SlowConsumer::resubscribe;
  return std::make_shared<const channel::DeliveryRule>(rule);
}

// The channel that each user with a token is subscribed to by the server.
void Scenario::add_user_channels() {
  if (!chance(400)) return;
  ChannelKind kind;
  kind.name = "own";
  kind.has_history = chance(600);
  kind.history_size = kind.has_history ? 10 : 0;
  kind.history_ttl = kind.has_history ? 30 : 0;
  kind.forces_positioning = kind.has_history && chance(500);
  // Whether there is a connection already is read from presence, which some engines have late.
  settings_.single_connection = is_reliable() && chance(400);
  kind.has_presence = settings_.single_connection || chance(400);
  kind.subscribing = Allowed::nobody;
  namespaces_.emplace_back(kind.name, options_of(kind));
  for (size_t i = 0; i < users_; ++i) {
    channels_.push_back(kind);
    channels_.back().name = fmt::format("own:#user{}", i);
  }
}

channel::ChannelOptions Scenario::options_of(const ChannelKind& kind) {
  channel::ChannelOptions options;
  const auto is_for = [&kind](Allowed allowed, bool& everybody, bool* subscribers,
                              bool& anonymous) {
    everybody = allowed == Allowed::everybody;
    if (subscribers) *subscribers = allowed == Allowed::subscribers;
    anonymous = kind.is_open_to_anonymous;
  };
  is_for(kind.subscribing, options.allow_subscribe_for_client, nullptr,
         options.allow_subscribe_for_anonymous);
  is_for(kind.publishing, options.allow_publish_for_client, &options.allow_publish_for_subscriber,
         options.allow_publish_for_anonymous);
  is_for(kind.reading_history, options.allow_history_for_client,
         &options.allow_history_for_subscriber, options.allow_history_for_anonymous);
  is_for(kind.seeing_presence, options.allow_presence_for_client,
         &options.allow_presence_for_subscriber, options.allow_presence_for_anonymous);
  options.allow_user_limited_channels = !kind.users.empty();
  options.presence = kind.has_presence;
  options.join_leave = kind.has_members;
  if (kind.has_history) {
    options.history_size = kind.history_size;
    options.history_ttl = seconds(kind.history_ttl);
    options.history_meta_ttl = seconds(chance(500) ? kMetaTtl : 0);
  }
  // Granted to whoever asks, or to everybody: the same for a client that asks.
  options.allow_positioning = kind.is_positioned;
  options.allow_recovery = kind.is_recoverable;
  options.force_positioning = kind.forces_positioning;
  options.force_recovery = kind.forces_recovery;
  options.recovers_cache = kind.has_cache;
  options.auto_cache_recover = kind.recovers_always;
  if (kind.is_ruled) options.subscribe_proxy = options.publish_proxy = proxy::kDefaultName;
  if (kind.is_ruled && proxied_.sub_refresh) options.sub_refresh_proxy = proxy::kDefaultName;
  options.allows_fossil_delta = options.delta_publish = kind.has_delta;
  options.allow_tags_filter = kind.has_filter;
  options.compacts_json = options.compacts_protobuf = kind.has_numbers;
  if (has_delivery_rules_) {
    options.delivery = delivery_rule(kind.forces_positioning || kind.forces_recovery);
  }
  return options;
}

void Scenario::choose_settings() {
  auto namespaces = channel::Namespaces::compile({}, {}, namespaces_);
  GYRE_CHECK(namespaces);
  if (!wildcards_.empty()) {
    auto rules = channel::WildcardRules::compile(
        namespaces->rules(), {{.pattern = wildcard_rule_, .namespace_name = "tree"}});
    GYRE_CHECK(rules && namespaces->add_wildcards(std::move(*rules)));
  }
  settings_.namespaces = std::make_shared<const channel::Namespaces>(std::move(*namespaces));
  settings_.ping_interval = static_cast<os::Nanos>(5 + below(20)) * kSecond;
  settings_.pong_timeout = 4 * kSecond;
  settings_.expired_close_delay = static_cast<os::Nanos>(below(4)) * kSecond;
  settings_.expired_sub_close_delay = static_cast<os::Nanos>(below(4)) * kSecond;
  settings_.presence_update_interval = 5 * kSecond;
  settings_.concurrency = chance(300) ? 4 : 1;
  settings_.recovery_max_publication_limit = chance(200) ? 5 : 300;
  settings_.user_connection_limit = 0;
  settings_.channel_limit = chance(150) ? 3 : 128;
  settings_.has_personal_channels = channels_.size() > shared_channels_;
  settings_.personal_namespace = "own";
  settings_.server_version = "simulation";
  if (proxied_.rpc) settings_.rpc.without_namespace = proxy::kDefaultName;
  has_moderation_ = chance(350);
  position_check_delay_ = static_cast<os::Nanos>(2 + below(5)) * kSecond;
}

app::NodeOptions Scenario::node_options() const {
  app::NodeOptions options;
  options.name = "simulation";
  options.version = "simulation";
  options.sockets = {.queue_bytes_max = has_floods_ ? 25'000u : 1'000'000u,
                     .write_timeout = 3 * kSecond};
  options.settings = std::make_shared<const client::Settings>(settings_);
  options.wildcards_max = wildcards_.size();
  options.connection_tokens.hmac_secret_key = SdkClient::secret();
  options.subscription_tokens.hmac_secret_key = SdkClient::secret();
  options.proxies = proxies();
  if (has_moderation_) options.moderation = client::Moderation::Limits();
  options.history_meta_ttl = seconds(kMetaTtl * 2);
  options.position_check_delay = position_check_delay_;
  options.websocket_path = "/connection/websocket";
  options.websocket.user_header = "X-User";
  options.api = api::HttpApi::Options{.prefix = "/api", .key = "secret"};
  if (has_moderation_) options.api->methods = options.api->methods.with_moderation();
  options.api_is_external = true;
  options.external.port = kNodePort;
  return options;
}

void Scenario::make_world_outside() {
  attendance_ = std::make_unique<Attendance>(agenda_, record_, is_reliable());
  attendance_->hears = [this](const std::string& id, os::Nanos duration) {
    return std::ranges::any_of(clients_, [&](const auto& client) {
      return client->client_id() == id && client->hears(duration);
    });
  };
  if (options_.engine == Engine::memory) return;
  BrokerWeather weather;
  if (chance(600)) weather.lost = 30;
  if (chance(600)) weather.repeated = 50;
  if (chance(400)) weather.refused = 30;
  if (chance(400)) weather.unconfirmed = 30;
  if (chance(300)) weather.delay_max = 300 * os::kMillisecond;
  store_ = std::make_unique<SimStore>(stage_.network(), agenda_, ledger_, weather);
  engine_fails_ = weather.refused > 0 || weather.unconfirmed > 0;
  // What nobody takes out, because the node was killed or its words were lost, goes by itself.
  // Where that cannot be, nothing else may hide what was forgotten.
  const bool must_forget = kills_nodes_ || weather.refused > 0;
  presence_ = std::make_unique<SimPresence>(stage_.network(), agenda_, weather,
                                            (must_forget ? 15 : 1'000) * kSecond);
}

void Scenario::start_node() {
  node_ = std::make_unique<SimNode>(SimNode::World{.stage = stage_,
                                                   .ledger = ledger_,
                                                   .store = store_.get(),
                                                   .presence = presence_.get(),
                                                   .backend = backend_.get(),
                                                   .shares_reads = options_.seed % 4 < 2},
                                    node_options(), 1 + below(3),
                                    static_cast<SimNode::Lends>(below(3)), kNodePort);
  is_up_ = true;
}

void Scenario::start_clients() {
  const size_t count = 3 + below(6);
  for (size_t i = 0; i < count; ++i) {
    const bool has_token = chance(400);
    const bool is_ruled = !has_token && proxied_.connect;
    const bool is_anonymous = (has_token || is_ruled) && chance(150);
    const std::string user = is_anonymous ? std::string() : fmt::format("user{}", below(users_));
    std::string own;
    if (settings_.has_personal_channels && (has_token || is_ruled) && !user.empty()) {
      own = "own:#" + user;
    }
    std::vector<std::string> may_get;
    if (!own.empty()) may_get.push_back(own);
    if (is_ruled) {
      may_get.insert(may_get.end(), backend_->options().channels.begin(),
                     backend_->options().channels.end());
    }
    clients_.push_back(std::make_unique<SdkClient>(
        stage_.network(), agenda_, ledger_, record_,
        SdkClient::Options{
            .name = fmt::format("client{}", i),
            .user = user,
            .port = kNodePort,
            .encoding = chance(500) ? protocol::Encoding::json : protocol::Encoding::protobuf,
            .connects_first = chance(300),
            .takes_numbers = (options_.seed + i) % 4 != 0,
            .is_slow = chance(200),
            .may_be_slow = has_floods_,
            .has_floods = has_floods_,
            .has_token = has_token,
            .is_ruled = is_ruled,
            .concurrency = settings_.concurrency,
            .channel_limit = settings_.channel_limit,
            .expired_close_delay = settings_.expired_close_delay,
            .expired_sub_close_delay = settings_.expired_sub_close_delay,
            .presence_update_interval = settings_.presence_update_interval,
            .promises = {.is_reliable = is_reliable(),
                         .delivers_at_once = !has_delivery_rules_,
                         .recovers_surely = is_reliable() &&
                                            !faults_.may_strike(fault::Point::new_epoch) &&
                                            !faults_.may_strike(fault::Point::short_record),
                         .reads_on = !faults_.may_strike(fault::Point::small_backlog)},
            .recovery_limit = settings_.recovery_max_publication_limit,
            .channels = &kinds_,
            .may_be_displaced = displacement(i),
            .own_channel = own,
            .may_get = may_get,
            .attendance = attendance_.get(),
            .bans = &bans_,
            .backend = backend_.get()}));
    SdkClient& client = *clients_.back();
    stage_.add(client);
    for (size_t at = 0; at < shared_channels_; ++at) {
      if (chance(500)) client.subscribe(channels_[at]);
    }
    for (const ChannelKind& wildcard : wildcards_) {
      if (chance(500)) client.subscribe(wildcard);
    }
    agenda_.after(some_time(2 * kSecond), [&client] { client.start(); });
  }
  api_ = std::make_unique<ApiClient>(stage_.network(), record_, kNodePort, !is_reliable());
  stage_.add(*api_);
}

// For the client of that index.
std::function<bool(const std::string& user, os::Nanos asked)> Scenario::displacement(
    size_t index) const {
  if (!settings_.single_connection) return {};
  return [this, index](const std::string& user, os::Nanos asked) {
    for (size_t i = 0; i < clients_.size(); ++i) {
      const SdkClient& other = *clients_[i];
      if (i == index || other.user() != user || !other.has_own_channel()) continue;
      if (other.connecting_until() >= asked) return true;
    }
    return false;
  };
}

// --- Time

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
    check_step();
    if (!ghosts_.empty()) bury_ghosts();
  }
  return condition();
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
    if (kills_nodes_ && chance(500)) kill_node();
    if (chance(100)) set_clock();
  }
  is_active_ = false;
  api_->drop_waiting();
  if (store_) store_->calm();
  if (presence_) presence_->calm();
  if (backend_) backend_->calm();
  unblock_all();
  faults_.calm();
  for (const auto& client : clients_) client->calm();
  // One that reads no more is found by what waits for it, or by the pongs that it does not send.
  if (SdkClient& sleeper = some_client(); chance(100)) sleeper.fall_asleep();
  // Long enough for everybody to come back, and for losses to be found.
  run_for(25 * kSecond + 3 * position_check_delay_);
  const auto is_settled = [this] {
    return is_up_ && ghosts_.empty() && api_->is_settled() &&
           std::ranges::all_of(clients_, [](const auto& client) { return client->is_settled(); });
  };
  if (std::ranges::any_of(clients_, [](const auto& one) { return one->is_asleep(); })) {
    run_for(20 * kSecond);
  }
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
  return result();
}

ScenarioResult Scenario::result() {
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
    result.deltas += counts.deltas;
    result.from_cache += counts.from_cache;
    for (const auto& [code, count] : counts.disconnects) {
      if (code == 3008) result.slow += count;
      if (code == 3500 || code == 3503 || code == 3507) result.banned += count;
    }
  }
  if (backend_) result.asked = backend_->questions();
  return result;
}

ScenarioResult run_scenario(const ScenarioOptions& options) {
  auto scenario = std::make_unique<Scenario>(options);
  const FaultScope scope(scenario->faults());
  ScenarioResult result = scenario->run();
  // One that was broken off has operations under way, which nothing can end any more.
  if (!result.violations.empty()) static_cast<void>(scenario.release());
  return result;
}

}  // namespace gyre::sim
