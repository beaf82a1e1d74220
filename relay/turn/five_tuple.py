"""The client's side of a 5-tuple (RFC 8656 §2): the server's side is the one listener of its transport."""

from typing import NamedTuple


class FiveTuple(NamedTuple):
    """`transport` is "udp", "tcp" or "tls"; `ip` and `port` are the client's, as the server sees them."""

    transport: str
    ip: str
    port: int
