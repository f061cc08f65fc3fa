#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# harness: needs=none timeout=150
# `make install` places what a package would hold and nothing else; `make uninstall` takes it away.
set -u
# shellcheck source=selftests/harness/tap.sh
. "$SLUICE_ROOT/selftests/harness/tap.sh"

stage=$TEST_TMPDIR/stage
prefix=/opt/sluice
there=$stage$prefix
# As `make test` was told where it is: by another name for it every object would be made again.
build=${SLUICE_BUILD#"$SLUICE_ROOT"/}

house() {
	make -s -C "$SLUICE_ROOT" BUILD="$build" DESTDIR="$stage" PREFIX="$prefix" "$@"
}

files() {
	(cd "$stage" && find . -type f -o -type l) | sed 's/^\.//' | LC_ALL=C sort
}

# What has to be there, and the man pages that the tree has.
wanted() {
	cat <<-EOF
		$prefix/sbin/sluiced
		$prefix/bin/sluicectl
		$prefix/share/bash-completion/completions/sluicectl
		$prefix/lib/systemd/system/sluiced.service
		$prefix/lib/sysusers.d/sluice.conf
		$prefix/lib/tmpfiles.d/sluice.conf
		$prefix/share/doc/sluice/LICENSE
		$prefix/share/doc/sluice/sluice.schema.json
	EOF
	[ ! -f "$SLUICE_ROOT/docs/example/sluice.yaml" ] || echo "$prefix/share/doc/sluice/example/sluice.yaml"
	for page in "$SLUICE_ROOT"/docs/*.md "$SLUICE_ROOT"/docs/*/*.md "$SLUICE_ROOT"/docs/feature/*.svg; do
		echo "$prefix/share/doc/sluice/${page#"$SLUICE_ROOT"/docs/}"
	done
	for page in "$SLUICE_ROOT"/docs/man/*.[1-9]; do
		[ ! -f "$page" ] || echo "$prefix/share/man/man${page##*.}/${page##*/}"
	done
}

# Relative links of the pages that are placed and lead nowhere.
dead_links() {
	find "$there/share/doc/sluice" -name '*.md' | while read -r page; do
		grep -o ']([^)#:]*' "$page" | cut -c3- | while read -r link; do
			[ -z "$link" ] || [ -e "$(dirname "$page")/$link" ] || echo "$page: $link"
		done
	done
}

check "install into a DESTDIR works" house install
wanted | LC_ALL=C sort >"$TEST_TMPDIR/wanted"
files >"$TEST_TMPDIR/there"
check "install places exactly the files of the package" diff -u "$TEST_TMPDIR/wanted" "$TEST_TMPDIR/there"
check "the links of the pages lead somewhere" test -z "$(dead_links)"
check "nothing outside the prefix" test -z "$(find "$stage" -type f ! -path "$there/*")"
check "the agent is executable" test -x "$there/sbin/sluiced"
check "the unit starts the binary of this prefix" \
	grep -qx "ExecStart=$prefix/sbin/sluiced -c /etc/sluice/sluice.yaml" "$there/lib/systemd/system/sluiced.service"
check "the completion is shell that parses" bash -n "$there/share/bash-completion/completions/sluicectl"
check "the completion completes something" grep -q '^complete .*sluicectl' "$there/share/bash-completion/completions/sluicectl"
check "no file is writable by anyone but its owner" test -z "$(find "$stage" -type f -perm /022)"

if command -v systemd-analyze >/dev/null; then
	# It looks for the binary and the man page, which are under the DESTDIR: those two lines may come.
	systemd-analyze verify "$there/lib/systemd/system/sluiced.service" 2>&1 |
		grep -v -e 'is not executable' -e "Command 'man " >"$TEST_TMPDIR/verify"
	check "systemd understands every line of the unit" test ! -s "$TEST_TMPDIR/verify"
else
	skip "systemd understands every line of the unit" "no systemd-analyze here"
fi

mkdir -p "$there/share/doc/other"
echo kept >"$there/share/doc/other/file"
check "uninstall works" house uninstall
check "uninstall leaves nothing of ours and touches nothing else" test "$(files)" = "$prefix/share/doc/other/file"
check "uninstall removes our own folder of documents" test ! -e "$there/share/doc/sluice"
check "a second uninstall is no error" house uninstall

tap_end
