#include "tests/simulation/sim_node.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/memory/memory_broker.h"
#include "engine/read_sharing.h"

namespace gyre::sim {

namespace {

runtime::Task<void> list_presence(engine::PresenceStore* store, std::string channel,
                                  std::set<std::string>* clients) {
  const auto list = co_await store->list(std::move(channel));
  for (const engine::MemberRef& one : *list) clients->insert(one->info.client);
}

}  // namespace

SimNode::SimNode(World world, app::NodeOptions options, size_t shards, Lends lends, uint16_t port)
    : world_(world), meta_ttl_(options.history_meta_ttl) {
  SimStage& stage = world_.stage;
  std::vector<os::Kernel*> kernels;
  for (size_t i = 0; i < shards; ++i) {
    kernels_.push_back(&stage.make_kernel());
    kernels.push_back(kernels_.back());
  }
  if (world_.backend) backend_.emplace(*world_.backend);
  node_ = std::make_unique<app::Node>(std::move(options), engine(), std::move(kernels),
                                      backend_ ? &*backend_ : nullptr);
  if (lends == Lends::never) node_->set().lends = false;
  if (lends == Lends::at_times) {
    node_->set().lend_choice = [&stage] { return stage.network().chance(500); };
  }
  for (size_t i = 0; i < shards; ++i) {
    on_shard(i, [&] {
      auto shard = app::NodeShard::create(*node_, i);
      GYRE_CHECK(shard);
      shards_.push_back(std::move(*shard));
    });
  }
  for (size_t i = 0; i < shards; ++i) {
    on_shard(i, [&] { GYRE_CHECK(shards_[i]->listen({.external = port})); });
    stage.engage(node_->shard(i));
  }
}

SimNode::~SimNode() {
  for (size_t i = 0; i < shards_.size(); ++i) {
    world_.stage.dismiss(node_->shard(i));
    on_shard(i, [&] { shards_[i].reset(); });
  }
}

app::EngineFactory SimNode::engine() {
  app::EngineFactory factory;
  factory.presence = [this](runtime::Shard& shard) -> std::unique_ptr<engine::PresenceStore> {
    if (world_.presence) {
      auto store = std::make_unique<SimPresenceStore>(shard, *world_.presence);
      presence_.push_back(store.get());
      if (!world_.shares_reads) return store;
      return std::make_unique<engine::ReadSharingPresence>(shard, std::move(store));
    }
    auto store = std::make_unique<engine::memory::MemoryPresenceStore>();
    memory_presence_.push_back(store.get());
    return store;
  };
  factory.broker = [this](runtime::Shard& shard) -> std::unique_ptr<engine::Broker> {
    if (world_.store) {
      auto broker = std::make_unique<SimBroker>(shard, *world_.store);
      brokers_.push_back(broker.get());
      if (!world_.shares_reads) return broker;
      return std::make_unique<engine::ReadSharingBroker>(shard, std::move(broker));
    }
    auto broker = std::make_unique<LedgerBroker>(
        std::make_unique<engine::memory::MemoryBroker>(shard, meta_ttl_), world_.ledger);
    memory_brokers_.push_back(broker.get());
    return broker;
  };
  return factory;
}

void SimNode::drain() {
  for (size_t i = 0; i < shards_.size(); ++i) {
    on_shard(i, [&] { node_->shard(i).tasks().spawn(shards_[i]->drain()); });
  }
  // What was spawned outside of a turn is noticed in the next.
  for (SimKernel* kernel : kernels_) kernel->wake();
}

void SimNode::die() {
  died_at_ = world_.stage.network().now();
  for (SimKernel* kernel : kernels_) kernel->die();
  for (LedgerBroker* broker : memory_brokers_) broker->die();
  for (SimBroker* broker : brokers_) broker->die();
  for (SimPresenceStore* store : presence_) store->die();
  if (backend_) backend_->die();
}

size_t SimNode::subscriptions() const {
  size_t sum = 0;
  for (const auto& shard : shards_) sum += shard->hub().subscriptions();
  return sum;
}

size_t SimNode::homes() const {
  size_t sum = 0;
  for (const auto& shard : shards_) sum += shard->homes().size();
  return sum;
}

std::set<std::string> SimNode::present(const std::string& channel) {
  if (world_.presence) return world_.presence->clients(channel);
  std::set<std::string> present;
  for (size_t i = 0; i < memory_presence_.size(); ++i) {
    on_shard(i, [&] {
      node_->shard(i).tasks().spawn(list_presence(memory_presence_[i], channel, &present));
    });
  }
  return present;
}

size_t SimNode::most_queued() {
  size_t most = 0;
  for (const auto& shard : shards_) {
    shard->sockets().for_each([&](net::SocketHandle socket, net::Handler&) {
      most = std::max(most, shard->sockets().queued_bytes(socket));
    });
  }
  return most;
}

// Armed by what lives as long as the node: the check of positions, the sums of the metrics, and the
// memory engine while it keeps anything.
size_t SimNode::timers_to_stay(size_t index) const {
  size_t timers = (node_->options().position_check_delay > 0 ? 1 : 0) + (index == 0 ? 1 : 0);
  if (index < memory_brokers_.size()) {
    const auto& broker =
        dynamic_cast<const engine::memory::MemoryBroker&>(memory_brokers_[index]->inner());
    if (broker.streams() > 0 || broker.remembered_results() > 0) ++timers;
  }
  return timers;
}

std::vector<std::string> SimNode::leftovers() {
  std::vector<std::string> found;
  for (size_t i = 0; i < shards_.size(); ++i) {
    app::NodeShard& shard = *shards_[i];
    const auto expect_none = [&](size_t count, std::string_view what) {
      if (count > 0) found.push_back(fmt::format("{} {} are left on shard {}", count, what, i));
    };
    expect_none(shard.sockets().open_sockets(), "sockets");
    expect_none(shard.sockets().waiting(), "outputs");
    expect_none(shard.roster().sessions(), "sessions");
    expect_none(shard.roster().clients(), "clients of the roster");
    expect_none(shard.hub().channels(), "channels of the hub");
    expect_none(shard.hub().subscriptions(), "subscriptions");
    expect_none(shard.homes().size(), "homes");
    expect_none(shard.homes().listened(), "homes that are listened to");
    expect_none(shard.wildcards() && !shard.wildcards()->empty() ? 1 : 0, "lists of wildcards");
    expect_none(shard.census().users(), "users of the census");
    expect_none(node_->shard(i).tasks().active(), "tasks");
    if (i < memory_presence_.size()) {
      expect_none(memory_presence_[i]->channels(), "channels with presence");
    }
    const size_t timers = node_->shard(i).timers().armed();
    const size_t staying = timers_to_stay(i);
    if (timers > staying) expect_none(timers - staying, "timers");
  }
  if (node_->connected_clients() > 0) found.push_back("clients are counted");
  return found;
}

}  // namespace gyre::sim
