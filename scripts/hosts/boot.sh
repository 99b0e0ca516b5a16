# Sourced by run.sh and fresh.sh: a place for one run, and a virtual host that boots, runs a script and powers off.
# No KVM: what is slow everywhere is at least the same everywhere. Three disks go in, the one of results is read back.

# Sets `results`, which stays, and `work`, which goes, with its `project` and `results`: what will be on the disks.
begin_run() {
  results=$PWD/.cache/$1-results
  rm -rf "$results"
  mkdir -p "$results"
  work=$(mktemp -d "$PWD/.cache/$1-work.XXXXXX")
  mkdir "$work/project" "$work/results"
  qemu=
  trap end_run EXIT
}

end_run() {
  [ -z "$qemu" ] || kill -TERM "$qemu" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}

# boot IMAGE PROJECT_DISK_SIZE HOURS_MAX [QEMU_ARGUMENT]…: what `work` has in `project` and `results` goes in, what the
# script made of `results` comes back into the run's.
boot() {
  local image=$1 size=$2 hours_max=$3 started=$SECONDS
  shift 3
  mke2fs -q -t ext4 -d "$work/project" "$work/project.img" "$size" >/dev/null
  mke2fs -q -t ext4 -d "$work/results" "$work/results.img" 64M >/dev/null
  rm -rf "$work/project" "$work/results"
  say "booting (the host's console: $results/console.log)"
  # One processor: keeping two emulated ones in step costs more than the second brings.
  nice timeout "${hours_max}h" qemu-system-x86_64 -accel tcg,tb-size=1024 -cpu max -smp 1 -m 3072 -nodefaults -display none -no-reboot \
    -kernel "$image/vmlinuz" -initrd "$image/initrd.img" \
    `# The last words: what is translated for one process serves the next, and cgroups and mounts go at once.` \
    -append 'root=/dev/vda rw console=ttyS0 panic=-1 quiet systemd.show_status=false psi=1 mitigations=off norandmaps nokaslr apparmor=0 rcupdate.rcu_expedited=1' \
    -drive "file=$image/disk.img,format=raw,if=virtio,snapshot=on" \
    -drive "file=$work/project.img,format=raw,if=virtio,cache=unsafe" \
    -drive "file=$work/results.img,format=raw,if=virtio" \
    -device virtio-rng-pci -serial "file:$results/console.log" -serial stdio "$@" </dev/null &
  qemu=$!
  wait "$qemu" || say "qemu failed or took more than $hours_max h; see $results/console.log"
  qemu=
  say "the host has ended after $((SECONDS - started)) s"
  debugfs -R "rdump / $results" "$work/results.img" 2>/dev/null
  rm -rf "$results/lost+found"
}
