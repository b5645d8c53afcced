#include "tests/simulation/scenario.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace gyre::sim {
namespace {

using Engine = ScenarioOptions::Engine;

#if defined(__has_feature)
#define GYRE_HAS_FEATURE(name) __has_feature(name)
#else
#define GYRE_HAS_FEATURE(name) 0
#endif
#if GYRE_HAS_FEATURE(address_sanitizer) || GYRE_HAS_FEATURE(thread_sanitizer) || !defined(NDEBUG)
constexpr uint64_t kSeeds = 150;
#else
constexpr uint64_t kSeeds = 2'500;
#endif

const char* name_of(Engine engine) {
  return engine == Engine::memory ? "memory" : "remote";
}

std::string describe(Engine engine, uint64_t seed, const ScenarioResult& result) {
  std::string text = "tools/run_sim.sh --seed " + std::to_string(seed) + " --engine " +
                     name_of(engine) + " repeats it:\n";
  for (const std::string& one : result.violations) text += "  " + one + "\n";
  return text;
}

// A failure that comes with many seeds needs to be shown with a few of them only.
constexpr size_t kShownMax = 20;

// Each world has a thread to itself; the seeds are shared out among as many as there are cores.
void run_seeds(Engine engine, uint64_t first, uint64_t count) {
  std::atomic<uint64_t> next{first};
  std::mutex mutex;
  std::vector<std::string> failures;
  ScenarioResult sum;
  uint64_t failed = 0;
  const auto work = [&] {
    for (uint64_t seed = next.fetch_add(1); seed < first + count; seed = next.fetch_add(1)) {
      const ScenarioResult result = run_scenario({.seed = seed, .engine = engine});
      const std::lock_guard lock(mutex);
      sum.steps += result.steps;
      sum.simulated += result.simulated;
      sum.connects += result.connects;
      sum.publications += result.publications;
      sum.recovered += result.recovered;
      sum.recovered_publications += result.recovered_publications;
      sum.unrecovered += result.unrecovered;
      sum.losses += result.losses;
      sum.slow += result.slow;
      if (result.violations.empty()) continue;
      if (++failed <= kShownMax) failures.push_back(describe(engine, seed, result));
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
      threads.emplace_back(work);
    }
  }
  for (const std::string& one : failures) ADD_FAILURE() << one;
  std::printf(
      "%llu seeds over %s, %llu failed: %llu steps, %llu s of virtual time, %llu connects, "
      "%llu publications read, %llu recovered (%llu publications), %llu not recovered, "
      "%llu told of losses, %llu slow\n",
      static_cast<unsigned long long>(count), name_of(engine),
      static_cast<unsigned long long>(failed), static_cast<unsigned long long>(sum.steps),
      static_cast<unsigned long long>(sum.simulated / os::kSecond),
      static_cast<unsigned long long>(sum.connects),
      static_cast<unsigned long long>(sum.publications),
      static_cast<unsigned long long>(sum.recovered),
      static_cast<unsigned long long>(sum.recovered_publications),
      static_cast<unsigned long long>(sum.unrecovered), static_cast<unsigned long long>(sum.losses),
      static_cast<unsigned long long>(sum.slow));
  // The scenario must not have become harmless.
  EXPECT_GT(sum.recovered_publications, count);
  EXPECT_GT(sum.unrecovered, count / 20);
  if (engine == Engine::remote) EXPECT_GT(sum.losses, count / 10);
}

TEST(ScenarioTest, HoldsOverTheMemoryEngine) {
  run_seeds(Engine::memory, 1, kSeeds);
}

TEST(ScenarioTest, HoldsOverABrokerThatIsLateAndForgetful) {
  run_seeds(Engine::remote, 1, kSeeds);
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

// Runs what tools/run_sim.sh asks for: seeds GYRE_SIM_SEED and on, GYRE_SIM_COUNT of them.
TEST(ScenarioTest, Repeats) {
  const char* seed = std::getenv("GYRE_SIM_SEED");
  if (!seed) GTEST_SKIP() << "GYRE_SIM_SEED is not set";
  const char* wanted = std::getenv("GYRE_SIM_ENGINE");
  const char* count = std::getenv("GYRE_SIM_COUNT");
  const Engine engine =
      wanted && std::string_view(wanted) == "remote" ? Engine::remote : Engine::memory;
  const uint64_t first = std::strtoull(seed, nullptr, 10);
  if (count) return run_seeds(engine, first, std::strtoull(count, nullptr, 10));
  const ScenarioResult result = run_scenario({.seed = first, .engine = engine, .traces = true});
  std::printf("hash %016llx after %llu steps\n", static_cast<unsigned long long>(result.hash),
              static_cast<unsigned long long>(result.steps));
  if (!result.violations.empty()) ADD_FAILURE() << describe(engine, first, result);
}

}  // namespace
}  // namespace gyre::sim
