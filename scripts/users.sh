#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Create the system users of the agent, unless they exist; say so when it does. Root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
missing=
for user in sluice sluice-worker; do
	id "$user" >/dev/null 2>&1 || missing="$missing $user"
done
[ -n "$missing" ] || exit 0

echo "users: creating the system users$missing"
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers "$here/packaging/sysusers.conf"
else
	for user in $missing; do
		useradd --system --no-create-home --shell /usr/sbin/nologin "$user"
	done
fi
