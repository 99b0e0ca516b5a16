#!/usr/bin/env bash
# `npm run check`: the quality gate. Each step is also a script of its own, so a failing one can be run alone.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

scripts/setup.sh npm
for step in format lint types build unit unused package; do
  started=$SECONDS
  npm run --silent "check:$step" || stop "check:$step failed after $((SECONDS - started)) s (alone: npm run check:$step)"
  say "check:$step passed, $((SECONDS - started)) s"
done
