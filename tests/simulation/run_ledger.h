#pragma once

#include <cstdint>
#include <string>

#include "tests/simulation/seed_runs.h"

namespace gyre::sim {

// The file that remembers which seeds have been run: one line per run with commit, engine, first
// seed, number of seeds, steps and violations. Runs are only ever appended, so it adds up over
// commits.
class RunLedger {
 public:
  explicit RunLedger(std::string path) : path_(std::move(path)) {}

  // Behind everything that was run over the engine.
  uint64_t next_seed(ScenarioOptions::Engine engine) const;
  // False if it could not be written.
  bool append(const std::string& commit, const SeedRuns& runs) const;

 private:
  const std::string path_;
};

}  // namespace gyre::sim
