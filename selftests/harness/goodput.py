#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What real clients get through while something else is going on.

usage: goodput.py serve PORT     a TCP and a UDP sink; prints "listening", then for each line of input
                                 {"tcp": {ADDRESS: bytes}, "udp": {ADDRESS: packets}} since its start
       goodput.py client SOURCE ADDRESS PORT TCP_BYTES_PER_S UDP_PACKETS_PER_S
                                 one connection, and datagrams, at that pace until it is killed;
                                 prints "connected". 0 bytes: ten bytes a second, to be seen connected
"""
import json
import select
import socket
import sys
import time

TICK_S = 0.001
CATCH_UP_S = 0.02  # what a pause of the process kept from being sent is sent up to this
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


def serve(port):
    listener = socket.create_server(("0.0.0.0", port), backlog=128)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    udp.bind(("0.0.0.0", port))
    udp.setblocking(False)
    tcp_bytes, udp_packets, peers = {}, {}, {}
    poll = select.epoll()
    for fd in (listener, udp, sys.stdin):
        poll.register(fd, select.EPOLLIN)
    print("listening", flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                sock, (ip, _) = listener.accept()
                peers[sock.fileno()] = sock, ip
                poll.register(sock, select.EPOLLIN)
            elif fd == udp.fileno():
                drain(udp, udp_packets)
            elif fd == sys.stdin.fileno():
                if not sys.stdin.readline():
                    return
                print(json.dumps({"tcp": tcp_bytes, "udp": udp_packets}), flush=True)
            else:
                sock, ip = peers[fd]
                data = sock.recv(1 << 18)
                tcp_bytes[ip] = tcp_bytes.get(ip, 0) + len(data)
                if not data:
                    poll.unregister(fd)
                    peers.pop(fd)[0].close()


def drain(udp, packets):
    for _ in range(256):
        try:
            _, (ip, _) = udp.recvfrom(2048)
        except BlockingIOError:
            return
        # Made-up sources are many: they are counted as one.
        ip = ip if ip.startswith("198.18.") else "others"
        packets[ip] = packets.get(ip, 0) + 1


class Pace:
    """How many are due now at a rate."""

    def __init__(self, rate):
        self.rate, self.sent, self.began = rate, 0.0, time.monotonic()

    def due(self, now):
        due = (now - self.began) * self.rate - self.sent
        late = due - CATCH_UP_S * self.rate
        if late > 0 and self.rate * CATCH_UP_S > 1:
            self.sent += late
            due -= late
        return int(due)


def client(source, address, port, tcp_rate, udp_rate):
    tcp = socket.create_connection((address, port), 10, (source, 0))
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tcp.setblocking(False)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((source, 0))
    udp.connect((address, port))
    udp.setblocking(False)
    print("connected", flush=True)
    block, data = bytes(1 << 20), b"x" * 64
    bytes_due, packets_due = Pace(tcp_rate or 10), Pace(udp_rate)
    while True:
        now = time.monotonic()
        n = bytes_due.due(now)
        if n > 0:
            try:
                bytes_due.sent += tcp.send(block[:n])
            except BlockingIOError:
                pass
        for _ in range(packets_due.due(now)):
            packets_due.sent += 1
            try:
                udp.send(data)
            except OSError:  # a full queue, or an ICMP error of an earlier one
                pass
        time.sleep(TICK_S)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        client(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6]))
