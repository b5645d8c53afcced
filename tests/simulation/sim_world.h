#pragma once

#include <memory>
#include <vector>

#include "net/sockets.h"
#include "tests/simulation/sim_client.h"
#include "tests/simulation/sim_kernel.h"

namespace gyre::sim {

// Shards, their sockets and the network in one thread. Each step is the seed's choice: which shard
// takes its turn, which actor acts, or that time goes on. A shard takes a turn only when its thread
// would have woken up, so a wake-up that gets lost is found.
class SimWorld {
 public:
  SimWorld(uint64_t seed, size_t shards, Weather weather = {}, net::SocketLimits limits = {});
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;

  SimNetwork& network() { return network_; }
  runtime::ShardSet& set() { return set_; }
  size_t shard_count() const { return nodes_.size(); }
  runtime::Shard& shard(size_t index) { return nodes_[index]->shard; }
  net::Sockets& sockets(size_t index) { return nodes_[index]->sockets; }
  SimKernel& kernel(size_t index) { return nodes_[index]->kernel; }

  // Steps the actor from now on; it must outlive the world's steps.
  void add(SimActor& actor) { actors_.push_back(&actor); }

  // False when nothing will happen any more.
  bool step();
  // Until nothing happens any more; false when `most` steps were not enough.
  bool run(uint64_t most = 2'000'000);
  // Until a condition holds.
  template <class Condition>
  bool run_until(Condition condition, uint64_t most = 2'000'000) {
    for (uint64_t i = 0; i < most && !condition(); ++i) {
      if (!step()) break;
    }
    return condition();
  }
  uint64_t hash() const { return network_.hash(); }

 private:
  struct Node {
    Node(SimNetwork& network, runtime::ShardSet& set, uint16_t index, net::SocketLimits limits)
        : kernel(network, index),
          shard(runtime::ShardId{index}, kernel, set),
          sockets(shard, limits) {
      shard.attach(sockets, sockets);
    }
    SimKernel kernel;
    runtime::Shard shard;
    net::Sockets sockets;
    os::Nanos asleep_until = 0;  // as of the end of its last turn
  };
  bool is_runnable(const Node& node) const {
    return node.kernel.has_events() || node.asleep_until <= network_.now();
  }
  void turn(Node& node);
  bool advance();

  SimNetwork network_;
  runtime::ShardSet set_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<SimActor*> actors_;
  std::vector<size_t> choices_;  // spare for step: shards, then actors
};

}  // namespace gyre::sim
