#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/broker.h"
#include "os/kernel.h"

namespace gyre::sim {

// A day in the life of a whole node: a few shards, channels of all kinds, clients that come, go and
// read slowly, publishers, operations of the server API, jumps of time; over the memory engine, or
// over a broker that answers late and at times loses, repeats and fails. Everything is the seed's
// choice. While it runs, each client holds what it sees against what was published; when it has
// become quiet, the node must have told everybody, and when all have left, nothing may be left.
struct ScenarioOptions {
  uint64_t seed = 1;
  enum class Engine : uint8_t { memory, remote } engine = Engine::memory;
  bool traces = false;
  // Whether the seed also decides where fault points strike, in builds that have them.
  bool faults = true;
};

struct ScenarioResult {
  std::vector<std::string> violations;
  uint64_t hash = 0;
  uint64_t steps = 0;
  os::Nanos simulated = 0;
  // What was exercised, over all clients.
  uint64_t connects = 0;
  uint64_t publications = 0;
  uint64_t recovered = 0;
  uint64_t recovered_publications = 0;
  uint64_t unrecovered = 0;
  uint64_t losses = 0;
  uint64_t slow = 0;
  uint64_t deltas = 0;
  uint64_t from_cache = 0;  // subscriptions that got the newest publication
  uint64_t banned = 0;      // connections that were ended or refused by moderation
  uint64_t asked = 0;       // questions to the backend
};

ScenarioResult run_scenario(const ScenarioOptions& options);

}  // namespace gyre::sim
