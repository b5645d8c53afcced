#!/usr/bin/env bash
# Builds Gyre, installing what that needs on Debian 12, and starts it. Arguments go to the server. Without any it uses
# deploy/development.json, serves the demo page too, and prints where everything is once the server answers.
# The second time it only builds what has changed.
set -euo pipefail
cd "$(dirname "$0")"
tools/install_packages.sh packages.txt
cmake --preset release >/dev/null
cmake --build --preset release --target gyre
if [ $# -eq 0 ]; then
  set -- -c deploy/development.json
  if tools/build_demo.sh; then
    export GYRE_DEMO_DIRECTORY="$PWD/build/web/demo"
  fi
  (tools/announce.py $$ deploy/development.json &) # $$ stays the server's process id: exec keeps it
fi
exec build/release/gyre "$@"
