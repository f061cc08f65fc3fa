#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench_flood.py [FOLDER]: what real clients get through under a flood of made-up sources.

A TCP client and one that sends UDP at its limit share a queue and a CPU with the flood (floodlab.py);
their goodput is told as a share of what they had without it. Subjects and rates take turns. Writes
FOLDER/flood.json, and FOLDER/flood.svg. Needs two CPUs.
"""
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.environ.get("SLUICE_ROOT", ".") + "/selftests/harness")
import floodplot  # noqa: E402
import shield  # noqa: E402
from floodlab import FloodLab, flooded  # noqa: E402

RUNS = int(os.environ.get("RUNS", "5"))
RATES = [250_000, 500_000, 1_000_000, 1_500_000, 2_000_000, 3_000_000, 5_000_000, "max"]
TCP_BYTES_PER_S = 4_000_000  # some 2,800 packets a second, below the limit
UDP_PACKETS_PER_S = 0.98 * shield.SOURCE_RATE  # at the limit, but for what a sleep may be late
SETTLE_S, SECONDS = 0.4, 1.0
SUBJECTS = [("sluice", shield.sluice), ("nftables", shield.nft), ("nothing", shield.nothing)]


def clients(lab):
    """A server, and its two clients, who send."""
    server = lab.server()
    return server, [server.child, lab.client(2, TCP_BYTES_PER_S, 0),
                    lab.client(3, 0, UDP_PACKETS_PER_S)]


def one_rate(lab, server, rate):
    """Goodput while a flood of that rate goes on; what it offered, and what the edge took in of it."""
    child = lab.flood(rate, SETTLE_S + SECONDS + 0.3)
    time.sleep(SETTLE_S)
    t0, before = time.monotonic(), lab.counters()
    got = server.rates(SECONDS)
    took_s = time.monotonic() - t0
    after = lab.counters()
    got["offered"] = flooded(child)
    got["taken"] = (after["packets"] - before["packets"]) / took_s
    return got


def one_subject(lab, shielded):
    """[{tcp, udp, offered, taken}] by RATES; tcp and udp as shares."""
    found = []
    with shielded(lab):
        server, children = clients(lab)
        time.sleep(1.0)
        for rate in RATES:
            still = server.rates(SECONDS)
            got = one_rate(lab, server, rate)
            for kind in ("tcp", "udp"):
                got[kind] = got[kind] / still[kind] if still[kind] else 0.0
            found.append(got)
            time.sleep(1.0)  # a connection that lost much takes a while to come back
        for child in children:
            child.kill()
            child.wait()
    return found


def label(rate):
    return rate if rate == "max" else f"{rate / 1e6:g}M"


def rows_of(subject, runs):
    """The rows of the JSON file: for each rate, over the runs."""
    rows = []
    for i, rate in enumerate(RATES):
        for what, unit in (("tcp", "share of goodput"), ("udp", "share of goodput"),
                           ("offered", "packets/s"), ("taken", "packets/s")):
            values = sorted(run[i][what] for run in runs)
            rows.append({"case": f"flood-{label(rate)}-{what}", "subject": subject, "unit": unit,
                         "min": round(values[0], 3), "median": round(statistics.median(values), 3),
                         "max": round(values[-1], 3), "runs": len(values)})
    return rows


def main():
    runs = {name: [] for name, _ in SUBJECTS}
    with FloodLab() as lab:
        for _ in range(RUNS):
            for name, shielded in SUBJECTS:
                runs[name].append(one_subject(lab, shielded))
    rows = [row for name, _ in SUBJECTS for row in rows_of(name, runs[name])]
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    with open(os.path.join(folder, "flood.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")
    print(floodplot.table(rows, [label(rate) for rate in RATES], [name for name, _ in SUBJECTS]))
    with open(os.path.join(folder, "flood.svg"), "w", encoding="utf-8") as f:
        f.write(floodplot.svg(rows, [label(rate) for rate in RATES], [n for n, _ in SUBJECTS]))


if __name__ == "__main__":
    if os.cpu_count() < 2:
        print("bench_flood: needs two CPUs: one sends, one is the edge", file=sys.stderr)
        sys.exit(0)
    main()
