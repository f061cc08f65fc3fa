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
    """Packets that the host's IP handed on to a transport protocol."""
    text = lab.run("edge", "cat", "/proc/net/snmp").stdout.splitlines()
    names, values = (line.split() for line in text if line.startswith("Ip:"))
    return int(values[names.index("InDelivers")])


def bytes_per_source(lab):
    """Of a source that was proven, and of one that was not: it has a cell in each of two rows."""
    with shield.sluice(lab) as agent:
        maps = shield.maps(agent)
    for case, name, each in (("bytes-proven", "clients", 1), ("bytes-unproven", "limit_rows", 2)):
        size = round(each * maps[name]["bytes_memlock"] / maps[name]["max_entries"], 1)
        yield {"case": case, "subject": "sluice", "unit": "bytes/source", "min": size,
               "median": size, "max": size, "runs": 1}


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
    return (b - a - (ip - up)) / (t1 - t0), offered


def main():
    rates = [[] for _ in CASES]
    offers = [[] for _ in CASES]
    with FloodLab() as lab:
        for _ in range(RUNS):
            for i, (_, _, shielded, one_source) in enumerate(CASES):
                rate, offered = measure(lab, shielded, one_source)
                rates[i].append(rate)
                offers[i].append(offered)
        rows = list(bytes_per_source(lab))
    for row in rows:
        print(f"{row['case']:15} {row['subject']:9} {row['median']:7} {row['unit']}")
    report(rates, offers, rows)


def row_of(case, subject, unit, values, digits):
    return {"case": case, "subject": subject, "unit": unit, "min": round(min(values), digits),
            "median": round(statistics.median(values), digits), "max": round(max(values), digits),
            "runs": len(values)}


def report(rates, offers, rows):
    """Ratios are of rates of the same run: the machine's pace changes from one to the next."""
    look = next(r for c, r in zip(CASES, rates) if c[2] is drop_ipv4)
    print(f"{'case':15} {'subject':9} {'min':>7} {'median':>7} {'max':>7}  of drops of drops-look  "
          f"offered   Mpackets/s, {RUNS} runs")
    for (case, subject, _, one_source), found, offered in zip(CASES, rates, offers):
        floor = next(r for c, r in zip(CASES, rates)
                     if c[2] is shield.drop_all and c[3] == one_source)
        shares = [[x / y for x, y in zip(found, base)] for base in (floor, look)]
        print(f"{case:15} {subject:9} {min(found) / 1e6:7.2f} {statistics.median(found) / 1e6:7.2f} "
              f"{max(found) / 1e6:7.2f}  {statistics.median(shares[0]):8.0%} "
              f"{statistics.median(shares[1]):13.0%} {statistics.median(offered) / 1e6:8.2f}")
        rows.append(row_of(case, subject, "packets/s", found, 0))
        rows.append(row_of(case + "-ratio", subject, "share of drops", shares[0], 3))
        rows.append(row_of(case + "-look-ratio", subject, "share of drops-look", shares[1], 3))
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    with open(os.path.join(folder, "drops.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    if os.cpu_count() < 2:
        print("bench_drops: needs two CPUs: one sends, one drops", file=sys.stderr)
        sys.exit(0)
    main()
