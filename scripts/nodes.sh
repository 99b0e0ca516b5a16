#!/usr/bin/env bash
# `npm run test:nodes`: what needs no containers, on every Node that the package promises to run on: the contract on the
# simulated runtime, the packed package in a project of its own, then all unit tests.
#   --quick          the contract and the package only, which is what CI has time for
#   --only 22        one version, or several: --only '22 26'
# Other arguments go to vitest instead of its choice of tests: npm run test:nodes -- test/store
#
# The oldest one promised is tried quickly only.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

oldest=22.12.0
versions="$oldest 22 24 26"
contract='test/contract/sim test/contract/specification-sim'
quick='test/contract/sim test/package/package'
only_quick=
while [ $# -gt 0 ]; do
  case $1 in
    --quick) only_quick=yes ;;
    --only) versions=${2-} && shift ;;
    *) break ;;
  esac
  shift
done
[ -n "$versions" ] || stop '--only needs a version: 22, 24, 26'

scripts/setup.sh npm
[ -n "$only_quick" ] || npm run --silent build
[ -e dist/index.js ] || stop 'no dist: npm run build comes first'

# vitest under the Node in that directory. First in PATH, so that whatever a test starts is this Node too.
with_node() {
  local directory=$1
  shift
  OCI_SUPERVISOR_NODE=$directory PATH=$directory:$PATH "$directory/node" node_modules/vitest/vitest.mjs run "$@"
}

# shellcheck disable=SC2086  # lists of words
run_tests() {
  local version=$1 directory=$2
  shift 2
  if [ $# -gt 0 ]; then
    with_node "$directory" "$@"
  elif [ -n "$only_quick" ] || [ "$version" = "$oldest" ]; then
    with_node "$directory" $quick
  else
    with_node "$directory" $contract && with_node "$directory" --project unit
  fi
}

failed=
for version in $versions; do
  directory=$(scripts/fetch-node.sh "$version") || stop "Node $version could not be fetched"
  started=$SECONDS
  say "Node $("$directory/node" --version)"
  if run_tests "$version" "$directory" "$@"; then
    say "Node $version passed, $((SECONDS - started)) s"
  else
    say "Node $version failed, $((SECONDS - started)) s"
    failed="$failed $version"
  fi
done
[ -z "$failed" ] || stop "failed on Node$failed"
