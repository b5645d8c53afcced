#include "tests/simulation/sim_world.h"

#include <algorithm>

namespace gyre::sim {

SimWorld::SimWorld(uint64_t seed, size_t shards, Weather weather, net::SocketLimits limits)
    : network_(seed, weather) {
  set_.lend_choice = [this] { return network_.chance(500); };
  for (size_t i = 0; i < shards; ++i) {
    nodes_.push_back(std::make_unique<Node>(network_, set_, static_cast<uint16_t>(i), limits));
    set_.shards.push_back(&nodes_.back()->shard);
  }
}

SimWorld::~SimWorld() = default;

void SimWorld::turn(Node& node) {
  node.shard.turn();
  // A thread would look once more and go to sleep at once.
  node.asleep_until = node.shard.asleep_until();
}

bool SimWorld::step() {
  choices_.clear();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (is_runnable(*nodes_[i])) choices_.push_back(i);
  }
  for (size_t i = 0; i < actors_.size(); ++i) {
    if (actors_[i]->is_runnable()) choices_.push_back(nodes_.size() + i);
  }
  if (choices_.empty()) return advance();
  // Time goes on while things wait for their turn, too.
  if (network_.chance(100) && network_.next_due() != os::kForever) {
    network_.advance_to(network_.next_due());
    return true;
  }
  const size_t choice = choices_[network_.below(choices_.size())];
  network_.observe(choice);
  if (choice >= nodes_.size()) {
    actors_[choice - nodes_.size()]->step();
    return true;
  }
  Node& node = *nodes_[choice];
  // Between waking up and taking the baton others may lend the shard a turn.
  if (network_.chance(250)) {
    node.kernel.collect();
  } else {
    turn(node);
  }
  return true;
}

bool SimWorld::advance() {
  os::Nanos due = network_.next_due();
  for (const auto& node : nodes_) due = std::min(due, node->asleep_until);
  if (due == os::kForever) return false;
  network_.advance_to(due);
  return true;
}

bool SimWorld::run(uint64_t most) {
  for (uint64_t i = 0; i < most; ++i) {
    if (!step()) return true;
  }
  return false;
}

}  // namespace gyre::sim
