"""Dead connections noticed by the kernel (tcp(7)), without a byte of the protocol above.

A participant whose network changes comes back on a new connection, and the old one dies without a word. Until
the front knows, the XMPP server keeps the old occupant in its rooms, beside the new one.
"""

from __future__ import annotations

import asyncio
import socket

IDLE_S = 5
"""Silence before the first probe. The peer's kernel answers it: no program wakes up."""
INTERVAL_S = 5
"""From one probe to the next."""
PROBES = 3
"""Probes without an answer after which the peer is gone: together with the silence 20 s."""
UNACKNOWLEDGED_S = 15
"""How long what was sent may stay without acknowledgement: a train may be in a tunnel so long, and nobody
should be seen twice for longer. With the silence before, a client is known to be gone after 20 s at most."""


def probe(transport: asyncio.BaseTransport) -> None:
    """Notice when the peer of an idle connection is gone."""
    connection = transport.get_extra_info("socket")
    if connection.family == socket.AF_UNIX:
        return  # whose other end cannot go without a word
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, IDLE_S),
        (socket.TCP_KEEPINTVL, INTERVAL_S),
        (socket.TCP_KEEPCNT, PROBES),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def probe_client(transport: asyncio.BaseTransport) -> None:
    """Notice when a client is gone, idle or not.

    The limit also ends a connection whose peer answers probes and reads nothing. A client that does so is
    stuck; a server does so to one that sends too much, and goes on later: hence only for clients.
    """
    probe(transport)
    connection = transport.get_extra_info("socket")
    if connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_S * 1000)
