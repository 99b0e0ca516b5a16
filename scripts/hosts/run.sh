#!/usr/bin/env bash
# `npm run test:hosts`: the suite on a host of another kind, systemd with pure cgroup v2, emulated by qemu, without network.
# Arguments are vitest's: npm run test:hosts -- test/hosts/scope.test.ts. Results stay in .cache/hosts-results.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
source scripts/hosts/boot.sh

is_linux && is_root || stop 'making the image of a host needs Linux and root'
scripts/setup.sh host npm
npm run --silent build
image=$(scripts/hosts/base-image.sh runtimes)
begin_run hosts

# Sources as git knows them, what is built, and those dependencies that tests load: node and the linters are 300 MB.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
  tar --create --null --files-from=- | tar --extract --directory "$work/project"
tar --create --exclude=node_modules/node/bin/node \
  --exclude=node_modules/@bufbuild/buf* --exclude=node_modules/@oxlint* --exclude=node_modules/@typescript \
  --exclude=node_modules/@arethetypeswrong --exclude=node_modules/playwright-core --exclude=node_modules/.cache \
  --exclude=node_modules/.vite* node_modules dist | tar --extract --directory "$work/project"
ln -sf /usr/local/bin/node "$work/project/node_modules/.bin/node"
[ $# -gt 0 ] || set -- test/contract/oci- test/contract/vm- test/e2e test/hosts
printf '%s\n' "$@" >"$work/results/arguments"
cp scripts/hosts/guest/run-tests.sh "$work/results/script.sh"
boot "$image" 1500M 12
node scripts/hosts/verdict.ts hosts "$results" "$@"
