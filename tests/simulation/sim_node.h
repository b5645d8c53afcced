#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/node.h"
#include "engine/memory/memory_presence_store.h"
#include "tests/simulation/ledger_broker.h"
#include "tests/simulation/sim_backend.h"
#include "tests/simulation/sim_broker.h"
#include "tests/simulation/sim_presence.h"
#include "tests/simulation/sim_stage.h"

namespace gyre::sim {

// A node on the stage: its shards over kernels of their own, and the engine that it works with.
// Owned by the scenario.
//
// One that is killed goes on as a ghost: its connections are broken, and nothing that it does
// reaches anything outside any more, which is all that the world sees of a kill. Its operations
// come to their end, so that it can be destroyed, and must not have left anything.
class SimNode {
 public:
  // What lives outside of the node. Without a store the engine is that of memory.
  struct World {
    SimStage& stage;
    Ledger& ledger;
    SimStore* store = nullptr;
    SimPresence* presence = nullptr;
    SimBackend* backend = nullptr;  // null: there is none
    bool shares_reads = false;      // of the store and the presence
  };
  enum class Lends : uint8_t { never, at_times, always };
  SimNode(World world, app::NodeOptions options, size_t shards, Lends lends, uint16_t port);
  ~SimNode();
  SimNode(const SimNode&) = delete;

  size_t size() const { return shards_.size(); }
  app::NodeShard& shard(size_t index) { return *shards_[index]; }
  const app::NodeOptions& options() const { return node_->options(); }
  template <class Work>
  void on_shard(size_t index, Work work) {
    runtime::TurnScope turn(node_->shard(index));
    work();
  }

  // Goes down as it should.
  void drain();
  void die();
  os::Nanos died_at() const { return died_at_; }

  size_t subscriptions() const;
  size_t homes() const;
  std::set<std::string> present(const std::string& channel);
  // What waits for the connections of one that has the most of it.
  size_t most_queued();
  // What is there, though nobody is connected any more.
  std::vector<std::string> leftovers();

 private:
  app::EngineFactory engine();
  size_t timers_to_stay(size_t index) const;

  const World world_;
  const std::chrono::seconds meta_ttl_;
  std::optional<BackendLine> backend_;
  std::unique_ptr<app::Node> node_;
  std::vector<SimKernel*> kernels_;
  std::vector<std::unique_ptr<app::NodeShard>> shards_;
  // Of the shards' engines, the kind that there is.
  std::vector<LedgerBroker*> memory_brokers_;
  std::vector<SimBroker*> brokers_;
  std::vector<engine::memory::MemoryPresenceStore*> memory_presence_;
  std::vector<SimPresenceStore*> presence_;
  os::Nanos died_at_ = 0;
};

}  // namespace gyre::sim
