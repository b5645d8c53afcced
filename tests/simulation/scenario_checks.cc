// What must be true in a scenario, beyond what each client holds its own messages against.
#include <fmt/format.h>

#include <algorithm>

#include "tests/simulation/scenario_world.h"

namespace gyre::sim {

// After each step. What takes long is looked at now and then.
void Scenario::check_step() {
  if (stage_.has_lost_wake_up()) violation("a shard sleeps, though it has something to do");
  constexpr uint64_t kRarely = 64;
  if (!is_up_ || stage_.steps() % kRarely != 0) return;
  // The messages of one batch may be on top, until the slow one has been told.
  constexpr size_t kOneMessage = 4'000;
  constexpr size_t kOneBatch = 4;
  const size_t most = node_->options().sockets.queue_bytes_max + kOneBatch * kOneMessage;
  if (const size_t queued = node_->most_queued(); queued > most) {
    violation(fmt::format("{} bytes wait for one connection", queued));
  }
}

// Where the stream stands by the broker's own word.
std::optional<protocol::StreamPosition> Scenario::top(const std::string& channel) {
  if (store_) return store_->top(channel);
  // Each home has a broker; that of the channel has the newest publication, if there is one.
  for (size_t i = ledger_.count(channel); i-- > 0;) {
    const Ledger::Entry& last = ledger_.at(channel, i);
    if (last.offset > 0) return protocol::StreamPosition{last.offset, last.epoch};
  }
  return std::nullopt;
}

void Scenario::check_quiet() {
  if (!is_up_ || !ghosts_.empty()) return violation("a node that was killed does not go");
  for (const auto& client : clients_) {
    if (!client->is_settled())
      violation(fmt::format("{} does not settle: {}", client->name(), client->describe()));
  }
  if (!api_->is_settled()) violation("the API does not answer");
  check_positions();
  check_presence();
  check_members();
  if (settings_.single_connection) check_single_connections();
  if (backend_) check_rulings();
  for (const auto& client : clients_) {
    client->check_ends();
    client->check_wildcards();
  }
  size_t expected = 0;
  for (const auto& client : clients_) expected += client->live_channels().size();
  if (node_->most_queued() > 0) violation("bytes wait for somebody");
  if (store_ && store_->subscriptions() != node_->homes()) {
    violation(fmt::format("the broker delivers {} channels to {} homes", store_->subscriptions(),
                          node_->homes()));
  }
  if (node_->subscriptions() != expected) {
    violation(
        fmt::format("{} subscriptions, the clients have {}", node_->subscriptions(), expected));
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
      if (truth->epoch == position->epoch && client->wants_nothing_behind(channel)) continue;
      record_.violation(
          client->name(),
          fmt::format("stands at {}@{} in {}, which is at {}@{}, and does not know",
                      position->offset, position->epoch, channel, truth->offset, truth->epoch));
    }
  }
}

void Scenario::check_presence() {
  for (const ChannelKind& channel : channels_) {
    std::set<std::string> expected;
    for (const auto& client : clients_) {
      if (channel.has_presence && client->live_channels().contains(channel.name)) {
        expected.insert(client->client_id());
      }
    }
    const std::set<std::string> present = node_->present(channel.name);
    if (present != expected) {
      violation(fmt::format("{} clients are present in {}, {} are there", present.size(),
                            channel.name, expected.size()));
    }
  }
}

// Some rest before they read, and see late that they are live.
constexpr os::Nanos kLateReading = 12 * os::kSecond;

// Whoever is told of joins and leaves knows of all that came after it, and of none that has gone.
void Scenario::check_members() {
  for (const auto& observer : clients_) {
    for (const std::string& channel : observer->live_channels()) {
      const std::set<std::string>* members = observer->members(channel);
      if (!members) continue;
      std::set<std::string> live;
      for (const auto& client : clients_) {
        if (!client->live_channels().contains(channel)) continue;
        live.insert(client->client_id());
        const bool came_later =
            client->was_prompt(channel) &&
            client->live_since(channel) > observer->live_since(channel) + kLateReading &&
            client->live_since(channel) + 2 * kSecond < stage_.network().now();
        if (came_later && !members->contains(client->client_id())) {
          record_.violation(observer->name(),
                            fmt::format("was not told that {} joined {}", client->name(), channel));
        }
      }
      for (const std::string& member : *members) {
        if (live.contains(member)) continue;
        record_.violation(observer->name(),
                          fmt::format("was not told that {} left {}", member, channel));
      }
    }
  }
}

// Who has come when an older connection had long been there is alone. Those who come at the same
// time may not see each other.
void Scenario::check_single_connections() {
  for (const auto& older : clients_) {
    if (!older->holds_own_channel()) continue;
    for (const auto& newer : clients_) {
      if (newer == older || newer->user() != older->user() || !newer->has_own_channel()) continue;
      if (newer->is_connected() && newer->connect_asked() > older->let_in()) {
        record_.violation(older->name(),
                          fmt::format("stays beside {}, which came later, and has the "
                                      "same user",
                                      newer->name()));
      }
    }
  }
}

void Scenario::leave() {
  for (const auto& client : clients_) {
    client->stop();
    if (client->is_asleep()) client->close();
  }
  api_->end();
}

// The node goes down under its clients.
void Scenario::drain() {
  node_->drain();
  agenda_.after(5 * kSecond, [this] { leave(); });
}

void Scenario::check_empty() {
  for (const std::string& one : node_->leftovers()) violation(one);
  if (stage_.network().open_connections() > 0) violation("connections are open");
  if (presence_ && presence_->entries() > 0) violation("clients are present");
  if (store_ && store_->subscriptions() > 0) {
    violation(fmt::format("the broker delivers {} channels", store_->subscriptions()));
  }
}

}  // namespace gyre::sim
