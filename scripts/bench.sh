#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bench.sh BUILD [PATTERN]: run the benchmarks of selftests/bench, one after the other.
# bench.sh BUILD http/compare.py: only that, which is not one of them.
# Each gets the folder for its JSON as its argument and prints a table.
set -u

build=$(realpath "$1")
pattern=${2:-}
root=$(dirname "$(dirname "$(realpath "$0")")")
status=0
found=

mkdir -p "$build/bench"
export SLUICE_ROOT="$root" SLUICE_BUILD="$build"
TEST_TMPDIR=$(mktemp -d) && chmod 711 "$TEST_TMPDIR" || exit 1
trap 'rm -rf -- "$TEST_TMPDIR"' EXIT
export TEST_TMPDIR
export SLUICED="$build/sluiced" SLUICECTL="$build/sluicectl"
if [ "$(id -u)" != 0 ]; then
	echo "bench: needs root: the programs are measured in the kernel" >&2
	exit 1
fi
"$root/scripts/users.sh" || exit 1
if [ "$pattern" = http/compare.py ]; then
	"$root/selftests/bench/$pattern" "$build/bench" </dev/null
	exit
fi
for program in "$build"/bench-bin/bench_* "$root"/selftests/bench/bench_*.sh "$root"/selftests/bench/bench_*.py; do
	[ -x "$program" ] || continue
	case $(basename "$program") in *"$pattern"*) ;; *) continue ;; esac
	found=1
	echo "== $(basename "$program")"
	"$program" "$build/bench" </dev/null || {
		echo "bench: $program: exit status $?" >&2
		status=1
	}
done
if [ -z "$found" ]; then
	echo "bench: no benchmark matches '$pattern'" >&2
	exit 1
fi
exit $status
