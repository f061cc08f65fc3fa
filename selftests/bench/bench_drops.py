#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench_drops.py [FOLDER]: packets dropped a second, on a veth that one CPU polls.

One source (or, in cases -spoofed, another one in each packet) sends UDP as fast as a CPU can; each
subject drops it in its way, taking turns, RUNS times. Writes FOLDER/drops.json. Needs two CPUs.
"""
import contextlib
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.environ.get("SLUICE_ROOT", ".") + "/selftests/harness")
import shield  # noqa: E402
from edge import wait_until  # noqa: E402
from floodlab import FloodLab, flooded  # noqa: E402

RUNS = int(os.environ.get("RUNS", "7"))
WARM_S, SECONDS = 0.3, 1.0
ONE_SOURCE = "11.0.0.1"  # of flood.bpf.c
HEAD = "dataplane:\n  devices: [{name: DEVICE, mode: native, attach: link}]\n"
ONE_A_MINUTE = "packets: {rate: 1/min, burst: 1}"


@contextlib.contextmanager
def sluice_limit(lab):
    with shield.sluice(lab, HEAD + "limits:\n  - {name: default, sources: [0.0.0.0/0], "
                       + ONE_A_MINUTE + "}\n"):
        yield


@contextlib.contextmanager
def sluice_total(lab):
    with shield.sluice(lab, HEAD + "limits:\n  - {name: default, sources: [0.0.0.0/0], packets: "
                       "{rate: 5000/s, burst: 1000}, total: {" + ONE_A_MINUTE + "}}\n"):
        yield


@contextlib.contextmanager
def sluice_verdict(lab):
    with shield.sluice(lab, HEAD) as agent:
        agent.ctl("verdict", "add", ONE_SOURCE, "ttl=1h", "action=drop")
        yield


@contextlib.contextmanager
def sluice_deny(lab):
    with shield.sluice(lab, HEAD + "acl: {deny: [11.0.0.0/8]}\n"):
        yield


def drop_ipv4(lab):
    return shield.drop_all(lab, "drop-ipv4")


def nft_one(lab):
    return shield.nft(lab, 1, 1)


def hashlimit_one(lab):
    return shield.hashlimit(lab, 1, 1)


# Case, subject, what drops, one source. A case's floor is the program that only drops.
CASES = [
    ("drops", "floor", shield.drop_all, True),
    ("drops-look", "floor", drop_ipv4, True),
    ("drops-limit", "sluice", sluice_limit, True),
    ("drops-verdict", "sluice", sluice_verdict, True),
    ("drops-deny", "sluice", sluice_deny, True),
    ("drops-limit", "nftables", nft_one, True),
    ("drops-limit", "iptables", hashlimit_one, True),
    ("drops-spoofed", "floor", shield.drop_all, False),
    ("drops-spoofed", "sluice", sluice_total, False),
]


def passed(lab):
    """Packets that reached the host's IP."""
    text = lab.run("edge", "cat", "/proc/net/snmp").stdout.splitlines()
    names, values = (line.split() for line in text if line.startswith("Ip:"))
    return int(values[names.index("InReceives")])


def measure(lab, shielded, one_source):
    with shielded(lab):
        child = lab.flood("max", WARM_S + SECONDS + 0.5, "--mix", "udp",
                          *(["--one-source"] if one_source else []))
        before = lab.counters()["packets"]
        wait_until(lambda: lab.counters()["packets"] > before, 5)
        time.sleep(WARM_S)
        t0, a, up = time.monotonic(), lab.counters()["packets"], passed(lab)
        time.sleep(SECONDS)
        t1, b, ip = time.monotonic(), lab.counters()["packets"], passed(lab)
        offered = flooded(child)
    return (b - a - (0 if shielded is hashlimit_one else ip - up)) / (t1 - t0), offered


def main():
    rates = [[] for _ in CASES]
    offers = [[] for _ in CASES]
    with FloodLab() as lab:
        for _ in range(RUNS):
            for i, (_, _, shielded, one_source) in enumerate(CASES):
                rate, offered = measure(lab, shielded, one_source)
                rates[i].append(rate)
                offers[i].append(offered)
    report(rates, offers)


def report(rates, offers):
    rows, floors = [], {}
    print(f"{'case':15} {'subject':9} {'min':>7} {'median':>7} {'max':>7}  of floor  offered   "
          f"Mpackets/s, {RUNS} runs")
    for (case, subject, shielded, one_source), found, offered in zip(CASES, rates, offers):
        low, mid, high = min(found), statistics.median(found), max(found)
        if shielded is shield.drop_all:
            floors[one_source] = mid
        print(f"{case:15} {subject:9} {low / 1e6:7.2f} {mid / 1e6:7.2f} {high / 1e6:7.2f}  "
              f"{mid / floors[one_source]:7.0%} {statistics.median(offered) / 1e6:8.2f}")
        rows.append({"case": case, "subject": subject, "unit": "packets/s", "min": round(low),
                     "median": round(mid), "max": round(high), "runs": RUNS})
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    with open(os.path.join(folder, "drops.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    if os.cpu_count() < 2:
        print("bench_drops: needs two CPUs: one sends, one drops", file=sys.stderr)
        sys.exit(0)
    main()
