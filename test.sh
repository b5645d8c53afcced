#!/usr/bin/env bash
# Installs what the tests need, builds, and runs everything that CI runs. The last line is "N passed, N failed".
# ./test.sh --quick leaves out the release and the sanitizer builds.
set -euo pipefail
cd "$(dirname "$0")"
tools/install_packages.sh packages.txt packages-test.txt
exec python3 tools/run_tests.py "$@"
