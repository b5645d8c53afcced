#include <gtest/gtest.h>

#include <cstdio>

#include "tests/simulation/seed_runs.h"
#include "tests/simulation/slow_build.h"

namespace gyre::sim {
namespace {

using Engine = ScenarioOptions::Engine;

// tools/run_tests.py runs many more, with fault points.
constexpr uint64_t kSeeds = kIsSlowBuild ? 150 : 500;

void hold_over(Engine engine) {
  const SeedRuns runs = run_seeds(engine, 1, kSeeds);
  for (const std::string& one : runs.reports) ADD_FAILURE() << one;
  std::printf("%s\n", runs.summary().c_str());
  // The scenario must not have become harmless.
  EXPECT_GT(runs.sum.recovered_publications, kSeeds);
  EXPECT_GT(runs.sum.unrecovered, kSeeds / 20);
  if (engine == Engine::remote) EXPECT_GT(runs.sum.losses, kSeeds / 10);
}

TEST(ScenarioTest, HoldsOverTheMemoryEngine) {
  hold_over(Engine::memory);
}

TEST(ScenarioTest, HoldsOverABrokerThatIsLateAndForgetful) {
  hold_over(Engine::remote);
}

TEST(ScenarioTest, OneSeedIsOneRun) {
  for (const Engine engine : {Engine::memory, Engine::remote}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      const ScenarioResult first = run_scenario({.seed = seed, .engine = engine});
      const ScenarioResult again = run_scenario({.seed = seed, .engine = engine});
      EXPECT_EQ(first.hash, again.hash) << name_of(engine) << " seed " << seed;
      EXPECT_EQ(first.steps, again.steps);
    }
  }
}

}  // namespace
}  // namespace gyre::sim
