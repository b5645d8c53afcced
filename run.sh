#!/usr/bin/env bash
# Builds Gyre, installing what that needs on Debian 12, and starts it. Arguments go to the server; without any it uses
# deploy/development.json. The second time it only builds what has changed.
set -euo pipefail
cd "$(dirname "$0")"
tools/install_packages.sh packages.txt
cmake --preset release >/dev/null
cmake --build --preset release --target gyre
if [ $# -eq 0 ]; then
  set -- -c deploy/development.json
fi
exec build/release/gyre "$@"
