#!/bin/bash
# Inside the virtual host: runs vitest on the project's disk with the arguments that run.sh left on the disk of results.
# Its output goes to the second serial port; what it concludes, to the disk of results.
set -uo pipefail
exec >/dev/ttyS1 2>&1 </dev/null

mount -t ext4 /dev/vdb /project && mount -t ext4 /dev/vdc /results || exit
trap 'sync; umount /results' EXIT
cd /project || exit
export HOME=/root PATH=/project/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export NO_COLOR=1 CI=true OCI_SUPERVISOR_HOST=systemd OCI_SUPERVISOR_TESTED=dist NODE_COMPILE_CACHE=/project/.cache/compile
mapfile -t arguments </results/arguments
uname -r
stat -f -c 'cgroups: %T' /sys/fs/cgroup
cat /sys/fs/cgroup/cgroup.controllers
systemctl --version | head -n 1
vitest run --project real --reporter=verbose --reporter=json --outputFile.json=/results/vitest.json "${arguments[@]}"
echo "$?" >/results/status
