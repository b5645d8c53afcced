#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulation/scenario.h"

namespace gyre::sim {

std::string_view name_of(ScenarioOptions::Engine engine);
std::optional<ScenarioOptions::Engine> engine_of(std::string_view name);

// Many seeds, one after the other on as many threads as there are cores; each world has a thread to
// itself.
struct SeedRuns {
  ScenarioOptions::Engine engine = ScenarioOptions::Engine::memory;
  uint64_t first = 0;
  uint64_t seeds = 0;  // that were run: all from the first one on
  uint64_t failed = 0;
  ScenarioResult sum;                // its hash is of the hashes, whatever the order of the runs
  std::vector<std::string> reports;  // of the first failures: how to repeat them, what was wrong

  std::string summary() const;
};

// `is_over` is asked between seeds, from any of the threads; null: never.
SeedRuns run_seeds(ScenarioOptions::Engine engine, uint64_t first, uint64_t count,
                   const std::function<bool()>& is_over = nullptr);

// What a run that failed has to say.
std::string report(ScenarioOptions::Engine engine, uint64_t seed, const ScenarioResult& result);

}  // namespace gyre::sim
