#!/usr/bin/env bash
# `npm run test:hosts`: the suite on a host of another kind, systemd with pure cgroup v2, emulated by qemu, without network.
# Arguments are vitest's: npm run test:hosts -- test/hosts/scope.test.ts. Without, two hosts share all files.
# Results stay in .cache/hosts-*-results.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
source scripts/hosts/boot.sh

is_linux && is_root || stop 'making the image of a host needs Linux and root'
scripts/setup.sh host npm
npm run --silent build
image=$(scripts/hosts/base-image.sh runtimes)

guests=1
if [ $# = 0 ]; then
  guests=2
  set -- test/contract/oci- test/contract/vm- test/e2e test/hosts
fi

# run_guest NUMBER FILTER…: sources as git knows them, what is built, and those dependencies that tests load: node and the
# linters are 300 MB.
run_guest() {
  local number=$1
  shift
  begin_run "hosts-$number"
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    tar --create --null --files-from=- | tar --extract --directory "$work/project"
  tar --create --exclude=node_modules/node/bin/node \
    --exclude=node_modules/@bufbuild/buf* --exclude=node_modules/@oxlint* --exclude=node_modules/@typescript \
    --exclude=node_modules/@arethetypeswrong --exclude=node_modules/playwright-core --exclude=node_modules/.cache \
    --exclude=node_modules/.vite* node_modules dist | tar --extract --directory "$work/project"
  ln -sf /usr/local/bin/node "$work/project/node_modules/.bin/node"
  printf '%s\n' "$@" >"$work/results/arguments"
  [ $guests = 1 ] || echo "--shard=$number/$guests" >>"$work/results/arguments"
  cp scripts/hosts/guest/run-tests.sh "$work/results/script.sh"
  boot "$image" 1500M 12
}

directories=
started=
for number in $(seq $guests); do
  (run_guest "$number" "$@") &
  started="$started $!"
  directories=${directories:+$directories:}$PWD/.cache/hosts-$number-results
done
for pid in $started; do wait "$pid" || say "one of the hosts was not started"; done
node scripts/hosts/hosts-verdict.ts "$directories" "$@"
