#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
compare.py [FOLDER]: CPU time a request, and memory an idle connection, of sluiced, nginx and HAProxy.

Every subject has all its processes on CPU 0; the endpoint and http_load, which checks each answer, are
on CPU 1. In each of ROUNDS (15) rounds the subjects take turns, in another order each. What a subject's
processes ran is divided by the requests that were answered in that time. T=pattern selects cases,
SECONDS (0.4) is how long a turn lasts. Writes FOLDER/http.json. Root; a network namespace of its own.
"""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

if __name__ == "__main__" and "SLUICE_HTTP_INSIDE" not in os.environ:
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench-http: needs two CPUs: one is the subject's, the other the load's")
    os.environ["SLUICE_HTTP_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--", sys.executable, *sys.argv])

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import subjects  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS") or "15")
SECONDS = float(os.environ.get("SECONDS") or "0.4")
PATTERN = os.environ.get("T") or ""
SETTLE_S = 0.02  # the log of a request is written a moment after it
IDLE = 10000
KEY = "X-Api-Key: bench-key-0123456789"

# name: connections, mode, clear, tls or h2 (over TLS), bytes of body, with the other configuration of ours
CASES = {
    "h1-clear": (32, "keep", "clear", 1024, False),
    "h1-tls": (32, "keep", "tls", 1024, False),
    "h2-tls": (32, "keep", "h2", 1024, False),
    "h1-clear-full": (32, "keep", "clear", 1024, True),
    "h1-tls-full": (32, "keep", "tls", 1024, True),
    "body-10m": (4, "keep", "clear", 10 << 20, False),
    "body-10m-tls": (4, "keep", "tls", 10 << 20, False),
    "handshake-full": (8, "full", "tls", 1024, False),
    "handshake-resumed": (8, "resumed", "tls", 1024, False),
}
# What one of the subjects cannot do yet is left out for all of them.
NOT_YET = {"grpc-unary": "sluiced has no HTTP/2 towards endpoints"}
MEMORY_CASES = {"idle-clear": "clear", "idle-tls": "tls"}


class Load:
    """http_load on its connections to one subject."""

    def __init__(self, subject, connections, mode, security, body, header=None):
        self.subject = subject
        self.process = subprocess.Popen(
            ["taskset", "-c", str(subjects.LOAD_CPU), "prlimit", f"--nofile={subjects.FILES_MAX}",
             f"{subjects.BUILD}/bench-bin/http_load", str(subject.port["tls" if security == "h2" else security]), str(connections), mode,
             security, str(body), *([header] if header else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def result(self):
        line = self.process.stdout.readline()
        found = json.loads(line) if line else {"errors": 1, "why": "http_load ended"}
        if found["errors"]:
            raise RuntimeError(f"{self.subject.name}: {found['errors']} errors: {found['why']}")
        return found

    def turn(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.result()

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Bench:
    """Everything that runs meanwhile, and is stopped at the end."""

    def __init__(self):
        self.running = []
        self.rows = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self.running:
            self.running.pop().stop()

    def keep(self, what):
        self.running.append(what)
        return what

    def drop(self, what):
        self.running.remove(what)
        what.stop()

    def start(self, upstream, *makers):
        made = [self.keep(make(upstream.port)) for make in makers]
        for subject in made:
            subject.wait_ready()
        return made

    def add(self, case, subject, unit, values, digits):
        self.rows.append({"case": case, "subject": subject, "unit": unit, "min": round(min(values), digits),
                          "median": round(statistics.median(values), digits),
                          "max": round(max(values), digits), "runs": len(values)})

    def add_ratio(self, case, found):
        """Of ours to the peer of the lower median, round by round."""
        peer = min((s for s in found if s != "sluice"), key=lambda s: statistics.median(found[s]))
        self.add(case, "sluice/peer", "ratio", [a / b for a, b in zip(found["sluice"], found[peer])], 3)
        return peer


def cost_us(load, command):
    """CPU time a request of one turn, in microseconds."""
    before = load.subject.cpu_s()
    found = load.turn(command)
    time.sleep(SETTLE_S)
    return (load.subject.cpu_s() - before) / found["requests"] * 1e6


def measure(bench, case, all_subjects):
    connections, mode, security, body, _ = CASES[case]
    loads = {}
    for subject in all_subjects:
        header = KEY if "full" in os.path.basename(subject.config) else None
        loads[subject.name] = bench.keep(Load(subject, connections, mode, security, body, header))
        loads[subject.name].result()
        loads[subject.name].turn(f"closed {SECONDS}")  # warm
    names = list(loads)
    found = {name: [] for name in names}
    for n in range(ROUNDS):
        for name in names[n % len(names):] + names[:n % len(names)]:
            found[name].append(cost_us(loads[name], f"closed {SECONDS}"))
    for load in loads.values():
        bench.drop(load)
    for name in names:
        bench.add(case, name, "us CPU", found[name], 3)
    show(bench, case, bench.add_ratio(case, found))


def settled_bytes(subject):
    """Memory once it has stopped to change: what its start took is given back some time later."""
    before, end = -1, time.monotonic() + 10
    while before != subject.memory_bytes() and time.monotonic() < end:
        before = subject.memory_bytes()
        time.sleep(1)
    return before


def measure_idle(bench, case, upstream):
    """Each with a process of its own for each case: memory that was freed is not given back at once."""
    found = {}
    for make in (subjects.sluice, subjects.nginx, subjects.haproxy):
        subject, = bench.start(upstream, make)
        first = bench.keep(Load(subject, 64, "keep", MEMORY_CASES[case], 1024))
        first.result()
        first.turn(f"closed {SECONDS}")
        before = settled_bytes(subject)
        load = bench.keep(Load(subject, IDLE, "keep", MEMORY_CASES[case], 1024))
        load.result()  # all of them had an answer, and are open
        found[subject.name] = [(settled_bytes(subject) - before) / IDLE / 1024]
        for what in (load, first, subject):
            bench.drop(what)
    for name, values in found.items():
        bench.add(case, name, "KiB/connection", values, 2)
    show(bench, case, bench.add_ratio(case, found))


def show(bench, case, peer):
    for row in bench.rows:
        if row["case"] == case:
            note = f"  peer: {peer}" if row["subject"] == "sluice/peer" else ""
            print(f"{case:18} {row['subject']:12} {row['min']:10.3f} {row['median']:10.3f} {row['max']:10.3f}"
                  f"  {row['unit']}{note}", flush=True)


def wanted(case):
    return re.search(PATTERN, case) is not None


def main(folder):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for case, why in NOT_YET.items():
        if wanted(case):
            print(f"{case}: left out: {why}")
    print(f"{'case':18} {'subject':12} {'min':>10} {'median':>10} {'max':>10}")
    with Bench() as bench:
        upstream = bench.keep(subjects.Upstream())
        chosen = [c for c in CASES if wanted(c)]
        if chosen:
            ours, full, *peers = bench.start(upstream, subjects.sluice, subjects.sluice_full,
                                             subjects.nginx, subjects.haproxy)
            for case in chosen:
                measure(bench, case, [full if CASES[case][4] else ours, *peers])
            for subject in (ours, full, *peers):
                bench.drop(subject)
        for case in MEMORY_CASES:
            if wanted(case):
                measure_idle(bench, case, upstream)
        rows = bench.rows
    with open(os.path.join(folder, "http.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    made = None
    if "TEST_TMPDIR" not in os.environ:
        made = subjects.TMP = tempfile.mkdtemp()
        os.chmod(made, 0o711)
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else ".")
    finally:
        if made:
            shutil.rmtree(made, ignore_errors=True)
