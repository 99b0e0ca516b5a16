#!/usr/bin/env bash
# `npm run test:nodes`: what needs no containers, on every Node that the package promises to run on: the contract on the
# simulated runtime, the packed package in a project of its own, then all unit tests.
#   --quick          the contract and the package only, which is what CI has time for
#   --only 22        one version, or several: --only '22 26'
# Other arguments go to vitest instead of its choice of tests: npm run test:nodes -- test/store
#
# Node comes from npm's package `node`, kept in .cache/nodes. The oldest one promised is tried quickly only.
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

# Prints the directory of that Node's program, which is fetched once. By this machine's npm, whose cache is kept.
node_directory() {
  local place=.cache/nodes/$1
  if [[ "$("$place/node_modules/.bin/node" --version 2>/dev/null)" != v$1* ]]; then
    say "fetching Node $1"
    mkdir -p "$place"
    rm -rf "$place/node_modules" "$place/package-lock.json"
    echo '{ "private": true }' >"$place/package.json"
    npm install --prefix "$place" --no-audit --no-fund --loglevel=error "node@$1" </dev/null >&2
    # Its preinstall script fetches the program, unless npm's policy on scripts suppressed it (as in setup.sh).
    [ -x "$place/node_modules/node/bin/node" ] || (
      cd "$place/node_modules/node"
      npm_config_ignore_scripts=false npm_config_loglevel=error node installArchSpecificPackage.js
    ) </dev/null >&2
    mkdir -p "$place/node_modules/.bin"
    ln -sf ../node/bin/node "$place/node_modules/.bin/node"
  fi
  echo "$PWD/$place/node_modules/.bin"
}

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
  directory=$(node_directory "$version") || stop "Node $version could not be fetched"
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
