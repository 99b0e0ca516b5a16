#!/usr/bin/env bash
# `npm run check`: the quality gate. Each step is also a script of its own, so a failing one can be run alone.
# `npm run check -- --except unit` leaves a step out, for those who have just run it.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

steps='format lint messages types machine build unit unused package'
if [ "${1-}" = --except ]; then
  [[ " $steps " == *" ${2-} "* ]] || stop "--except needs one of: $steps"
  steps=${steps/${2-}/}
elif [ $# -gt 0 ]; then
  stop "unknown argument '$1': --except STEP"
fi

scripts/setup.sh npm
for step in $steps; do
  started=$SECONDS
  npm run --silent "check:$step" || stop "check:$step failed after $((SECONDS - started)) s (alone: npm run check:$step)"
  say "check:$step passed, $((SECONDS - started)) s"
done
