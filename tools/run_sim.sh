#!/usr/bin/env bash
# Seeds of the simulated scenarios (tests/simulation/README.md), in a build with fault points unless told otherwise.
# tools/run_sim.sh --seed N [--engine memory|remote]          one seed with a readable trace
# tools/run_sim.sh --seed N --count N [--engine E] [--twice]  many without one
# tools/run_sim.sh --planted N                                looks for each planted bug with at most N seeds
# tools/run_sim.sh --campaign SECONDS                         goes on where tests/simulation/runs.tsv ends, at low priority
# and with each of them: --preset simulation|release|dev|asan|tsan
set -euo pipefail
cd "$(dirname "$0")/.."
preset=simulation
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --preset) preset=$2 && shift ;;
    --campaign)
      commit=$(git rev-parse --short=10 HEAD)
      git diff --quiet HEAD -- src tests/simulation ':!tests/simulation/runs.tsv' || commit+=+
      arguments+=(--campaign "$2" --ledger tests/simulation/runs.tsv --commit "$commit")
      shift
      ;;
    -h | --help) sed -n 2,7p "$0" && exit ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
build() { cmake --preset "$preset" && cmake --build --preset "$preset" --target gyre_sim; }
output=$(build 2>&1) || { echo "$output" >&2; exit 1; }
exec nice "build/$preset/tests/simulation/gyre_sim" "${arguments[@]}"
