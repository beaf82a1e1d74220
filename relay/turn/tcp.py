"""TCP connections of clients (RFC 8656 §2.1): each carries STUN and ChannelData messages of one 5-tuple."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from relay.turn.five_tuple import FiveTuple
from relay.turn.framing import Framing, FramingError

# A client that does not read loses media instead of filling our memory: 256 KiB are one second at 2 Mb/s.
MAX_WRITE_BUFFER_BYTES = 256 << 10
# Before there is an allocation only short requests are of use, so a thousand half messages stay small.
MAX_REQUEST_BYTES = 2048
MAX_MESSAGE_BYTES = 65535 + 4


class Clients(Protocol):
    """Where connections bring what they receive."""

    def connected(self, connection: Connection) -> bool:
        """Take a new connection; False when there are too many."""

    def received(self, client: FiveTuple, message: bytes) -> None:
        """Take one whole message."""

    def garbage(self, client: FiveTuple) -> None:
        """Count a connection that is closed because of what came on it."""

    def holds_allocation(self, client: FiveTuple) -> bool:
        """Whether this client has an allocation."""

    def disconnected(self, client: FiveTuple) -> None:
        """Forget a client."""


class Connection(asyncio.Protocol):
    """One connection; without an allocation it lives for `timeout_s` at a time."""

    client: FiveTuple

    def __init__(self, clients: Clients, timeout_s: float) -> None:
        self._clients = clients
        self._timeout_s = timeout_s
        self._framing = Framing(MAX_REQUEST_BYTES)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock, or close at once when there are too many connections."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if peer is None:  # gone before it was accepted
            transport.close()
            return
        self.client = FiveTuple("tcp", peer[0], peer[1])
        if self._clients.connected(self):
            self._watch()
        else:
            self.close()

    def data_received(self, data: bytes) -> None:
        """Hand on the messages that are complete; anything that is none closes the connection."""
        try:
            messages = self._framing.feed(data)
        except FramingError:
            self._clients.garbage(self.client)
            self.close()
            return
        for message in messages:
            if self._transport is None:
                return
            self._clients.received(self.client, message)
        if self._framing.max_bytes == MAX_REQUEST_BYTES and self._clients.holds_allocation(self.client):
            self._framing.max_bytes = MAX_MESSAGE_BYTES

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server."""
        self.close()

    def send(self, message: bytes) -> bool:
        """Send a message; False when the client reads too slowly."""
        if self._transport is None or self._transport.get_write_buffer_size() > MAX_WRITE_BUFFER_BYTES:
            return False
        self._transport.write(message)
        return True

    def close(self) -> None:
        """Close the connection at once; idempotent."""
        if self._transport is None:
            return
        transport, self._transport = self._transport, None
        if self._timer is not None:
            self._timer.cancel()
            self._clients.disconnected(self.client)
        # What is still unsent is not worth memory: abort, after the kernel took what it had room for.
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def _watch(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._check)

    def _check(self) -> None:
        if self._clients.holds_allocation(self.client):
            self._watch()
        else:
            self.close()
