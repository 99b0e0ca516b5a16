#!/usr/bin/env bash
# Runs a command where the OCI runtimes can work, and is replaced by it: in-runtime-namespace.sh COMMAND [ARGUMENT]…
#
# With cgroups in "hybrid" mode (v1 controllers, and a v2 tree at /sys/fs/cgroup/unified) crun refuses to work. In a
# private mount namespace without that tree it does, and the host keeps its own. crun still writes below that path, so a
# private tmpfs stands there: plain directories left in the host's own would stay until it reboots, hidden by the mount.
# Enter once, around a whole run: its processes have to see each other's mounts. The mount table says whether that is
# done, so nesting does no harm.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

unified=/sys/fs/cgroup/unified
if ! is_linux || ! grep -q "^[^ ]* $unified cgroup2 " /proc/self/mounts; then exec "$@"; fi

is_root || stop "cgroups are in hybrid mode: only root can hide $unified from the OCI runtimes"
unshare --mount --propagation private true ||
  stop 'cgroups are in hybrid mode and this machine does not allow a mount namespace (CAP_SYS_ADMIN is needed)'
exec unshare --mount --propagation private sh -c 'umount "$0" && mount -t tmpfs tmpfs "$0" && exec "$@"' "$unified" "$@"
