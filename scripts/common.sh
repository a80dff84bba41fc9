# Sourced by the scripts beside it: where the tree is, and how many jobs to run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
venv=$root/build/venv

say() { printf '%s: %s\n' "scripts/$(basename "$0")" "$*" >&2; }

# Prints the comment lines below the #! line, for --help.
usage() { awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"; }
case ${1:-} in -h | --help) usage; exit 0 ;; esac

# configure PRESET [CMAKE ARGUMENTS]: cmake's own output is shown only when it fails.
configure() {
  local log=build/configure-$1.log
  mkdir -p build
  cmake --preset "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

build() { cmake --build --preset "$1" -j "$jobs" "${@:2}"; }
