#!/usr/bin/env bash
# `npm run demo`: the example orchestrator. Arguments go to it: npm run demo -- --help
# The demo itself chooses between real and simulated containers, and says which in its first line. Here is only what it
# needs for that choice: root on Linux gets the real runtimes. Works in bash 3.2 (macOS).
set -euo pipefail
source "$(dirname "$0")/lib.sh"

needs='runtimes npm'
if ! is_linux || ! is_root; then needs=npm; fi
case " $* " in
  *' --runtime sim '* | *' --runtime=sim '* | *' --help '* | *' -h '*) needs=npm ;;
esac

# shellcheck disable=SC2086  # a list of words
scripts/setup.sh $needs
npm run --silent build
demo=examples/orchestrator/main.ts
if [ "$needs" = npm ]; then exec node "$demo" "$@"; fi
exec scripts/in-runtime-namespace.sh node "$demo" "$@"
