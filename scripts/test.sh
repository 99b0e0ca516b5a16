#!/usr/bin/env bash
# `npm test`: everything, on real runtimes. Arguments go to vitest: npm test -- test/contract
set -euo pipefail
source "$(dirname "$0")/lib.sh"

if ! is_linux || ! is_root; then
  stop 'the tests on real containers need Linux and root. Without: npm ci && npm run test:unit'
fi
scripts/setup.sh runtimes browser npm
npm run --silent build
export OCI_SUPERVISOR_TESTED=dist
# All tests together take every edge of the container machine; some of them need not.
[ $# -gt 0 ] || export OCI_SUPERVISOR_EDGES=required
exec scripts/in-runtime-namespace.sh vitest run "$@"
