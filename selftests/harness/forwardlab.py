# SPDX-License-Identifier: BSD-2-Clause
"""A lab for forwarding: what c1 sends comes in by the edge's one device and leaves by another, to b1.

One CPU polls the edge's device and does all that forwarding is; the other sends, and drops at b1.
"""
import contextlib
import json
import re
import subprocess

from edge import VIP, Agent, wait_until
from floodlab import FLOOD, PORT, SEND_CPU, FloodLab

SINK_LOOKS_MAX = 2**31 - 1  # in vain, before it has to be woken again
EDGE_OUT_IP, BACKEND_IP = "198.18.2.1", "198.18.2.2"

SLUICE = """
dataplane:
  devices: [{name: DEVICE, mode: native, attach: link}]
vips:
  - name: web
    address: VIP
    port: PORT
    protocol: udp
    mode: MODE
    backends: [{name: b1, address: BACKEND}]
"""

NFT_DNAT = """
table ip forward {
  chain in {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr VIP udp dport PORT dnat to BACKEND
  }
}
"""


def _fill(text, lab, mode=""):
    for word, value in (("DEVICE", lab.device), ("VIP", VIP), ("PORT", str(PORT)),
                        ("BACKEND", BACKEND_IP), ("MODE", mode)):
        text = text.replace(word, value)
    return text


class ForwardLab(FloodLab):
    """FloodLab, and behind the edge b1, whose device drops and counts what it gets."""

    def up(self):
        super().up()

        def do(node, *argv):
            subprocess.run(self.argv(node, *argv), check=True, stdout=subprocess.DEVNULL)

        self.out = f"g{self.device[1:]}"
        subprocess.run(["ip", "netns", "add", f"{self.prefix}-b1"], check=True)
        queues = ("numrxqueues", "1", "numtxqueues", "1")
        do("edge", "ip", "link", "add", self.out, *queues, "type", "veth", "peer", "name", "eth0",
           "netns", f"{self.prefix}-b1", *queues)
        do("edge", "sysctl", "-qw", "net.ipv4.ip_forward=1", f"net.ipv4.conf.{self.out}.rp_filter=0")
        do("edge", "ip", "addr", "add", f"{EDGE_OUT_IP}/24", "dev", self.out)
        do("edge", "ethtool", "-K", self.out, "gro", "on")
        do("b1", "ethtool", "-K", "eth0", "gro", "on")
        do("b1", "ip", "addr", "add", f"{BACKEND_IP}/24", "dev", "eth0")
        do("edge", "ip", "link", "set", self.out, "up")
        do("b1", "ip", "link", "set", "eth0", "up")
        do("edge", "ip", "neigh", "replace", BACKEND_IP, "lladdr", self.mac_of("b1", "eth0"),
           "nud", "permanent", "dev", self.out)
        self.poll_in_threads("b1", "eth0", SEND_CPU)
        sink = self.start("b1", FLOOD, "drop", "eth0", stdout=subprocess.PIPE, text=True)
        if sink.stdout.readline() != "attached\n":
            raise RuntimeError("the sink's program is not attached")

    def sink_waits(self, us):
        """b1 looks for frames that often, as cards do that hold back interrupts; 0: it is woken.

        Woken, it takes what is there and sleeps: the edge's CPU wakes it again for the next frame,
        or the next 16 of XDP, the more often the slower it forwards.
        """
        folder = "/sys/class/net/eth0"
        self.sys("b1", f"echo {SINK_LOOKS_MAX if us else 0} >{folder}/napi_defer_hard_irqs\n"
                 f"echo {us * 1000} >{folder}/gro_flush_timeout")

    def mac_of(self, node, device):
        text = self.run(node, "ip", "link", "show", device).stdout
        return re.search(r"link/ether (\S+)", text)[1]

    def arrived(self):
        """Frames that b1 got."""
        text = self.run("b1", "ethtool", "-S", "eth0").stdout
        return int(re.search(r"rx_queue_0_xdp_drops: (\d+)", text)[1])

    def busy_s(self):
        """How long the edge's thread has run: what else its CPU did meanwhile does not count."""
        with open(f"/proc/{self.poller}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9

    def send(self, to, sources, seconds):
        """UDP of 60 bytes as fast as a CPU can."""
        return self.start("c1", "nice", "-n", "19", FLOOD, "send", "eth0", self.mac, to, str(PORT),
                          "--rate", "max", "--seconds", str(seconds), "--mix", "udp", "--sources",
                          str(sources), stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def floor(lab):
    """A program that only redirects."""
    child = lab.start("edge", FLOOD, "redirect", lab.device, lab.out, stdout=subprocess.PIPE,
                      text=True)
    if child.stdout.readline() != "attached\n":
        raise RuntimeError("the floor's program is not attached")
    try:
        yield VIP
    finally:
        child.terminate()
        child.wait()
        wait_until(lambda: "xdp" not in lab.run("edge", "ip", "link", "show", lab.device).stdout, 5)


def _has_no_verdicts(agent):
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned",
                           f"{agent.bpffs}/drop_cache_state"], check=True, capture_output=True)
    return json.loads(dump.stdout)[0]["formatted"]["value"]["no_verdicts"]


@contextlib.contextmanager
def _sluice(lab, mode):
    with Agent(lab) as agent:
        agent.start(agent.base(workers=1) + _fill(SLUICE, lab, mode))
        if not wait_until(lambda: agent.json("vip", "show", "web")["backends"][0]["slots"], 10):
            raise RuntimeError("the backend is in no ring")
        # Until it has looked, packets ask a filter for verdicts. As in a service that is running.
        if not wait_until(lambda: _has_no_verdicts(agent), 10):
            raise RuntimeError("the agent does not find that there are no verdicts")
        yield VIP


def sluice_l2(lab):
    return _sluice(lab, "l2")


def sluice_ipip(lab):
    return _sluice(lab, "ipip")


@contextlib.contextmanager
def nft_dnat(lab):
    lab.run("edge", "nft", "-f", "-", input=_fill(NFT_DNAT, lab), check=True)
    try:
        yield VIP
    finally:
        lab.run("edge", "nft", "delete", "table", "ip", "forward")


@contextlib.contextmanager
def kernel(_lab):
    """Plain forwarding: to the backend's own address."""
    yield BACKEND_IP
