#!/usr/bin/env bash
# Bundles the demo page, web/demo, into build/web/demo. Without the npm and PyPI registries at hand it says so in one
# line and exits with 1; what has been fetched once is kept under build/environments.
set -euo pipefail
cd "$(dirname "$0")/.."
log=build/demo.log
out=build/web/demo
mkdir -p "$out"
made=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$made"' EXIT

if modules=$(tools/environments.py npm web/demo 2>"$log") &&
  node=$(tools/environments.py node 2>>"$log") &&
  PATH="$node:$PATH" NODE_PATH="$modules" "$modules/.bin/esbuild" web/demo/main.js --bundle --minify \
    --target=es2020 --legal-comments=eof --log-level=warning --outfile="$made/main.js" 2>>"$log"; then
  cp web/demo/index.html web/demo/style.css "$made/"
  mv "$made"/* "$out/" # each file is whole at any time, also for a server that is starting
else
  echo "The demo page could not be built ($log says why); the server works without it." >&2
  exit 1
fi
