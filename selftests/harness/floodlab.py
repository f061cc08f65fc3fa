# SPDX-License-Identifier: BSD-2-Clause
"""A lab for floods: two CPUs, two namespaces, one veth with one queue.

Everything that sends, and all servers, run on SEND_CPU; the edge's device is polled by a thread of its
own on EDGE_CPU (threaded NAPI), so a client's packets meet the flood's on one queue and one CPU.
"""
import json
import os
import re
import subprocess
import sys
import time

from edge import BUILD, ROOT, Lab, wait_until

SEND_CPU, EDGE_CPU = 0, 1
FLOOD = os.path.join(BUILD, "harness/flood")
GOODPUT = f"{ROOT}/selftests/harness/goodput.py"
EDGE_IP = "198.18.1.1"
PORT = 7000


def _sysctl_autogroup():
    """Other sessions' work must not decide what is measured: a session's weight is its own (sched(7))."""
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as f:
            f.write("-20")
    except OSError:
        pass


class FloodLab(Lab):
    """Nodes edge and c1; c1 has the addresses 198.18.1.2 and 198.18.1.3."""

    def __init__(self):
        super().__init__()
        self.device = f"f{os.getpid()}"

    def __enter__(self):
        _sysctl_autogroup()
        os.sched_setaffinity(0, {SEND_CPU})
        try:
            self.up()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def up(self):
        def do(node, *argv):
            subprocess.run(self.argv(node, *argv), check=True, stdout=subprocess.DEVNULL)

        for node in ("edge", "c1"):
            subprocess.run(["ip", "netns", "add", f"{self.prefix}-{node}"], check=True)
            do(node, "ip", "link", "set", "lo", "up")
        queues = ("numrxqueues", "1", "numtxqueues", "1")
        do("edge", "ip", "link", "add", self.device, *queues, "type", "veth", "peer", "name", "eth0",
           "netns", f"{self.prefix}-c1", *queues)
        # GRO makes both ends poll. A frame has to be a packet, so nothing is merged before.
        do("edge", "ethtool", "-K", self.device, "gro", "on")
        do("c1", "ethtool", "-K", "eth0", "gro", "on", "tx", "off", "tso", "off", "gso", "off")
        do("edge", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0",
           "net.ipv4.conf.default.rp_filter=0")
        do("edge", "ip", "addr", "add", f"{EDGE_IP}/24", "dev", self.device)
        do("edge", "ip", "link", "set", self.device, "up")
        do("c1", "ip", "link", "set", "eth0", "up")
        for last in (2, 3):
            do("c1", "ip", "addr", "add", f"198.18.1.{last}/24", "dev", "eth0")
        link = json.loads(self.run("edge", "ip", "-j", "link", "show", self.device).stdout)[0]
        self.mac = link["address"]
        # Sources of the flood have no route, so the host answers none of them.
        self.poller = self.poll_in_threads("edge", self.device, EDGE_CPU)
        self.poll_in_threads("c1", "eth0", SEND_CPU)

    def poll_in_threads(self, node, device, cpu):
        """One thread of the kernel polls the device, on that CPU: its id."""
        before = set(_napi_threads(device))
        self.sys(node, f"echo 1 >/sys/class/net/{device}/threaded")
        made = wait_until(lambda: set(_napi_threads(device)) - before, 5)
        if not made:
            raise RuntimeError(f"{device} is not polled by a thread")
        for pid in made:
            os.sched_setaffinity(pid, {cpu})
            # As a soft interrupt would, which goes before every process.
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
        return min(made)

    def sys(self, node, command):
        """Run a shell command that sees the node's /sys/class/net."""
        subprocess.run(self.argv(node, "unshare", "-m", "sh", "-ec",
                                 f"mount -t sysfs sys /sys\n{command}"), check=True)

    def counters(self):
        """What the edge's queue took in: {"packets", "dropped"}, dropped by XDP."""
        text = self.run("edge", "ethtool", "-S", self.device).stdout
        found = dict(re.findall(r"rx_queue_0_xdp_(packets|drops): (\d+)", text))
        return {"packets": int(found["packets"]), "dropped": int(found["drops"])}

    def flood(self, rate, seconds, *options):
        """A flood at so many packets a second, or "max"; flooded() says what became of it."""
        return self.start("c1", "nice", "-n", "19", FLOOD, "send", "eth0", self.mac, EDGE_IP,
                          str(PORT), "--rate", str(rate), "--seconds", str(seconds), *options,
                          stdout=subprocess.PIPE, text=True)

    def server(self):
        return Server(self)

    def client(self, last, tcp_bytes_per_s, udp_packets_per_s):
        """A client with address 198.18.1.LAST; it is connected when this returns."""
        child = self.start("c1", GOODPUT, "client", f"198.18.1.{last}", EDGE_IP, str(PORT),
                           str(tcp_bytes_per_s), str(udp_packets_per_s), stdout=subprocess.PIPE,
                           text=True)
        if child.stdout.readline() != "connected\n":
            raise RuntimeError("a client does not connect")
        return child


class Server:
    """The sinks on the edge host."""

    def __init__(self, lab):
        self.child = lab.start("edge", GOODPUT, "serve", str(PORT), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "listening\n":
            raise RuntimeError("the server does not listen")

    def close(self):
        self.child.kill()
        self.child.wait()

    def totals(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return time.monotonic(), json.loads(self.child.stdout.readline())

    def rates(self, seconds):
        """Bytes a second of TCP of 198.18.1.2, packets a second of UDP of 198.18.1.3."""
        t0, a = self.totals()
        time.sleep(seconds)
        t1, b = self.totals()

        def per_s(kind, ip):
            return (b[kind].get(ip, 0) - a[kind].get(ip, 0)) / (t1 - t0)

        return {"tcp": per_s("tcp", "198.18.1.2"), "udp": per_s("udp", "198.18.1.3")}


def flooded(child):
    """Wait for a flood's end: frames sent a second."""
    out = json.loads(child.communicate(timeout=120)[0])
    return out["sent"] / out["seconds"]


def _napi_threads(device):
    found = []
    for pid in os.listdir("/proc"):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as f:
                if f.read().startswith(f"napi/{device}-"[:15]):
                    found.append(int(pid))
        except OSError:
            pass
    return found
