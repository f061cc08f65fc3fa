# SPDX-License-Identifier: BSD-2-Clause
"""Connection ids that name a server, as docs/feature/quic.md says that backends make them."""
import ctypes
import os


class Aes:
    """AES-128 of single blocks, by OpenSSL's library."""

    def __init__(self, key):
        self.lib = ctypes.CDLL("libcrypto.so.3")
        for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_ecb"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.ctx = ctypes.c_void_p(self.lib.EVP_CIPHER_CTX_new())
        cipher = ctypes.c_void_p(self.lib.EVP_aes_128_ecb())
        if len(key) != 16 or self.lib.EVP_EncryptInit_ex(self.ctx, cipher, None, key, None) != 1:
            raise ValueError("not a key of AES-128")

    def encrypt(self, block):
        out, n = ctypes.create_string_buffer(32), ctypes.c_int(0)
        if self.lib.EVP_EncryptUpdate(self.ctx, out, ctypes.byref(n), block, len(block)) != 1:
            raise ValueError("not a block")
        return out.raw[:n.value]


def four_pass(aes, text):
    """Section 5.4.2. Of an odd number of bytes the middle one is cut in two."""
    n, half = len(text), (len(text) + 1) // 2
    left, right = bytearray(text[:half]), bytearray(text[n - half:])
    for number in range(5):
        if number:
            source, other = (left, right) if number % 2 else (right, left)
            mask = aes.encrypt(bytes(source).ljust(14, b"\0") + bytes([n, number]))
            other[:] = bytes(a ^ b for a, b in zip(other, mask))
        if n % 2:
            left[-1] &= 0xf0
            right[0] &= 0x0f
    if n % 2:
        return bytes(left[:-1]) + bytes([left[-1] | right[0]]) + bytes(right[1:])
    return bytes(left + right)


class Config:
    """One kind of them (draft-ietf-quic-load-balancers-19, sections 3 and 5); key: its 16 bytes, or None."""

    def __init__(self, config_id, server_id_bytes, nonce_bytes, key=None):
        self.config_id = config_id
        self.server_id_bytes = server_id_bytes
        self.nonce_bytes = nonce_bytes
        self.aes = Aes(key) if key else None

    def make(self, server_id, nonce=None):
        """First octet (config rotation, and how many bytes follow), then server id and nonce."""
        body = self.server_id_bytes + self.nonce_bytes
        nonce = os.urandom(self.nonce_bytes) if nonce is None else nonce
        text = server_id.to_bytes(self.server_id_bytes, "big") + nonce
        if self.aes:
            text = self.aes.encrypt(text) if body == 16 else four_pass(self.aes, text)
        return bytes([self.config_id << 5 | body]) + text
