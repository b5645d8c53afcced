#include "tests/simulation/sim_stage.h"

#include <algorithm>

namespace gyre::sim {

SimKernel& SimStage::make_kernel() {
  places_.push_back(std::make_unique<Place>());
  places_.back()->kernel = std::make_unique<SimKernel>(network_, places_.size() - 1);
  return *places_.back()->kernel;
}

void SimStage::engage(runtime::Shard& shard) {
  places_[engaged_++]->shard = &shard;
}

void SimStage::dismiss(const runtime::Shard& shard) {
  for (const auto& place : places_) {
    if (place->shard == &shard) place->shard = nullptr;
  }
}

void SimStage::turn(Place& place) {
  place.shard->turn();
  // A thread would look once more and go to sleep at once.
  place.asleep_until = place.shard->asleep_until();
}

bool SimStage::step(os::Nanos limit) {
  ++steps_;
  choices_.clear();
  for (size_t i = 0; i < places_.size(); ++i) {
    if (is_runnable(*places_[i])) choices_.push_back(i);
  }
  for (size_t i = 0; i < actors_.size(); ++i) {
    if (actors_[i]->is_runnable()) choices_.push_back(places_.size() + i);
  }
  if (choices_.empty()) return advance(limit);
  // Time goes on while things wait for their turn, too.
  if (network_.chance(100) && network_.next_due() <= std::min(limit, os::kForever - 1)) {
    network_.advance_to(network_.next_due());
    return true;
  }
  const size_t choice = choices_[network_.below(choices_.size())];
  network_.observe(choice);
  if (choice >= places_.size()) {
    actors_[choice - places_.size()]->step();
    return true;
  }
  Place& place = *places_[choice];
  // Between waking up and taking the baton others may lend the shard a turn.
  if (network_.chance(250)) {
    place.kernel->collect();
  } else {
    turn(place);
  }
  return true;
}

bool SimStage::advance(os::Nanos limit) {
  os::Nanos due = network_.next_due();
  for (const auto& place : places_) {
    if (!place->shard) continue;
    due = std::min(due, place->asleep_until);
    if (!place->shard->may_sleep_until(place->asleep_until)) has_lost_wake_up_ = true;
  }
  if (due == os::kForever || due > limit) return false;
  network_.advance_to(due);
  return true;
}

bool SimStage::run(uint64_t most) {
  for (uint64_t i = 0; i < most; ++i) {
    if (!step()) return true;
  }
  return false;
}

}  // namespace gyre::sim
