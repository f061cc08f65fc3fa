#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages of packages.txt.
#   deps.sh missing [USE...]   print the names that are missing, on one line; nothing when all are there
#   deps.sh install [USE...]   say what is missing, then install it
# USE is the second column of packages.txt; without one, all of them.
set -u

here=$(dirname "$0")
list=$here/packages.txt
PATH=$PATH:/usr/sbin:/sbin
export PATH

is_there() {
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 ;;
	pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
	file:*) [ -e "${1#file:}" ] ;;
	clangrt:*) [ -e "$(clang --print-runtime-dir 2>/dev/null)/libclang_rt.${1#clangrt:}-$(uname -m).a" ] ;;
	*) echo "$list: unknown probe: $1" >&2 && exit 2 ;;
	esac
}

# One call for all modules: the usual case is that everything is there.
modules_there() {
	# shellcheck disable=SC2046 # the words of the list are the arguments
	pkg-config --exists $(sed -n 's/^[^#].*[[:space:]]pc:\([^[:space:]]*\).*/\1/p' "$list") 2>/dev/null
}

missing() {
	uses=" $* "
	all_modules=
	modules_there && all_modules=1
	while read -r name use probe _; do
		case $name in '' | '#'*) continue ;; esac
		case $uses in '  ' | *" $use "*) ;; *) continue ;; esac
		case $probe in pc:*) [ -n "$all_modules" ] && continue ;; esac
		is_there "$probe" || printf '%s ' "$name"
	done <"$list"
}

# Packages that bring a service must not start it: nginx would take port 80 of the host.
policy=/usr/sbin/policy-rc.d
hold_services() {
	[ ! -e "$policy" ] || return 0
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM HUP
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

install() {
	names=$(missing "$@" | sed "s, *$,,")
	if [ -z "$names" ]; then
		return 0
	fi
	echo "deps: missing Debian packages: $names"
	if [ "$(id -u)" != 0 ]; then
		echo "deps: installing them needs root: apt-get install --no-install-recommends $names" >&2
		return 1
	fi
	if ! command -v apt-get >/dev/null; then
		echo "deps: no apt-get here; install their equivalents" >&2
		return 1
	fi
	echo "deps: apt-get update && apt-get install -y --no-install-recommends $names"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || echo "deps: apt-get update failed; trying with the lists at hand" >&2
	hold_services
	log=$(mktemp)
	# shellcheck disable=SC2086 # one argument a name
	if ! apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends $names \
		</dev/null >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		echo "deps: apt-get failed; all that it said is in $log" >&2
		return 1
	fi
	rm -f "$log"
	for service in nginx haproxy; do
		case " $names " in *" $service "*)
			echo "deps: $service is for the tests: neither started nor enabled"
			! command -v systemctl >/dev/null || systemctl disable -q "$service" 2>/dev/null || :
			;;
		esac
	done
	left=$(missing "$@")
	if [ -n "$left" ]; then
		echo "deps: installed, and still not found: $left" >&2
		return 1
	fi
}

verb=${1:-}
[ $# -gt 0 ] && shift
case $verb in
missing) missing "$@" ;;
install) install "$@" ;;
*) sed -n '4,6s/^# *//p' "$0" >&2 && exit 2 ;;
esac
