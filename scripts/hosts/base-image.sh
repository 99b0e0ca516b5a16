#!/usr/bin/env bash
# Builds the host that tests boot: Debian with systemd, pure cgroup v2 and the runtimes, but nothing of the project.
# Prints its directory: disk.img, vmlinuz, initrd.img. Kept in .cache under a hash of what it is made of; a new hash
# replaces the old one. Needs root and `scripts/setup.sh host npm`.
#
# Deliberately not here: the project and its dependencies, a disk of their own (project-disk in run.sh), so that a changed
# source costs seconds and not a new host.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"

suite=bookworm
packages=systemd,systemd-sysv,dbus,udev,kmod,conmon,crun,runc,containerd,busybox-static,iproute2,procps,util-linux,socat,linux-image-cloud-amd64
disk_size=3G
node=$(readlink -f node_modules/.bin/node)
units=scripts/hosts/guest

key=$({
  echo "$suite $packages $disk_size"
  cat "$0" "$units"/*
  "$node" --version
} | sha256sum | cut -c1-16)
cache=$PWD/.cache/hosts
image=$cache/$key
if [ -e "$image/complete" ]; then
  echo "$image"
  exit
fi

say "building the host image $key (some minutes, once)"
mkdir -p "$cache"
find "$cache" -mindepth 1 -maxdepth 1 -exec rm -rf --one-file-system {} +
mkdir "$image"
root=$(mktemp -d "$cache/rootfs.XXXXXX")
leave() { rm -rf --one-file-system "$root"; }
trap leave EXIT
log=$image/build.log

in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }

# Packages come from wherever this machine takes its own: a mirror, a proxy. Else debootstrap knows where.
mirror=$(grep -hoPm1 '(^deb\s+(\[.*\]\s+)?|^URIs:\s*)\Khttps?://[^ ]*/debian(?=/?(\s|$))' \
  /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1) || true
debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${mirror:+"$mirror"} \
  >"$log" 2>&1 || {
  tail -n 20 "$log" >&2
  stop "debootstrap failed; its log is $log"
}

# The initial RAM disk needs the virtual disks and nothing else: unpacking a big one takes an emulated processor long.
printf 'MODULES=list\nCOMPRESS=lz4\n' >"$root/etc/initramfs-tools/conf.d/small"
printf 'virtio_pci\nvirtio_blk\next4\n' >"$root/etc/initramfs-tools/modules"
in_root apt-get -o APT::Sandbox::User=root install --yes --no-install-recommends lz4 >>"$log" 2>&1 || sed -i /COMPRESS/d "$root/etc/initramfs-tools/conf.d/small"
in_root update-initramfs -u >>"$log" 2>&1

install -m 755 "$node" "$root/usr/local/bin/node"
install -D -m 755 "$units/run-tests.sh" "$root/usr/local/lib/oci-supervisor/run-tests.sh"
install -m 644 "$units/oci-supervisor-tests.service" "$root/etc/systemd/system/"
in_root systemctl --quiet enable oci-supervisor-tests.service
# A getty would wipe the console that tells why a boot failed. Timers would wake an emulated processor for nothing.
in_root systemctl --quiet mask getty.target serial-getty@ttyS0.service serial-getty@ttyS1.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer containerd.service
in_root passwd --quiet --delete root
echo host >"$root/etc/hostname"
mkdir "$root/project" "$root/results"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

cp "$root"/boot/vmlinuz-* "$image/vmlinuz"
cp "$root"/boot/initrd.img-* "$image/initrd.img"
mke2fs -q -t ext4 -d "$root" "$image/disk.img" "$disk_size" >>"$log"
touch "$image/complete"
echo "$image"
