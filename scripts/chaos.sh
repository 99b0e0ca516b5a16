#!/usr/bin/env bash
# `npm run chaos` and its like: a program of test/chaos on real runtimes. chaos.sh PROGRAM [ARGUMENT]…
set -euo pipefail
source "$(dirname "$0")/lib.sh"

if ! is_linux || ! is_root; then stop 'real containers need Linux and root'; fi
scripts/setup.sh runtimes npm
program=$1
shift
exec scripts/in-runtime-namespace.sh node --expose-gc --disable-warning=ExperimentalWarning "test/chaos/$program" "$@"
