#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A paced HTTP/1.1 load on kept connections that counts every failure and every close.

usage: load.py ADDRESS PORT CONNECTIONS REQUESTS_PER_S SECONDS [PATH [HEADER...]]
Prints "started" once all connections stand, and a JSON object at the end. TLS where CACERT is set
in the environment (HOST then is the name that is checked and sent).
"""
import json
import os
import socket
import ssl
import sys
import threading
import time


class Client(threading.Thread):
    def __init__(self, address, port, interval_s, until, request, barrier):
        super().__init__(daemon=True)
        self.address, self.port, self.interval_s = address, port, interval_s
        self.until, self.request, self.barrier = until, request, barrier
        self.statuses, self.latencies, self.bodies = {}, [], {}
        self.failures = self.closed = self.connects = 0
        self.sock = None
        self.rest = b""

    def connect(self):
        self.connects += 1
        self.rest = b""
        sock = socket.create_connection((self.address, self.port), timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if os.environ.get("CACERT"):
            context = ssl.create_default_context(cafile=os.environ["CACERT"])
            sock = context.wrap_socket(sock, server_hostname=os.environ["HOST"])
        self.sock = sock

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self.rest += data

    def exchange(self):
        self.sock.sendall(self.request)
        while b"\r\n\r\n" not in self.rest:
            self.receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        length = next((int(l.split(b":")[1]) for l in lines if l.startswith(b"content-length:")), 0)
        while len(self.rest) < length:
            self.receive()
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(head.split(b" ")[1]), body, b"connection: close" in lines

    def run(self):
        try:
            self.connect()
        except OSError:
            self.failures += 1
        self.barrier.wait()
        due = time.monotonic()
        while time.monotonic() < self.until[0]:
            due += self.interval_s
            time.sleep(max(0, due - time.monotonic()))
            began = time.monotonic()
            try:
                if self.sock is None:
                    self.connect()
                status, body, close = self.exchange()
            except OSError as error:
                self.failures += 1
                self.statuses[type(error).__name__] = self.statuses.get(type(error).__name__, 0) + 1
                self.drop()
                continue
            self.latencies.append(time.monotonic() - began)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if len(body) < 64:
                text = body.decode("latin-1").strip()
                self.bodies[text] = self.bodies.get(text, 0) + 1
            if close:
                self.drop()

    def drop(self):
        self.closed += 1
        if self.sock:
            self.sock.close()
        self.sock = None


def merge(clients, field):
    total = {}
    for client in clients:
        for key, n in getattr(client, field).items():
            total[key] = total.get(key, 0) + n
    return total


def main():
    address, port, n, rate, seconds = (sys.argv[1], *map(int, sys.argv[2:6]))
    path = sys.argv[6] if len(sys.argv) > 6 else "/"
    headers = "".join(h + "\r\n" for h in sys.argv[7:])
    host = os.environ.get("HOST", address)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()
    until = [0.0]
    barrier = threading.Barrier(n + 1)
    clients = [Client(address, port, n / rate, until, request, barrier) for _ in range(n)]
    for client in clients:
        client.start()
    until[0] = time.monotonic() + seconds + 60
    barrier.wait()
    until[0] = time.monotonic() + seconds
    print("started", flush=True)
    for client in clients:
        client.join(seconds + 60)
    latencies = sorted(l for c in clients for l in c.latencies) or [0]
    print(json.dumps({
        "requests": sum(len(c.latencies) for c in clients),
        "failures": sum(c.failures for c in clients),
        "closed": sum(c.closed for c in clients),
        "connects": sum(c.connects for c in clients),
        "statuses": merge(clients, "statuses"), "bodies": merge(clients, "bodies"),
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
        "max_ms": latencies[-1] * 1e3}), flush=True)


if __name__ == "__main__":
    main()
