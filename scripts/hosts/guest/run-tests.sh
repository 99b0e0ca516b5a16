#!/bin/bash
# `npm run test:hosts`, inside the virtual host: runs vitest on the project's disk with the arguments that run.sh left on
# the disk of results, and leaves there what it concludes.
set -uo pipefail
cd /project || exit
export PATH=/project/node_modules/.bin:$PATH
export CI=true OCI_SUPERVISOR_TESTED=dist NODE_COMPILE_CACHE=/project/.cache/compile
# A device that runc allows to everybody. Where it is not there, runc says so in the container's log.
modprobe tun
mapfile -t arguments </results/arguments
vitest run --project real --reporter=verbose --reporter=json --outputFile.json=/results/vitest.json "${arguments[@]}"
echo "$?" >/results/status
