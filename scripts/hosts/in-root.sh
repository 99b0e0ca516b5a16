#!/usr/bin/env bash
# in-root.sh DISK_IMAGE WORK: runs WORK/results/script.sh with the file system of that disk as its root, on this machine's
# kernel. With mounts, processes and a process 1 of its own, which end with it; the network, the devices and the cgroups are
# this machine's. There is no systemd there.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"

if [ "${3-}" != inside ]; then
  mkdir "$2/root"
  debugfs -R "rdump / $2/root" "$1" 2>/dev/null
  cp /etc/resolv.conf "$2/root/etc/resolv.conf"
  # Not `exec`: a pid namespace has to be entered by a child.
  unshare --mount --propagation private --pid --fork --kill-child "$0" "$1" "$2" inside
  exit
fi

root=$2/root
# The root has to be a mount of its own: runc and crun change theirs by pivot_root, which refuses in a mere chroot.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/lock"
mount --bind "$2/project" "$root/project"
mount --bind "$2/results" "$root/results"
cd "$root"
pivot_root . mnt
umount --lazy /mnt
cd /root
# This bash stays process 1 and so takes the children that nobody else waits for.
/usr/bin/env -i HOME=/root NO_COLOR=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash /results/script.sh
