#!/usr/bin/env bash
# Makes ready what its arguments name: `npm` (dependencies and Node 24), `runtimes`, `browser`, `bench` and `host` (system
# packages).
# Safe to repeat; silent and fast when there is nothing to do. Speaks on stderr only.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# The programs that real containers need, and the Debian package of each. To need another, add a line.
runtime_programs='
conmon   conmon
crun     crun
runc     runc
busybox  busybox-static
socat    socat
unshare  util-linux
prlimit  util-linux
flock    util-linux
containerd-shim-runc-v2  containerd
'

# What the tests of the inspector's page need. Ubuntu's package of this name is a snap, which tests cannot drive.
browser_programs='
chromium chromium
'

# What building and emulating a host of another kind needs (scripts/hosts).
host_programs='
qemu-system-x86_64  qemu-system-x86
debootstrap         debootstrap
mke2fs              e2fsprogs
debugfs             e2fsprogs
'

# What the benchmark needs: a compiler for its floor, and a tracer that counts system calls.
bench_programs='
gcc     gcc
strace  strace
'

# `busybox` has to be a static one: the test containers have no C library.
has_program() {
  command -v "$1" >/dev/null || return 1
  [ "$1" != busybox ] || ! ldd "$(command -v busybox)" 2>/dev/null | grep -q '=>'
}

# The packages of those of the named list's programs that are missing.
missing_packages() {
  local program package
  while read -r program package; do
    [ -z "$program" ] || has_program "$program" || echo "$package"
  done <<<"${!1}" | sort -u
}

setup_packages() {
  local missing
  missing=$(missing_packages "$1" | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0

  is_linux || stop "$2 needs Linux; this is $(uname -s)"
  command -v apt-get >/dev/null || stop "missing: $missing (Debian's package names).
  This is no Debian-like system: install them with its own package manager, then run this again."
  is_root || stop "missing packages: $missing.
  Install them with: sudo apt-get update && sudo apt-get install --no-install-recommends $missing"

  say "installing $missing"
  local log
  log=$(mktemp)
  # shellcheck disable=SC2086  # a list of packages
  if ! install_packages $missing >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    stop "could not install: $missing. On Ubuntu they are in the component universe: add-apt-repository universe"
  fi
  rm -f "$log"

  missing=$(missing_packages "$1" | tr '\n' ' ')
  [ -z "$missing" ] || stop "installed, but their programs are still not usable: $missing(PATH is $PATH)"
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  # One unreachable third-party source fails `update` although the packages we need can be had.
  apt-get -o DPkg::Lock::Timeout=300 update || true
  apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@" </dev/null
}

setup_npm() {
  command -v npm >/dev/null || stop 'npm is missing: install Node.js with npm (Debian: apt-get install npm)'
  if ! node scripts/dependencies-are-current.mjs; then
    # npm leaves out every optional dependency whose `engines` the Node that it runs on does not meet, and says nothing. With
    # Debian's Node 18 those are the native parts of vitest and the linter, so npm runs on the Node of the project.
    is_node_promised || PATH=$(scripts/fetch-node.sh "$(locked_node)"):$PATH || stop 'could not fetch Node 24 from the npm registry'
    say 'installing npm dependencies (npm ci)'
    # The caller's npm hands its settings down in npm_config_*; NODE_ENV=production would leave out our tools.
    npm ci --include=dev --no-audit --no-fund --loglevel=error </dev/null >&2
  fi
  has_node_24 || install_node_24
  has_node_24 || stop 'node_modules/.bin/node is no Node 24: remove node_modules and run this again'
}

# By package.json's `engines`.
is_node_promised() {
  node -e '
    const [major, minor] = process.versions.node.split(".").map(Number)
    const [oldest, since = 0] = require("./package.json").engines.node.match(/\d+/g).map(Number)
    process.exitCode = major > oldest || (major === oldest && minor >= since) ? 0 : 1'
}

locked_node() { node -p 'require("./package-lock.json").packages["node_modules/node"].version'; }

has_node_24() { [[ "$(node_modules/.bin/node --version 2>/dev/null)" == v24.* ]]; }

# The package `node` fetches its program in a preinstall script, which `ignore-scripts` and newer npm's
# script policy suppress. We asked for that program, so run the script ourselves.
install_node_24() {
  say 'fetching Node 24 (package node, its preinstall script did not run)'
  (
    cd node_modules/node
    npm_config_ignore_scripts=false npm_config_loglevel=error node installArchSpecificPackage.js
  ) </dev/null >&2 || stop 'could not fetch Node 24 from the npm registry'
  mkdir -p node_modules/.bin
  ln -sf ../node/bin/node node_modules/.bin/node
}

[ $# -gt 0 ] || stop 'say what to set up: npm, runtimes, browser, bench, host'
for need in "$@"; do
  case $need in
    npm) setup_npm ;;
    runtimes) setup_packages runtime_programs 'running containers' ;;
    browser) setup_packages browser_programs 'testing the inspector' ;;
    bench) setup_packages bench_programs 'the benchmark' ;;
    host) setup_packages host_programs 'testing on another host' ;;
    *) stop "unknown need '$need': npm, runtimes, browser, bench, host" ;;
  esac
done
