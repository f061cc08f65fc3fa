#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Paced UDP: what a limit lets through, counted packet by packet.

usage: udp.py receive PORT          prints "listening", then on SIGTERM a JSON object: packets by source
       udp.py send ADDRESS PORT PACKETS_PER_S SECONDS [BYTES]   prints what was sent, as JSON
"""
import json
import signal
import socket
import sys
import time

SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


def receive(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    sock.bind(("0.0.0.0", port))
    count, bytes_, first, last = {}, {}, {}, {}

    def report(*_):
        sock.settimeout(0.2)  # what is queued still counts
        try:
            while True:
                take()
        except socket.timeout:
            pass
        print(json.dumps({ip: {"packets": count[ip], "bytes": bytes_[ip],
                               "seconds": last[ip] - first[ip]} for ip in count}), flush=True)
        sys.exit(0)

    def take():
        data, (ip, _) = sock.recvfrom(65536)
        now = time.monotonic()
        count[ip] = count.get(ip, 0) + 1
        bytes_[ip] = bytes_.get(ip, 0) + len(data)
        first.setdefault(ip, now)
        last[ip] = now

    signal.signal(signal.SIGTERM, report)
    print("listening", flush=True)
    while True:
        take()


def send(address, port, rate, seconds, size):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    data = b"x" * size
    began = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * rate)
        while sent < due:
            try:
                sock.send(data)
            except OSError:  # ICMP errors of earlier packets
                pass
            sent += 1
        time.sleep(min(0.001, 1 / rate))
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]))
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]),
             int(sys.argv[6]) if len(sys.argv) > 6 else 100)
