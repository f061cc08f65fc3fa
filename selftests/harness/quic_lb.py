# SPDX-License-Identifier: BSD-2-Clause
"""Connection ids that name a server, as docs/feature/quic.md says that backends make them."""
import os


class Config:
    """One kind of them (draft-ietf-quic-load-balancers-19, sections 3 and 5)."""

    def __init__(self, config_id, server_id_bytes, nonce_bytes):
        self.config_id = config_id
        self.server_id_bytes = server_id_bytes
        self.nonce_bytes = nonce_bytes

    def make(self, server_id, nonce=None):
        """First octet (config rotation, and how many bytes follow), server id, nonce."""
        body = self.server_id_bytes + self.nonce_bytes
        nonce = os.urandom(self.nonce_bytes) if nonce is None else nonce
        return (bytes([self.config_id << 5 | body]) +
                server_id.to_bytes(self.server_id_bytes, "big") + nonce)
