#!/bin/bash
# Inside a virtual host, at its end of a boot: mounts the two disks of this run and runs the script that came on the disk of
# results. So a changed script costs no new image. Its output goes to the second serial port.
set -uo pipefail
exec >/dev/ttyS1 2>&1 </dev/null

mount -t ext4 /dev/vdb /project && mount -t ext4 /dev/vdc /results || exit
trap 'sync; umount /results' EXIT
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NO_COLOR=1
# Tests are patient here, and those of systemd are run.
export OCI_SUPERVISOR_HOST=systemd
cd /root || exit
uname -r
stat -f -c 'cgroups: %T' /sys/fs/cgroup
cat /sys/fs/cgroup/cgroup.controllers
systemctl --version | head -n 1
bash /results/script.sh
