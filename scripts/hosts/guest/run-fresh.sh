#!/bin/bash
# `npm run test:fresh`, on the fresh machine: what the README tells its reader to do, word for word. What became of each
# step goes to `steps`, a line each: name, exit code, seconds. A step that is not there was not reached.
#
# Deliberately not here: anything that installs, or helps a command along. Whoever reads the README has nothing of the kind.
set -uo pipefail
results=${1:-/results}
repository=${2:-/project/repository.git}
# This machine's proxies and trust store, as at a login.
set -a
[ ! -e /etc/environment ] || . /etc/environment
set +a
# No part of a command: the report of `npm test`, for the verdict.
export OCI_SUPERVISOR_REPORT=$results/vitest.json

step() {
  local name=$1 started=$SECONDS code
  shift
  printf '\n# %s\n' "$*"
  "$@" 2>&1 | tee "$results/$name.log"
  code=${PIPESTATUS[0]}
  echo "$name $code $((SECONDS - started))" >>"$results/steps"
  sync
  return "$code"
}

# git, Node and npm, and nothing that the commands are to bring themselves: else they would prove nothing.
is_fresh() {
  local program there=
  for program in conmon crun runc containerd socat busybox chromium; do
    ! command -v "$program" || there="$there $program"
  done
  [ ! -e ~/.npm ] || there="$there ~/.npm"
  echo "already there:${there:- nothing}"
  echo "Node $(node --version), npm $(npm --version), $(git --version)"
  [ -z "$there" ]
}

mapfile -t arguments <"$results/arguments"
step fresh is_fresh
step clone git clone --quiet "$repository" oci-supervisor && cd oci-supervisor || exit
step demo npm run demo
if [ ${#arguments[@]} = 0 ]; then step test npm test; else step test npm test -- "${arguments[@]}"; fi
