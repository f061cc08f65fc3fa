# SPDX-License-Identifier: BSD-2-Clause
"""Writes databases in MaxMind's format (maxmind.github.io/MaxMind-DB), a few hundred bytes each.

A file is: the nodes of a binary tree over the bits of an address, two 24-bit records each; 16 zero
bytes; the data section; a marker; metadata. A record is the number of a node, or the number of nodes
for "nothing here", or the number of nodes + 16 + the offset of data.
"""
import ipaddress
import struct


def _control(kind, size):
    """Type and size of a value; sizes from 29 on have one more byte."""
    head, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | head]) + more if kind < 8 else bytes([head, kind - 7]) + more


class Short(int):
    """A number of the type uint16; others are uint32 or, where they need it, uint64."""


def encode(value):
    if isinstance(value, str):
        text = value.encode()
        return _control(2, len(text)) + text
    if isinstance(value, dict):
        return _control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(encode(v) for v in value)
    size = (value.bit_length() + 7) // 8
    kind = 5 if isinstance(value, Short) else 6 if size <= 4 else 9
    return _control(kind, size) + value.to_bytes(size, "big")


def database(records, aliases=(), ip_version=6):
    """The bytes of a file: {prefix: value}; aliases are prefixes that lead to ::/96 as well."""
    data, offsets = b"", {}
    nodes = [[None, None]]

    def bits_of(prefix):
        net = ipaddress.ip_network(prefix)
        width, length = (128, net.prefixlen) if net.version == 6 or ip_version == 6 else (32, net.prefixlen)
        if net.version == 4 and ip_version == 6:
            length += 96
        return [int(net.network_address) >> (width - 1 - i) & 1 for i in range(length)]

    def node_at(bits):
        at = 0
        for bit in bits:
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        return at

    for prefix, value in records.items():
        bits = bits_of(prefix)
        key = repr(value)
        if key not in offsets:
            offsets[key] = len(data)
            data += encode(value)
        nodes[node_at(bits[:-1])][bits[-1]] = ("data", offsets[key])
    for prefix in aliases:
        bits = bits_of(prefix)
        nodes[node_at(bits[:-1])][bits[-1]] = node_at([0] * 96)
    tree = b""
    for pair in nodes:
        for side in pair:
            number = len(nodes) if side is None else side if isinstance(side, int) else len(nodes) + 16 + side[1]
            tree += struct.pack(">I", number)[1:]
    meta = {"node_count": len(nodes), "record_size": Short(24), "ip_version": Short(ip_version), "database_type": "Test",
            "languages": ["en"], "binary_format_major_version": Short(2),
            "binary_format_minor_version": Short(0), "build_epoch": 1 << 33, "description": {"en": "test"}}
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(meta)
