// gyre_sim: seeds of the simulated scenarios, one at a time with a trace or very many without.
// tools/run_sim.sh builds and calls it.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "tests/simulation/planted.h"
#include "tests/simulation/run_ledger.h"
#include "tests/simulation/seed_runs.h"

namespace gyre::sim {
namespace {

using Engine = ScenarioOptions::Engine;
using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "gyre_sim --seed N [--engine memory|remote]      one run, with a trace\n"
    "gyre_sim --seed N --count N [--engine E]        many runs, over both engines unless told\n"
    "gyre_sim --seed N --count N --twice             each of them twice, which must be the same\n"
    "gyre_sim --planted N                            at most N seeds for each planted bug\n"
    "gyre_sim --campaign SECONDS --ledger FILE --commit NAME\n"
    "                                                runs on from where the ledger ends\n";

struct Arguments {
  std::optional<uint64_t> seed;
  std::optional<uint64_t> count;
  std::optional<uint64_t> planted;
  std::optional<uint64_t> campaign;
  std::optional<Engine> engine;
  bool is_twice = false;
  std::string ledger;
  std::string commit = "unknown";
};

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--twice") {
      arguments.is_twice = true;
      continue;
    }
    if (++i == argc) return std::nullopt;
    const std::string_view value = argv[i];
    bool is_good = true;
    const auto take = [&](std::optional<uint64_t>& field) {
      field = number_of(value);
      is_good = field.has_value();
    };
    if (name == "--seed") {
      take(arguments.seed);
    } else if (name == "--count") {
      take(arguments.count);
    } else if (name == "--planted") {
      take(arguments.planted);
    } else if (name == "--campaign") {
      take(arguments.campaign);
    } else if (name == "--engine") {
      arguments.engine = engine_of(value);
      is_good = arguments.engine.has_value();
    } else if (name == "--ledger") {
      arguments.ledger = value;
    } else if (name == "--commit") {
      arguments.commit = value;
    } else {
      is_good = false;
    }
    if (!is_good) return std::nullopt;
  }
  return arguments;
}

int run_one(uint64_t seed, Engine engine) {
  const ScenarioResult result = run_scenario({.seed = seed, .engine = engine, .traces = true});
  fmt::print("hash {:016x} after {} steps\n", result.hash, result.steps);
  if (result.violations.empty()) return 0;
  fmt::print("{}", report(engine, seed, result));
  return 1;
}

bool tell(const SeedRuns& runs) {
  for (const std::string& one : runs.reports) fmt::print("{}", one);
  fmt::print("{}\n", runs.summary());
  std::fflush(stdout);
  return runs.failed == 0;
}

bool run_many(const Arguments& arguments, Engine engine) {
  const SeedRuns runs = run_seeds(engine, *arguments.seed, *arguments.count);
  const bool is_good = tell(runs);
  if (!arguments.is_twice) return is_good;
  const SeedRuns again = run_seeds(engine, *arguments.seed, *arguments.count);
  if (runs.sum.hash == again.sum.hash && runs.sum.steps == again.sum.steps) return is_good;
  fmt::print("the same seeds gave other runs: hash {:016x} and then {:016x}\n", runs.sum.hash,
             again.sum.hash);
  return false;
}

volatile std::sig_atomic_t is_interrupted = 0;

int run_campaign(const Arguments& arguments) {
  const RunLedger ledger(arguments.ledger);
  const auto end = Clock::now() + std::chrono::seconds(*arguments.campaign);
  std::signal(SIGINT, [](int) { is_interrupted = 1; });
  std::signal(SIGTERM, [](int) { is_interrupted = 1; });
  const auto share = std::chrono::seconds(*arguments.campaign) / 2;
  bool is_good = true;
  for (const Engine engine : {Engine::memory, Engine::remote}) {
    const auto until = engine == Engine::memory ? end - share : end;
    const auto is_over = [until] { return is_interrupted != 0 || Clock::now() >= until; };
    const SeedRuns runs = run_seeds(engine, ledger.next_seed(engine), UINT64_MAX / 2, is_over);
    is_good = tell(runs) && is_good;
    if (runs.seeds > 0 && !ledger.append(arguments.commit, runs)) {
      fmt::print(stderr, "cannot write {}\n", arguments.ledger);
      return 1;
    }
  }
  return is_good ? 0 : 1;
}

int main(int argc, char** argv) {
  const std::optional<Arguments> arguments = parse(argc, argv);
  if (arguments && arguments->planted) return find_planted_bugs(*arguments->planted) > 0 ? 1 : 0;
  if (arguments && arguments->campaign && !arguments->ledger.empty()) {
    return run_campaign(*arguments);
  }
  if (!arguments || !arguments->seed) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  if (!arguments->count) {
    return run_one(*arguments->seed, arguments->engine.value_or(Engine::memory));
  }
  bool is_good = true;
  for (const Engine engine : {Engine::memory, Engine::remote}) {
    if (arguments->engine.value_or(engine) == engine) {
      is_good = run_many(*arguments, engine) && is_good;
    }
  }
  return is_good ? 0 : 1;
}

}  // namespace
}  // namespace gyre::sim

int main(int argc, char** argv) {
  return gyre::sim::main(argc, argv);
}
