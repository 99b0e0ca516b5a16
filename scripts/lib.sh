# Sourced by the other scripts: where the project is, which programs come first, how to speak.
# Works in bash 3.2 (macOS). Deliberately not here: anything that changes the machine (that is setup.sh).

project_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project_dir" || exit 1

# node_modules/.bin has Node 24. npm puts it first too, but it may not have existed when npm looked. Where another Node is
# tested (nodes.sh), scripts that a test starts use that one.
# The sbin directories hold runc, and are missing from PATH after a plain `su`.
export PATH="${OCI_SUPERVISOR_NODE:+$OCI_SUPERVISOR_NODE:}$project_dir/node_modules/.bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

stop() {
  say "$@"
  exit 1
}

is_linux() { [ "$(uname -s)" = Linux ]; }
is_root() { [ "$(id -u)" = 0 ]; }
