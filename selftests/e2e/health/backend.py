#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A backend whose health can be told: backend.py STATE_FILE CHAIN KEY [ADDRESS].

The state file holds words: an HTTP status, or "mute" (TCP is accepted, nothing is answered). Listens for HTTP on
8080 and HTTPS on 8443, where Host and the server name of TLS have to be web.internal; answers to "ping" on UDP 7007
and to DNS questions on UDP 5300. Datagrams to 5353 are counted; SIGTERM prints {"last": seconds of CLOCK_MONOTONIC,
"n": count}.
"""
import http.server
import json
import signal
import socket
import socketserver
import ssl
import sys
import threading
import time

STATE, CHAIN, KEY = sys.argv[1:4]
ADDRESS = (sys.argv + [""])[4]  # else all of them
count = {"n": 0, "last": 0.0}


def state():
    with open(STATE, encoding="ascii") as f:
        return f.read().split()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        words = state()
        if "mute" in words:
            time.sleep(5)
        body = b"all is ok here\n"
        good = self.path == "/healthz" and self.headers["Host"].split(":")[0] == "web.internal"
        good = good and getattr(self.connection, "sni", "web.internal") == "web.internal"
        self.send_response(int(words[0]) if good else 404)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (body[:9], body[9:]):  # "ok" is in two chunks
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    server_bind = socketserver.TCPServer.server_bind  # without asking the name of its address

    def handle_error(self, *_):
        pass


class TlsServer(Server):
    def finish_request(self, request, address):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CHAIN, KEY)
        context.sni_callback = lambda connection, name, _: setattr(connection, "sni", name)
        super().finish_request(context.wrap_socket(request, server_side=True), address)


def udp(port, answer):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ADDRESS, port))
    while True:
        data, peer = s.recvfrom(2048)
        reply = answer(data)
        if reply:
            s.sendto(reply, peer)


def dns(data):
    code = 0 if b"\x07example\x03com\x00" in data else 3
    return data[:2] + bytes([0x81, 0x80 | code]) + data[4:]


def note(_):
    count["last"] = time.clock_gettime(time.CLOCK_MONOTONIC)
    count["n"] += 1


# No thread takes it but the one that waits for it, below: a handler might wait for the end of a sleep.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
for target in (Server((ADDRESS, 8080), Handler).serve_forever, TlsServer((ADDRESS, 8443), Handler).serve_forever,
               lambda: udp(7007, lambda d: b"pong" if d == b"ping" and state()[0] == "200" else None),
               lambda: udp(5300, dns), lambda: udp(5353, note)):
    threading.Thread(target=target, daemon=True).start()
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
print(json.dumps(count), flush=True)
