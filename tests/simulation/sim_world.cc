#include "tests/simulation/sim_world.h"

namespace gyre::sim {

SimWorld::SimWorld(uint64_t seed, size_t shards, Weather weather, net::SocketLimits limits)
    : stage_(seed, weather) {
  set_.lend_choice = [this] { return network().chance(500); };
  for (size_t i = 0; i < shards; ++i) {
    nodes_.push_back(
        std::make_unique<Node>(stage_.make_kernel(), set_, static_cast<uint16_t>(i), limits));
    set_.shards.push_back(&nodes_.back()->shard);
    stage_.engage(nodes_.back()->shard);
  }
}

SimWorld::~SimWorld() = default;

}  // namespace gyre::sim
