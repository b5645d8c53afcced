#!/usr/bin/env bash
# Runs one seed of the simulated scenarios with a readable trace, or many seeds without one.
# tools/run_sim.sh --seed N [--engine memory|remote] [--count N] [--preset release|dev|asan|tsan]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=release
while [ $# -gt 0 ]; do
  case "$1" in
    --seed) export GYRE_SIM_SEED=$2 ;;
    --engine) export GYRE_SIM_ENGINE=$2 ;;
    --count) export GYRE_SIM_COUNT=$2 ;;
    --preset) preset=$2 ;;
    *) sed -n 2,3p "$0" >&2; exit 2 ;;
  esac
  shift 2
done
build() { cmake --preset "$preset" && cmake --build --preset "$preset" --target gyre_scenario_test; }
output=$(build 2>&1) || { echo "$output" >&2; exit 1; }
exec "build/$preset/tests/simulation/gyre_scenario_test" --gtest_filter=ScenarioTest.Repeats --gtest_brief=1
