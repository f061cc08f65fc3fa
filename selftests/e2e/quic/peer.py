#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""As much of QUIC as a balancer sees of it: headers, and who knows which connection id.

usage: peer.py server NAME SERVER_ID OWN_ADDRESS VIP...   serves port 443, and UDP checks at its own address
       peer.py open VIP N                        N connections, each from a port of its own: JSON of
                                                 [name, connection id] each
       peer.py send VIP                          reads such a list, sends a short header to each, each
                                                 from another port: JSON of who answered; "reset NAME"
                                                 from one that does not know the connection id
"""
import json
import os
import select
import socket
import sys

sys.path.insert(0, os.environ.get("SLUICE_ROOT", ".") + "/selftests/harness")
from quic_lb import Config  # noqa: E402

PORT = 443
# docs/feature/quic.md; a server uses another than the first once it is told to.
CONFIGS = [Config(config_id=0, server_id_bytes=2, nonce_bytes=6),
           Config(config_id=1, server_id_bytes=3, nonce_bytes=8),
           # Encrypted: in four passes, of an odd number of bytes, and in one.
           Config(config_id=2, server_id_bytes=3, nonce_bytes=6, key=bytes(range(16))),
           Config(config_id=3, server_id_bytes=4, nonce_bytes=12, key=bytes(range(16, 32)))]


def sock(address, port=0):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if port:
        s.bind((address, port))
    return s


def destination(data):
    """The connection id of a packet from a client, as its server reads it (RFC 8999, section 5)."""
    if data[0] & 0x80:
        return data[6:6 + data[5]]
    return data[1:1 + 1 + (data[1] & 0x1f)]


def server(name, server_id, own, vips):
    known, use = set(), 0
    socks = [sock(a, PORT) for a in [own, *vips]]
    print("serves", flush=True)
    while True:
        for s in select.select(socks, [], [])[0]:
            data, peer = s.recvfrom(2048)
            if data == b"ping":
                s.sendto(b"pong", peer)
            elif data[:3] == b"use":
                use = int(data[3:])
                s.sendto(b"ok", peer)
            elif data[0] & 0x80:  # Initial: answered with a connection id of ours as the source's
                cid = CONFIGS[use].make(server_id)
                known.add(cid)
                s.sendto(json.dumps([name, cid.hex()]).encode(), peer)
            else:
                answer = name if destination(data) in known else f"reset {name}"
                s.sendto(json.dumps(answer).encode(), peer)


def ask(vip, packet):
    """Datagrams may get lost while rings change; each try is from one port."""
    with sock(vip) as s:
        s.settimeout(1)
        for _ in range(5):
            s.sendto(packet, (vip, PORT))
            try:
                return json.loads(s.recv(2048))
            except socket.timeout:
                pass
    return None


def main(what, vip, *rest):
    if what == "server":
        server(vip, int(rest[0], 0), rest[1], rest[2:])
    elif what == "tell":
        with sock(vip) as s:
            s.settimeout(5)
            s.sendto(rest[0].encode(), (vip, PORT))
            print(s.recv(64).decode())
    elif what == "open":
        # 1,200 bytes, version 1, a connection id that the client made up: 8 bytes (RFC 9000 s7.2).
        print(json.dumps([ask(vip, (b"\xc0\0\0\0\1\x08" + os.urandom(8) + b"\0").ljust(1200, b"\0"))
                          for _ in range(int(rest[0]))]))
    else:
        print(json.dumps([ask(vip, b"\x40" + bytes.fromhex(cid) + os.urandom(20))
                          for _, cid in json.load(sys.stdin)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
