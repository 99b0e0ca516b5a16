#!/usr/bin/env bash
# `npm run bench`: this library beside the least that its work can cost, on real runtimes. Arguments go to bench/main.ts.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

if ! is_linux || ! is_root; then stop 'the benchmark needs Linux and root'; fi
scripts/setup.sh runtimes bench npm
npm run --silent build
exec scripts/in-runtime-namespace.sh node bench/main.ts "$@"
