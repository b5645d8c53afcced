#pragma once

#include <memory>
#include <vector>

#include "net/sockets.h"
#include "tests/simulation/sim_stage.h"

namespace gyre::sim {

// A stage with shards on it that have sockets and nothing else.
class SimWorld {
 public:
  SimWorld(uint64_t seed, size_t shards, Weather weather = {}, net::SocketLimits limits = {});
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;

  SimNetwork& network() { return stage_.network(); }
  runtime::ShardSet& set() { return set_; }
  size_t shard_count() const { return nodes_.size(); }
  runtime::Shard& shard(size_t index) { return nodes_[index]->shard; }
  net::Sockets& sockets(size_t index) { return nodes_[index]->sockets; }
  SimKernel& kernel(size_t index) { return stage_.kernel(index); }

  // See SimStage.
  void add(SimActor& actor) { stage_.add(actor); }
  bool step() { return stage_.step(); }
  bool run(uint64_t most = 2'000'000) { return stage_.run(most); }
  template <class Condition>
  bool run_until(Condition condition, uint64_t most = 2'000'000) {
    return stage_.run_until(condition, most);
  }
  uint64_t hash() const { return stage_.hash(); }

 private:
  struct Node {
    Node(SimKernel& kernel, runtime::ShardSet& set, uint16_t index, net::SocketLimits limits)
        : shard(runtime::ShardId{index}, kernel, set), sockets(shard, limits) {
      shard.attach(sockets, sockets);
    }
    runtime::Shard shard;
    net::Sockets sockets;
  };

  SimStage stage_;
  runtime::ShardSet set_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace gyre::sim
