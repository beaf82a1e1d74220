"""Nonces that need no memory (RFC 8489 §9.2): signed with their time for one 5-tuple."""

from __future__ import annotations

import base64
import hmac
import struct
from random import Random

from relay.turn.five_tuple import FiveTuple

NONCE_LIFETIME_S = 600
_MAC_BYTES = 12


class Nonces:
    """Makes and checks nonces: time (4 bytes), salt (2), HMAC of both and of the 5-tuple (12), in base64."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.key = random.randbytes(32)
        """Whoever has it takes these nonces for its own."""

    def issue(self, client: FiveTuple, now: float) -> bytes:
        """Return a nonce for `client`; 24 characters, to keep unauthenticated answers small."""
        head = struct.pack("!I", int(now)) + self._random.randbytes(2)
        return base64.b64encode(head + self._mac(head, client))

    def valid(self, nonce: bytes, client: FiveTuple, now: float) -> bool:
        """Whether `nonce` was issued to `client` within the last NONCE_LIFETIME_S."""
        try:
            raw = base64.b64decode(nonce, validate=True)
        except ValueError:
            return False
        head, mac = raw[:6], raw[6:]
        if len(mac) != _MAC_BYTES or not hmac.compare_digest(mac, self._mac(head, client)):
            return False
        issued: int = struct.unpack_from("!I", head)[0]
        return now - issued <= NONCE_LIFETIME_S

    def _mac(self, head: bytes, client: FiveTuple) -> bytes:
        text = f"{client.transport} {client.port} {client.ip}".encode()
        return hmac.digest(self.key, head + text, "sha256")[:_MAC_BYTES]
