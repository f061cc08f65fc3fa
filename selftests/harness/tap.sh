# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# For tests in shell:  . "$SLUICE_ROOT/selftests/harness/tap.sh"
# Each result is one line of TAP; `tap_end` prints the plan and exits.

tap_count=0
tap_failures=0

# ok SENTENCE
ok() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

# not_ok SENTENCE
not_ok() {
	tap_count=$((tap_count + 1))
	tap_failures=$((tap_failures + 1))
	echo "not ok $tap_count - $1"
}

# skip SENTENCE REASON
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# check SENTENCE COMMAND...: passes when the command returns 0; its output goes into the log.
check() {
	tap_sentence=$1
	shift
	if "$@" >"${TEST_TMPDIR:-/tmp}/tap.$$" 2>&1; then
		ok "$tap_sentence"
	else
		echo "# exit status $? of: $*"
		sed 's/^/# /' "${TEST_TMPDIR:-/tmp}/tap.$$"
		not_ok "$tap_sentence"
	fi
	rm -f "${TEST_TMPDIR:-/tmp}/tap.$$"
}

# wait_until SECONDS COMMAND...: until the command returns 0; 1 when the time is over.
wait_until() {
	tap_until=$(($(date +%s) + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$tap_until" ] || return 1
		sleep 0.05
	done
}

# die SENTENCE: nothing after this makes sense.
die() {
	not_ok "$1"
	echo "Bail out! $1"
	exit 1
}

tap_end() {
	echo "1..$tap_count"
	[ "$tap_failures" -eq 0 ]
	exit
}
