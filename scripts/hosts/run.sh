#!/usr/bin/env bash
# `npm run test:hosts`: the suite on a host of another kind, systemd with pure cgroup v2, emulated by qemu.
# Arguments are vitest's: npm run test:hosts -- test/hosts/scope.test.ts. Results stay in .cache/hosts-results.
#
# No KVM: what is slow everywhere is at least the same everywhere. No network: three disks go in, one is read back.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"

is_linux && is_root || stop 'making the image of a host needs Linux and root'
scripts/setup.sh host npm
npm run --silent build
image=$(scripts/hosts/base-image.sh)

results=$PWD/.cache/hosts-results
rm -rf "$results"
mkdir -p "$results"
work=$(mktemp -d "$PWD/.cache/hosts-work.XXXXXX")
qemu=
leave() {
  # shellcheck disable=SC2086  # empty, or one pid
  [ -z "$qemu" ] || kill -KILL $qemu 2>/dev/null || true
  rm -rf "$work"
}
trap leave EXIT

# Sources as git knows them, what is built, and those dependencies that tests load: node and the linters are 300 MB.
mkdir "$work/project" "$work/results"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
  tar --create --null --files-from=- | tar --extract --directory "$work/project"
tar --create --exclude=node_modules/node/bin/node \
  --exclude=node_modules/@bufbuild/buf* --exclude=node_modules/@oxlint* --exclude=node_modules/@typescript \
  --exclude=node_modules/@arethetypeswrong --exclude=node_modules/playwright-core --exclude=node_modules/.cache \
  --exclude=node_modules/.vite* node_modules dist | tar --extract --directory "$work/project"
ln -sf /usr/local/bin/node "$work/project/node_modules/.bin/node"
[ $# -gt 0 ] || set -- test/contract/oci- test/contract/vm- test/e2e test/hosts
printf '%s\n' "$@" >"$work/results/arguments"
mke2fs -q -t ext4 -d "$work/project" "$work/project.img" 1500M
mke2fs -q -t ext4 -d "$work/results" "$work/results.img" 64M
rm -rf "$work/project"

say "booting (the host's console: $results/console.log)"
started=$SECONDS
nice qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nodefaults -display none -no-reboot \
  -kernel "$image/vmlinuz" -initrd "$image/initrd.img" \
  -append 'root=/dev/vda rw console=ttyS0 panic=-1 quiet systemd.show_status=false psi=1 mitigations=off' \
  -drive "file=$image/disk.img,format=raw,if=virtio,snapshot=on" \
  -drive "file=$work/project.img,format=raw,if=virtio,cache=unsafe" \
  -drive "file=$work/results.img,format=raw,if=virtio" \
  -device virtio-rng-pci -serial "file:$results/console.log" -serial stdio </dev/null &
qemu=$!
wait "$qemu" || stop "qemu failed; see $results/console.log"
qemu=
say "the host has ended after $((SECONDS - started)) s"
for file in vitest.json status; do debugfs -R "dump /$file $results/$file" "$work/results.img" 2>/dev/null; done
node scripts/hosts/verdict.ts "$results" "$@"
