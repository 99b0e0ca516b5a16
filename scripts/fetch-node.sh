#!/usr/bin/env bash
# fetch-node.sh VERSION: fetches that Node, or the newest whose version begins so, and prints the directory of its program.
# From npm's package `node`, by this machine's npm; kept in .cache/nodes.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

place=.cache/nodes/$1
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
