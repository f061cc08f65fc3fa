# SPDX-License-Identifier: BSD-2-Clause
"""What stands between a flood and the host, as context managers over a FloodLab."""
import contextlib
import json
import os
import subprocess

from edge import Agent, wait_until
from floodlab import FLOOD

SOURCE_RATE, SOURCE_BURST = 5000, 1000
TOTAL_RATE, TOTAL_BURST = 50000, 5000

LIMIT = f"""
dataplane:
  devices: [{{name: DEVICE, mode: native, attach: link}}]
limits:
  - name: default
    sources: [0.0.0.0/0]
    packets: {{rate: {SOURCE_RATE}/s, burst: {SOURCE_BURST}}}
    total: {{packets: {{rate: {TOTAL_RATE}/s, burst: {TOTAL_BURST}}}}}
"""

NFT_SOURCE = """
table netdev flood {
  set sources { typeof ip saddr; size 65536; flags dynamic; timeout 60s; }
  chain in {
    type filter hook ingress device "DEVICE" priority 0; policy accept;
    ip protocol { tcp, udp } update @sources { ip saddr limit rate over RATE/second burst BURST packets } counter drop
  }
}
"""


def nothing(_lab):
    return contextlib.nullcontext()


@contextlib.contextmanager
def sluice(lab, config=LIMIT):
    with Agent(lab) as agent:
        agent.start(agent.base(workers=1) + config.replace("DEVICE", lab.device))
        yield agent


def bpftool(*words):
    return json.loads(subprocess.run(["bpftool", "-j", "map", *words], check=True, timeout=60,
                                     stdout=subprocess.PIPE).stdout)


def maps(agent):
    """What bpftool says of each pinned map of an agent, and its path, by name."""
    found = {}
    for folder, _, names in os.walk(agent.bpffs):
        for name in names:
            if not name.startswith(("link_", "prog_")):
                path = os.path.join(folder, name)
                found[name] = {**bpftool("show", "pinned", path), "path": path}
    return found


@contextlib.contextmanager
def nft(lab, rate=SOURCE_RATE, burst=SOURCE_BURST):
    rules = NFT_SOURCE.replace("DEVICE", lab.device).replace("RATE", str(rate))
    lab.run("edge", "nft", "-f", "-", input=rules.replace("BURST", str(burst)), check=True)
    try:
        yield
    finally:
        lab.run("edge", "nft", "delete", "table", "netdev", "flood")


@contextlib.contextmanager
def hashlimit(lab, rate=SOURCE_RATE, burst=SOURCE_BURST):
    # As early as iptables can.
    rule = ("PREROUTING", "-i", lab.device, "-m", "hashlimit", "--hashlimit-above", f"{rate}/second",
            "--hashlimit-burst", str(burst), "--hashlimit-mode", "srcip", "--hashlimit-name", "flood",
            "--hashlimit-htable-size", "65536", "--hashlimit-htable-max", "65536", "-j", "DROP")
    lab.run("edge", "iptables-legacy", "-t", "raw", "-A", *rule, check=True)
    try:
        yield
    finally:
        lab.run("edge", "iptables-legacy", "-t", "raw", "-D", *rule)


@contextlib.contextmanager
def drop_all(lab, how="drop"):
    """The floor: a program that only drops."""
    child = lab.start("edge", FLOOD, how, lab.device, stdout=subprocess.PIPE, text=True)
    if child.stdout.readline() != "attached\n":
        raise RuntimeError("the floor's program is not attached")
    try:
        yield
    finally:
        child.terminate()
        child.wait()
        wait_until(lambda: "xdp" not in lab.run("edge", "ip", "link", "show", lab.device).stdout, 5)
