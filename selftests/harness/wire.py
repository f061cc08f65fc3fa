# SPDX-License-Identifier: BSD-2-Clause
"""Frames as they are on a link of a lab: caught with their VLAN tag, and sent as they are."""
import ctypes
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID = 0x10


def packet_socket(lab, node, protocol):
    """A packet socket at a node's eth0; protocol 0: for sending alone."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{lab.prefix}-{node}", os.O_RDONLY)
    try:
        _enter(there)
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        s.bind(("eth0", protocol))
        return s
    finally:
        _enter(home)
        os.close(home)
        os.close(there)


class Capture:
    """Frames that arrive at a node's eth0, from now on."""

    def __init__(self, lab, node):
        self.socket = packet_socket(lab, node, ETH_P_ALL)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)

    def frames(self, limit=1 << 30, quiet_s=0.3, others=False):
        """
        Those that are there, and come until none does for a while; a tag that the kernel took out is back.
        With others, also what is to another hardware address than the node's.
        """
        wanted = (socket.PACKET_HOST, socket.PACKET_OTHERHOST) if others else (socket.PACKET_HOST,)
        self.socket.settimeout(quiet_s)
        out = []
        try:
            while len(out) < limit:
                frame, extra, _, where = self.socket.recvmsg(4096, 256)
                if where[2] in wanted:
                    out.append(_tagged(frame, extra))
        except OSError:
            pass
        self.close()
        return out

    def close(self):
        self.socket.close()


def folded(data):
    """The sum of RFC 1071, without the complement."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def udp(source, target, sport, dport, payload):
    """An IP packet, of the family that its addresses have."""
    v6 = ":" in source
    family = socket.AF_INET6 if v6 else socket.AF_INET
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    check = ~folded(ends + struct.pack("!HH", 17, 8 + len(payload)) + head + payload) & 0xffff or 0xffff
    body = head[:6] + struct.pack("!H", check) + payload
    if v6:
        return struct.pack("!IHBB", 6 << 28, len(body), 17, 64) + ends + body
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0) + ends
    return ip[:10] + struct.pack("!H", ~folded(ip) & 0xffff) + ip[12:] + body


def _tagged(frame, extra):
    """struct tpacket_auxdata: status, len, snaplen; u16 mac, net, vlan_tci, vlan_tpid."""
    for level, kind, data in extra:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                return frame[:12] + struct.pack("!HH", tpid or 0x8100, tci) + frame[12:]
    return frame


def _enter(netns):
    if ctypes.CDLL(None, use_errno=True).setns(netns, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
