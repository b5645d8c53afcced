#include "tests/simulation/run_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace gyre::sim {

uint64_t RunLedger::next_seed(ScenarioOptions::Engine engine) const {
  uint64_t next = 1;
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string commit;
    std::string name;
    uint64_t first = 0;
    uint64_t seeds = 0;
    // The headline has no numbers.
    if (fields >> commit >> name >> first >> seeds && name == name_of(engine)) {
      next = std::max(next, first + seeds);
    }
  }
  return next;
}

bool RunLedger::append(const std::string& commit, const SeedRuns& runs) const {
  std::ofstream file(path_, std::ios::app);
  file << fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", commit, name_of(runs.engine), runs.first,
                      runs.seeds, runs.sum.steps, runs.failed);
  return static_cast<bool>(file.flush());
}

}  // namespace gyre::sim
