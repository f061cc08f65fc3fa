#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Paced UDP: what a limit lets through, counted packet by packet.

usage: udp.py receive PORT          prints "listening", then on SIGTERM a JSON object: packets by source
       udp.py send ADDRESS PORT PACKETS_PER_S SECONDS [BYTES]   prints what was sent, as JSON
       udp.py crowd DEVICE MAC ADDRESS PORT PACKETS_PER_S SECONDS   the same, each packet from
                                             a made-up source of 10.0.0.0/8; a moment later "sending"
"""
import json
import random
import signal
import socket
import struct
import sys
import time

# asm-generic/socket.h; Python has no names for them
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
CATCH_UP_S = 0.02  # what a sender that was kept waiting still sends of what was due meanwhile
GAP_S = 0.05  # a longer time without a packet counts as idle


def receive(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
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
        data, control, _, (ip, _) = sock.recvmsg(65536, 64)
        # The kernel's, as it took the packet in: this process may come to it much later.
        now = sum(part * unit for part, unit in zip(struct.unpack("qq", control[0][2]), (1, 1e-9)))
        count[ip] = count.get(ip, 0) + 1
        bytes_[ip] = bytes_.get(ip, 0) + len(data)
        first.setdefault(ip, now)
        last[ip] = now

    signal.signal(signal.SIGTERM, report)
    print("listening", flush=True)
    while True:
        take()


def send(address, port, rate, seconds, size):
    """
    All that is due in the time, or until SIGTERM. One that was kept waiting takes longer: to make up
    for it in one go would be more than the rate.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    data = b"x" * size
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    began = last = time.monotonic()
    sent, idle = 0, 0.0
    due = 0.0
    while sent < int(rate * seconds) and not stop:
        now = time.monotonic()
        idle += now - last if now - last > GAP_S else 0
        due += min(now - last, CATCH_UP_S + 1 / rate) * rate
        last = now
        while due >= 1:
            try:
                sock.send(data)
            except OSError:  # ICMP errors of earlier packets
                pass
            sent += 1
            due -= 1
        time.sleep(min(0.001, 1 / rate))
    ended = time.monotonic()  # one clock for all processes: several senders have one window
    idle += ended - last if ended - last > GAP_S else 0
    print(json.dumps({"sent": sent, "idle": idle, "seconds": ended - began, "began": began, "ended": ended}),
          flush=True)


def bounds(rate, burst, senders, got):
    """
    The fewest and the most packets that a limit lets through: of these senders (what they printed;
    from one address), by what the receiver counted of it. While no sender had the CPU, nothing was
    there to be let through; when packets came is the kernel's word.
    """
    seconds = min(s["ended"] for s in senders) - max(s["began"] for s in senders)
    fewest = burst + rate * (seconds - min(s["idle"] for s in senders))
    return 0.95 * fewest, burst + rate * (got["seconds"] + 0.01)


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def crowd(device, mac, address, port, rate, seconds):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((device, 0))
    link = bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\0\x01" + b"\x08\0"
    udp = struct.pack("!HHHH", 4000, port, 8 + 32, 0) + b"x" * 32
    to = socket.inet_aton(address)
    chance = random.Random(1)  # the same crowd each time
    began = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * rate)
        while sent < due:
            source = struct.pack("!I", 10 << 24 | chance.getrandbits(24))
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + to
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
            try:
                sock.send(link + head + udp)
            except OSError:  # the device's queue is full
                pass
            sent += 1
            if sent == 10000:  # what cells had to spare is gone
                print("sending", flush=True)
        time.sleep(0.001)
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "crowd":
        crowd(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), float(sys.argv[6]),
              float(sys.argv[7]))
    elif sys.argv[1] == "receive":
        receive(int(sys.argv[2]))
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]),
             int(sys.argv[6]) if len(sys.argv) > 6 else 100)
