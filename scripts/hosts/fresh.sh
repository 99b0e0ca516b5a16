#!/usr/bin/env bash
# `npm run test:fresh`: the README's two commands on a Debian that has nothing but git, Node and npm, from a clone of HEAD:
# `npm run demo`, then `npm test`, which install what they need from this machine's registries.
#   (nothing)   on an emulated machine with systemd; of `npm test` what embeds the package, the README and the demo
#   --whole     there, all of `npm test`: hours
#   --native    all of `npm test` at this machine's speed: the same file system as a root, this machine's kernel and cgroups
# Other arguments go to vitest instead of its choice: npm run test:fresh -- test/package. Results stay in .cache/fresh-*-results.
#
# Deliberately not here: anything that is not committed. A clone has none of it.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
source scripts/hosts/boot.sh

is_linux && is_root || stop 'making the image of a machine needs Linux and root'
place=emulated
choice='test/package test/e2e/readme test/e2e/demo'
case ${1-} in
  --whole) choice= && shift ;;
  --native) place=native choice= && shift ;;
esac
# shellcheck disable=SC2086  # a list of words
[ $# -gt 0 ] || set -- $choice
[ -z "$(git status --porcelain)" ] || say 'what is not committed is not tested: the machine clones HEAD'

scripts/setup.sh host npm
image=$(scripts/hosts/base-image.sh fresh)
begin_run "fresh-$place"
git clone --quiet --bare . "$work/project/repository.git"
[ $# = 0 ] || printf '%s\n' "$@" >"$work/results/arguments"
touch "$work/results/arguments"
cp scripts/hosts/guest/run-fresh.sh "$work/results/script.sh"
if [ $place = native ]; then
  # What it is worth is for the verdict to say.
  scripts/hosts/in-root.sh "$image/disk.img" "$work" || true
  cp -a "$work/results/." "$results"
else
  boot "$image" 200M 8 -nic user,model=virtio-net-pci
fi
node scripts/hosts/fresh-verdict.ts "$place" "$results" "$@"
