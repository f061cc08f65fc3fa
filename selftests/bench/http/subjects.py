# SPDX-License-Identifier: BSD-2-Clause
"""What `make bench-http` compares: sluiced, nginx and HAProxy, each with one worker on one CPU."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.environ.get("SLUICE_ROOT", ".")
sys.path.insert(0, ROOT + "/selftests/harness")
from edge import BUILD, SLUICED, TMP, certificate, wait_until  # noqa: E402

HERE = os.path.join(ROOT, "selftests/bench/http")
SUBJECT_CPU, LOAD_CPU = 0, 1
FILES_MAX = 20000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_clock_s(pid):
    """CPU time of a process, all of its threads, those that ended included, to the nanosecond."""
    return time.clock_gettime(((~pid) << 3) | 2)  # CPUCLOCK_SCHED of linux/posix-timers.h


def reaped_s(pid):
    """CPU time of the children that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
        words = f.read().rsplit(") ", 1)[1].split()
    return (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")


def tree(pid):
    """The process and everything below it."""
    found = [pid]
    for at in found:
        for task in os.listdir(f"/proc/{at}/task"):
            with open(f"/proc/{at}/task/{task}/children", encoding="ascii") as f:
                found += [int(p) for p in f.read().split()]
    return found


def memory_bytes(pid):
    """What a process has of its own: anonymous memory, and what it shares with its kin."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
        text = f.read()
    return sum(int(n) for n in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", text, re.M)) * 1024


class Subject:
    """A proxy from its template; argv is what starts it in the foreground."""

    made = 0

    def __init__(self, name, template, argv, upstream, stop_signal=signal.SIGTERM):
        Subject.made += 1
        self.name = name
        self.folder = os.path.join(TMP, f"http-{os.getpid()}-{Subject.made}")
        os.makedirs(self.folder, mode=0o755)
        chain, key = certificate(self.folder, "bench.example")
        pem = os.path.join(self.folder, "both.pem")
        with open(pem, "w", encoding="ascii") as f:
            for part in (chain, key):
                with open(part, encoding="ascii") as g:
                    f.write(g.read())
        self.bpffs = f"/sys/fs/bpf/h-{os.getpid()}-{Subject.made}"
        self.port = {"clear": free_port(), "tls": free_port()}
        words = {"FOLDER": self.folder, "CHAIN": chain, "KEY": key, "PEM": pem, "UPSTREAM": upstream,
                 "CLEAR": self.port["clear"], "TLS": self.port["tls"], "INTERNAL": free_port(),
                 "BPFFS": self.bpffs}
        self.config = os.path.join(self.folder, os.path.basename(template))
        with open(template, encoding="utf-8") as f, open(self.config, "w", encoding="utf-8") as to:
            to.write(re.sub(r"\{([A-Z]+)\}", lambda m: str(words[m.group(1)]), f.read()))
        self.stop_signal = stop_signal
        self.log = os.path.join(self.folder, "log")
        env = {"PATH": os.environ["PATH"], "OPENSSL_CONF": os.path.join(HERE, "openssl.cnf")}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(SUBJECT_CPU), "prlimit", f"--nofile={FILES_MAX}",
                 *[w.replace("CONFIG", self.config) for w in argv]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)

    def wait_ready(self):
        if not wait_until(lambda: self.process.poll() is not None or
                          all(accepts(p) for p in self.port.values()), 60) or \
                self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                raise RuntimeError(f"{self.name} does not start:\n{f.read()[-2000:]}")

    def cpu_s(self):
        return sum(cpu_clock_s(p) + reaped_s(p) for p in tree(self.process.pid))

    def memory_bytes(self):
        return sum(memory_bytes(p) for p in tree(self.process.pid))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self.name.startswith("sluice"):
            subprocess.run([SLUICED, "--detach", "-c", self.config], check=False, capture_output=True)
            shutil.rmtree(self.bpffs, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def sluice(upstream):
    return Subject("sluice", f"{HERE}/sluice.yaml", [SLUICED, "-c", "CONFIG"], upstream)


def sluice_full(upstream):
    return Subject("sluice", f"{HERE}/sluice-full.yaml", [SLUICED, "-c", "CONFIG"], upstream)


def nginx(upstream):
    return Subject("nginx", f"{HERE}/nginx.conf", ["nginx", "-c", "CONFIG"], upstream)


def haproxy(upstream):
    return Subject("haproxy", f"{HERE}/haproxy.cfg", ["haproxy", "-db", "-f", "CONFIG"], upstream)


class Upstream:
    """The endpoint behind all of them."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(LOAD_CPU), "prlimit", f"--nofile={FILES_MAX}",
             f"{BUILD}/bench-bin/http_upstream"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
