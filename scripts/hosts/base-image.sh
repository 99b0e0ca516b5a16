#!/usr/bin/env bash
# base-image.sh KIND: builds a host that tests boot, Debian with systemd and pure cgroup v2, but nothing of the project.
#   runtimes   with the runtimes and our Node, without network (npm run test:hosts)
#   fresh      with git and Debian's own Node and npm, nothing else, and with network (npm run test:fresh)
# Prints its directory: disk.img, vmlinuz, initrd.img. Kept in .cache under a hash of what it is made of; a new hash
# replaces the old one. Needs root and `scripts/setup.sh host npm`.
#
# Deliberately not here: the project, and the scripts that run inside. They are on disks of their own (boot.sh), so that a
# changed source costs seconds and not a new host.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"

kind=$1
suite=bookworm
packages=systemd,systemd-sysv,dbus,udev,kmod,iproute2,linux-image-cloud-amd64
# What debootstrap cannot resolve (virtual packages), or must not bring.
later_packages=
node=$(readlink -f node_modules/.bin/node)
units=scripts/hosts/guest
settings=$(mktemp -d)
root=
leave() { rm -rf --one-file-system "$settings" ${root:+"$root"}; }
trap leave EXIT
case $kind in
  runtimes)
    packages=$packages,conmon,crun,runc,containerd,busybox-static,procps,util-linux,socat
    disk_size=3G
    ;;
  fresh)
    later_packages='ca-certificates git nodejs npm'
    disk_size=8G
    scripts/hosts/machine-settings.sh "$settings"
    ;;
  *) stop "unknown kind of host '$kind': runtimes, fresh" ;;
esac

key=$({
  echo "$suite $packages $later_packages $disk_size"
  cat "$0" "$units"/start.sh "$units"/*.service
  find "$settings" -type f -exec cat {} +
  [ "$kind" = fresh ] || "$node" --version
} | sha256sum | cut -c1-16)
cache=$PWD/.cache/hosts/$kind
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
chmod 755 "$root"
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

if [ "$kind" = fresh ]; then
  scripts/hosts/machine-settings.sh "$root"
  # shellcheck disable=SC2086  # a list of packages
  { in_root apt-get update && in_root DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $later_packages; } \
    >>"$log" 2>&1 </dev/null || {
    tail -n 20 "$log" >&2
    stop "apt-get failed; its log is $log"
  }
  in_root update-ca-certificates >>"$log" 2>&1
  printf '[Match]\nName=e*\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/wired.network"
  in_root systemctl --quiet enable systemd-networkd.service systemd-networkd-wait-online.service
  # qemu's own, which asks this machine's.
  echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
else
  install -m 755 "$node" "$root/usr/local/bin/node"
fi
install -D -m 755 "$units/start.sh" "$root/usr/local/lib/oci-supervisor/start.sh"
install -m 644 "$units/oci-supervisor-tests.service" "$root/etc/systemd/system/"
in_root systemctl --quiet enable oci-supervisor-tests.service
# A getty would wipe the console that tells why a boot failed. Timers would wake an emulated processor for nothing.
in_root systemctl --quiet mask getty.target serial-getty@ttyS0.service serial-getty@ttyS1.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer containerd.service
in_root passwd --quiet --delete root
echo host >"$root/etc/hostname"
# As Debian's installer does; debootstrap leaves the name localhost to DNS.
printf '127.0.0.1\tlocalhost\n127.0.1.1\thost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
mkdir "$root/project" "$root/results"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

cp "$root"/boot/vmlinuz-* "$image/vmlinuz"
cp "$root"/boot/initrd.img-* "$image/initrd.img"
mke2fs -q -t ext4 -d "$root" "$image/disk.img" "$disk_size" >>"$log"
touch "$image/complete"
echo "$image"
