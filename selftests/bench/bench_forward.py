#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench_forward.py [FOLDER]: UDP packets a second that one CPU forwards from one veth to another.

Live frames of 60 bytes, of one flow and of 65,536; what forwards them takes turns, RUNS times, and
what arrives behind the edge counts. Once the sink is woken for frames, which the edge's CPU pays for,
and once it looks for them every SINK_US ("timed"), which the sender's CPU pays for. Writes
FOLDER/forward.json. Needs two CPUs.
"""
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.environ.get("SLUICE_ROOT", ".") + "/selftests/harness")
import forwardlab  # noqa: E402
from edge import wait_until  # noqa: E402
from floodlab import flooded  # noqa: E402

RUNS = int(os.environ.get("RUNS", "5"))
WARM_S, SECONDS = 0.4, 1.0
UNITS = [("", "packets/s"), ("-cpu", "packets/s of CPU")]
SINK_US = int(os.environ.get("SINK_US", "30"))  # a veth's ring has 256 places
# Flows, and how long the sink waits.
FLOWS = [("1", 1, 0), ("64k", 65536, 0), ("1-timed", 1, SINK_US), ("64k-timed", 65536, SINK_US)]
# Case, subject, what forwards.
CASES = [
    ("forward-udp64", "floor", forwardlab.floor),
    ("forward-udp64-l2", "sluice", forwardlab.sluice_l2),
    ("forward-udp64-ipip", "sluice", forwardlab.sluice_ipip),
    ("forward-udp64", "nftables", forwardlab.nft_dnat),
    ("forward-udp64", "kernel", forwardlab.kernel),
]


def measure(lab, to, sources, sink_us):
    """Packets that arrived: a second, and a second that the edge's thread ran."""
    lab.sink_waits(sink_us)
    child = lab.send(to, sources, WARM_S + SECONDS + 0.5)
    before = lab.arrived()
    if not wait_until(lambda: lab.arrived() > before, 5):
        raise RuntimeError("nothing arrives")
    time.sleep(WARM_S)
    t0, cpu0, a = time.monotonic(), lab.busy_s(), lab.arrived()
    time.sleep(SECONDS)
    t1, cpu1, b = time.monotonic(), lab.busy_s(), lab.arrived()
    flooded(child)
    return (b - a) / (t1 - t0), (b - a) / (cpu1 - cpu0)


def row_of(case, subject, unit, values, digits):
    return {"case": case, "subject": subject, "unit": unit, "min": round(min(values), digits),
            "median": round(statistics.median(values), digits), "max": round(max(values), digits),
            "runs": len(values)}


def rows_of(found):
    """Ratios are of rates of the same run: the machine's pace changes from one to the next."""
    rows = []
    for flows, _, _ in FLOWS:
        dnat = found["forward-udp64", "nftables", flows]
        for case, subject, _ in CASES:
            line = f"{case + '-' + flows:26} {subject:9}"
            for nth, (of, unit) in enumerate(UNITS):
                rates = [run[nth] for run in found[case, subject, flows]]
                shares = [x / y[nth] for x, y in zip(rates, dnat)]
                rows.append(row_of(f"{case}-{flows}{of}", subject, unit, rates, 0))
                rows.append(row_of(f"{case}-{flows}{of}-ratio", subject, "x nftables", shares, 2))
                line += (f" {min(rates) / 1e6:7.2f} {statistics.median(rates) / 1e6:7.2f} "
                         f"{max(rates) / 1e6:7.2f} {statistics.median(shares):6.1f}x")
            print(line)
    return rows


def main():
    found = {(case, subject, flows): [] for case, subject, _ in CASES
             for flows, _, _ in FLOWS}
    with forwardlab.ForwardLab() as lab:
        for _ in range(RUNS):
            for case, subject, forwarder in CASES:
                with forwarder(lab) as to:
                    for flows, sources, sink_us in FLOWS:
                        found[case, subject, flows].append(measure(lab, to, sources, sink_us))
    head = "    min  median     max  of nft"
    print(f"{'':36} {head} of DNAT, a second of the edge's thread:\n"
          f"{'case':26} {'subject':9} {head} {head}   Mpackets/s, {RUNS} runs")
    rows = rows_of(found)
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    with open(os.path.join(folder, "forward.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    if os.cpu_count() < 2:
        print("bench_forward: needs two CPUs: one sends, one forwards", file=sys.stderr)
        sys.exit(0)
    main()
