#include "tests/simulation/planted.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/fault_points.h"
#include "tests/simulation/seed_runs.h"

namespace gyre::sim {

namespace {

using Engine = ScenarioOptions::Engine;

// What the process that hunts a bug tells; in memory that both processes see, since a bug may well
// end the hunter.
struct Hunt {
  uint64_t seeds;  // begun, over both engines in turn
  bool is_found;
  char violation[200];

  Engine engine() const { return seeds % 2 == 1 ? Engine::memory : Engine::remote; }
  uint64_t seed() const { return (seeds + 1) / 2; }
};

#ifdef GYRE_FAULT_POINTS
void select(fault::Bug bug) {
  fault::planted = bug;
}
#else
void select(fault::Bug) {}
#endif

[[noreturn]] void hunt(fault::Bug bug, uint64_t seeds_max, Hunt& told) {
  // A bug may have a turn go on for ever; what dies of a signal has shown itself.
  constexpr unsigned kSecondsMax = 60;
  // The last words of those who die of it.
  if (!std::freopen("/dev/null", "w", stderr)) _exit(1);
  select(bug);
  while (told.seeds < seeds_max) {
    ++told.seeds;
    alarm(kSecondsMax);
    const ScenarioResult result =
        run_scenario({.seed = told.seed(), .engine = told.engine(), .faults = true});
    if (result.violations.empty()) continue;
    told.is_found = true;
    const std::string& first = result.violations.front();
    std::memcpy(told.violation, first.data(), std::min(first.size(), sizeof(told.violation) - 1));
    break;
  }
  _exit(0);
}

}  // namespace

int find_planted_bugs(uint64_t seeds_max) {
  if (!fault::kCompiledIn) {
    fmt::print(stderr, "this build has no planted bugs; use the preset `simulation`\n");
    return 1;
  }
  constexpr size_t kCount = std::size(fault::kBugs);
  void* memory = mmap(nullptr, sizeof(Hunt) * kCount, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  GYRE_CHECK(memory != MAP_FAILED);
  auto* hunts = static_cast<Hunt*>(memory);
  pid_t pids[kCount];
  size_t begun = 0;
  int missed = 0;
  const auto begin_next = [&] {
    const pid_t pid = fork();
    GYRE_CHECK(pid >= 0);
    if (pid == 0) hunt(fault::kBugs[begun].bug, seeds_max, hunts[begun]);
    pids[begun++] = pid;
  };
  fmt::print("| bug | what it does | engine | seeds | first sign |\n|---|---|---|---:|---|\n");
  std::fflush(stdout);
  const size_t at_once = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 0; i < kCount; ++i) {
    while (begun < std::min(kCount, i + at_once)) begin_next();
    int status = 0;
    waitpid(pids[i], &status, 0);
    Hunt& told = hunts[i];
    std::string sign = told.violation;
    if (!told.is_found && WIFSIGNALED(status)) {
      told.is_found = true;
      sign = fmt::format("the process ends: {}", strsignal(WTERMSIG(status)));
    }
    if (!told.is_found) {
      ++missed;
      sign = "NOT FOUND";
    }
    fmt::print("| `{}` | {} | {} | {} | {} |\n", fault::kBugs[i].name, fault::kBugs[i].text,
               name_of(told.engine()), told.seeds, sign);
    std::fflush(stdout);
  }
  fmt::print("\n{} of {} planted bugs found, within {} seeds each\n", kCount - missed, kCount,
             seeds_max);
  munmap(memory, sizeof(Hunt) * kCount);
  return missed;
}

}  // namespace gyre::sim
