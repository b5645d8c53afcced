#pragma once

#include <memory>
#include <vector>

#include "runtime/shard.h"
#include "tests/simulation/sim_client.h"
#include "tests/simulation/sim_kernel.h"

namespace gyre::sim {

// The network, the kernels and the time around shards that somebody else owns, all in one thread.
// Each step is the seed's choice: which shard takes its turn, which actor acts, or that time goes
// on. A shard takes a turn only when its thread would have woken up, so a wake-up that gets lost is
// found.
class SimStage {
 public:
  SimStage(uint64_t seed, Weather weather) : network_(seed, weather) {}
  SimStage(const SimStage&) = delete;

  SimNetwork& network() { return network_; }
  // A kernel for one more shard; shards get theirs in the order of their ids.
  SimKernel& make_kernel();
  SimKernel& kernel(size_t index) { return *places_[index]->kernel; }
  // The shard of the next kernel takes turns from now on.
  void engage(runtime::Shard& shard);
  // The shard takes no more turns; it is about to be destroyed.
  void dismiss(const runtime::Shard& shard);
  size_t kernels() const { return places_.size(); }
  // A shard that sleeps although it has something to do: a wake-up was lost. Asked when time is
  // about to go on with nobody awake.
  bool has_lost_wake_up() const { return has_lost_wake_up_; }

  // Steps the actor from now on; it must outlive the stage's steps.
  void add(SimActor& actor) { actors_.push_back(&actor); }

  // Time goes on at most to `limit`. False when nothing will happen before.
  bool step(os::Nanos limit = os::kForever);
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
  uint64_t steps() const { return steps_; }
  uint64_t hash() const { return network_.hash(); }

 private:
  // A shard's thread, as it were.
  struct Place {
    std::unique_ptr<SimKernel> kernel;
    runtime::Shard* shard = nullptr;
    os::Nanos asleep_until = 0;  // as of the end of its last turn
  };
  bool is_runnable(const Place& place) const {
    return place.shard && (place.kernel->has_events() || place.asleep_until <= network_.now());
  }
  void turn(Place& place);
  bool advance(os::Nanos limit);

  SimNetwork network_;
  std::vector<std::unique_ptr<Place>> places_;
  size_t engaged_ = 0;
  std::vector<SimActor*> actors_;
  std::vector<size_t> choices_;  // spare for step: places, then actors
  uint64_t steps_ = 0;
  bool has_lost_wake_up_ = false;
};

}  // namespace gyre::sim
