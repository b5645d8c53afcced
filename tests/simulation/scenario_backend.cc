// The backend of a scenario, and what is left to its word.
#include <fmt/format.h>

#include <algorithm>

#include "tests/simulation/scenario_world.h"

namespace gyre::sim {

void Scenario::choose_proxies() {
  if (!chance(400)) return;
  proxied_ = {.connect = chance(500),
              .refresh = chance(500),
              .subscribe = chance(700),
              .sub_refresh = chance(500),
              .rpc = chance(500)};
}

// Channels where the backend alone decides who subscribes and publishes. What clients wish for has
// no effect there.
void Scenario::add_ruled_channels() {
  ChannelKind kind;
  kind.name = "ruled";
  kind.is_ruled = true;
  kind.has_numbers = options_.seed % 3 == 0;
  kind.has_history = chance(600);
  if (kind.has_history) {
    kind.history_size = static_cast<int32_t>(4 + below(12));
    kind.history_ttl = static_cast<int64_t>(3 + below(30));
    kind.has_delta = chance(500);
    kind.forces_recovery = kind.is_recoverable = chance(500);
    kind.forces_positioning = kind.is_positioned = kind.is_recoverable || chance(300);
  }
  kind.has_presence = chance(400);
  add_channels(kind, 1 + below(2));
}

std::shared_ptr<const proxy::Definitions> Scenario::proxies() const {
  using proxy::Event;
  std::vector<proxy::Definition> list;
  const auto add = [&list](bool is_there, Event event) {
    if (!is_there) return;
    proxy::HttpOptions options;
    options.endpoint = fmt::format("http://backend/{}", proxy::name_of(event));
    options.timeout = SimBackend::kTimeouts[static_cast<size_t>(event)];
    list.push_back({.event = event, .name = std::string(proxy::kDefaultName), .http = options});
  };
  add(proxied_.connect, Event::connect);
  add(proxied_.refresh, Event::refresh);
  add(proxied_.subscribe, Event::subscribe);
  add(proxied_.subscribe, Event::publish);
  add(proxied_.subscribe && proxied_.sub_refresh, Event::sub_refresh);
  add(proxied_.rpc, Event::rpc);
  return std::make_shared<const proxy::Definitions>(std::move(list));
}

void Scenario::make_backend() {
  if (!proxied_.any()) return;
  SimBackend::Options options;
  if (chance(600)) options.refuses = 100;
  if (chance(300)) options.disconnects = 30;
  if (chance(500)) options.fails = 80;
  if (chance(400)) options.hangs = 40;
  options.asks_refresh = proxied_.refresh;
  options.asks_sub_refresh = proxied_.sub_refresh;
  options.subscription_grace = settings_.expired_sub_close_delay / kSecond;
  options.presence_interval = settings_.presence_update_interval;
  if (chance(500)) {
    for (size_t i = 0; i < shared_channels_; ++i) options.channels.push_back(channels_[i].name);
  }
  backend_ =
      std::make_unique<SimBackend>(stage_.network(), agenda_, record_, std::move(options),
                                   [this](const std::string& client, const std::string& channel) {
                                     return watch(client, channel);
                                   });
}

uint64_t Scenario::watch(const std::string& client, const std::string& channel) const {
  const auto found =
      std::ranges::find_if(clients_, [&](const auto& one) { return one->client_id() == client; });
  return found == clients_.end() ? 0 : (*found)->watch(channel);
}

// What was accepted has been published, whatever has become of its author; nothing else has.
void Scenario::check_rulings() {
  // In which a publication goes its way.
  constexpr os::Nanos kPublished = 2 * kSecond;
  backend_->for_each([this](const std::string& payload, const Ruling& ruling) {
    if (ruling.event != proxy::Event::publish) return;
    if (ruling.kind != Ruling::Kind::accepts) {
      if (ledger_.find(ruling.channel, payload)) {
        violation(fmt::format("{} was published without consent", payload));
      }
      return;
    }
    if (ruling.said != payload && ledger_.find(ruling.channel, payload)) {
      violation(fmt::format("{} was published, not what its backend has made of it", payload));
    }
    const bool was_killed = killed_at_ > 0 && ruling.answered < killed_at_ + kPublished;
    if (!is_reliable() || ruling.answered == 0 || was_killed) return;
    if (!ledger_.find(ruling.channel, ruling.said)) {
      violation(fmt::format("{} was accepted and not published", payload));
    }
  });
}

}  // namespace gyre::sim
