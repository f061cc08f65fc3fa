#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# harness: timeout=60
# The capabilities that the systemd unit leaves are enough for everything that a start needs: port 443,
# the account changes, a key of the agent's own account, attaching XDP, the control socket.
set -u
# shellcheck source=selftests/harness/tap.sh
. "$SLUICE_ROOT/selftests/harness/tap.sh"

unit=$SLUICE_ROOT/scripts/packaging/sluiced.service
dir=$TEST_TMPDIR
bpffs=/sys/fs/bpf/t-install-$$
agent=

# "CAP_BPF CAP_KILL" -> "-all,+bpf,+kill"
bounding=-all$(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | tr ' ' '\n' | tr '[:upper:]' '[:lower:]' |
	sed 's/^cap_/,+/' | tr -d '\n')

# In a network namespace of its own, which goes with its last process.
if [ -z "${INSIDE:-}" ]; then
	INSIDE=1 exec unshare -n "$0"
fi

cleanup() {
	if [ -n "$agent" ]; then
		kill "$agent" 2>/dev/null
		wait "$agent" 2>/dev/null
	fi
	"$SLUICED" --detach -c "$dir/sluice.yaml" >/dev/null 2>&1
	rm -rf "$bpffs"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

ip link set lo up
ip link add inst0 type veth peer name inst1
ip link set inst0 up
ip link set inst1 up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=install.test \
	-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>"$dir/openssl" || die "openssl makes a certificate"
# As an ACME client that runs as the agent's account leaves it: root's reading needs a capability.
chown sluice "$dir/key.pem"
chmod 600 "$dir/key.pem"
cat >"$dir/sluice.yaml" <<EOF2
agent:
  workers: 1
  state_dir: $dir/state
  control_socket: $dir/run/control.sock
  bpffs_dir: $bpffs
  internal: "127.0.0.1:9901"
  drain_delay: 0s
dataplane:
  devices:
    - {name: inst0, hook: xdp, mode: auto, attach: auto}
listeners:
  - name: https
    address: 127.0.0.1
    port: 443
    certificates:
      - {certificate: $dir/cert.pem, key: $dir/key.pem}
EOF2

check "the configuration of this test passes --check" "$SLUICED" --check -c "$dir/sluice.yaml"
setpriv --bounding-set="$bounding" --no-new-privs -- "$SLUICED" -c "$dir/sluice.yaml" >"$dir/log" 2>&1 &
agent=$!
attached() {
	"$SLUICECTL" -s "$dir/run/control.sock" status
	ip -d link show inst0 | grep prog/xdp
}
ready() { curl -fsS -o /dev/null http://127.0.0.1:9901/readyz; }
if wait_until 15 ready; then
	ok "the agent gets ready with the capabilities of the unit alone"
else
	sed 's/^/# /' "$dir/log"
	die "the agent gets ready with the capabilities of the unit alone"
fi
check "the monitor has no capability beyond them" \
	test "$(sed -n 's/^CapBnd:\t//p' /proc/$agent/status)" = "$(sed -n 's/^CapPrm:\t//p' /proc/$agent/status)"
check "it listens on port 443 with the key of its account" \
	curl -sk -o /dev/null https://127.0.0.1/
check "XDP is attached" attached
check "the control socket answers" "$SLUICECTL" -s "$dir/run/control.sock" status
kill "$agent"
wait "$agent"
check "it ends in order on SIGTERM" test $? -eq 0
agent=
tap_end
