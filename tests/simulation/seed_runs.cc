#include "tests/simulation/seed_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace gyre::sim {

namespace {

using Engine = ScenarioOptions::Engine;

// A failure that comes with many seeds needs to be shown with a few of them only.
constexpr size_t kReportsMax = 20;

void add(ScenarioResult& sum, const ScenarioResult& one, uint64_t seed) {
  sum.hash += one.hash * (2 * seed + 1);
  sum.steps += one.steps;
  sum.simulated += one.simulated;
  sum.connects += one.connects;
  sum.publications += one.publications;
  sum.recovered += one.recovered;
  sum.recovered_publications += one.recovered_publications;
  sum.unrecovered += one.unrecovered;
  sum.losses += one.losses;
  sum.slow += one.slow;
  sum.deltas += one.deltas;
  sum.from_cache += one.from_cache;
  sum.banned += one.banned;
  sum.asked += one.asked;
}

}  // namespace

std::string_view name_of(Engine engine) {
  return engine == Engine::memory ? "memory" : "remote";
}

std::optional<Engine> engine_of(std::string_view name) {
  for (const Engine engine : {Engine::memory, Engine::remote}) {
    if (name_of(engine) == name) return engine;
  }
  return std::nullopt;
}

std::string report(Engine engine, uint64_t seed, const ScenarioResult& result) {
  std::string text =
      fmt::format("tools/run_sim.sh --seed {} --engine {} repeats it:\n", seed, name_of(engine));
  for (const std::string& one : result.violations) text += "  " + one + "\n";
  return text;
}

SeedRuns run_seeds(Engine engine, uint64_t first, uint64_t count,
                   const std::function<bool()>& is_over) {
  SeedRuns runs{.engine = engine, .first = first};
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  const auto work = [&] {
    while (!is_over || !is_over()) {
      const uint64_t place = next.fetch_add(1);
      if (place >= count) return;
      const uint64_t seed = first + place;
      const ScenarioResult result = run_scenario({.seed = seed, .engine = engine});
      const std::lock_guard lock(mutex);
      ++runs.seeds;
      add(runs.sum, result, seed);
      if (result.violations.empty()) continue;
      if (++runs.failed <= kReportsMax) runs.reports.push_back(report(engine, seed, result));
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
  work();
  threads.clear();
  return runs;
}

std::string SeedRuns::summary() const {
  return fmt::format(
      "{} seeds from {} over {}, {} failed: {} steps, {} s of virtual time, {} connects, {} "
      "publications read, {} recovered ({} publications), {} not recovered, {} told of losses, {} "
      "slow, {} deltas, {} from caches, {} banned, {} questions to backends; hash {:016x}",
      seeds, first, name_of(engine), failed, sum.steps, sum.simulated / os::kSecond, sum.connects,
      sum.publications, sum.recovered, sum.recovered_publications, sum.unrecovered, sum.losses,
      sum.slow, sum.deltas, sum.from_cache, sum.banned, sum.asked, sum.hash);
}

}  // namespace gyre::sim
