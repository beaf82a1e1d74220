"""TCP and TLS connections of clients (RFC 8656 §2.1): STUN and ChannelData messages of one 5-tuple each."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from carillon.tls import HANDSHAKE_TIMEOUT_S
from relay.turn.five_tuple import FiveTuple
from relay.turn.framing import Framing, FramingError
from relay.turn.tls import TlsError, TlsStream

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
    """One connection, in TLS if `tls` is given; without an allocation it lives for `timeout_s` at a time."""

    client: FiveTuple

    def __init__(self, clients: Clients, timeout_s: float, tls: TlsStream | None = None) -> None:
        self._clients = clients
        self._timeout_s = timeout_s
        self._tls = tls
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
        self.client = FiveTuple("tls" if self._tls else "tcp", peer[0], peer[1])
        if self._clients.connected(self):
            self._watch(min(self._timeout_s, HANDSHAKE_TIMEOUT_S) if self._tls else self._timeout_s)
        else:
            self.close()

    def data_received(self, data: bytes) -> None:
        """Hand on the messages that are complete; anything that is none closes the connection."""
        if self._transport is None:
            return
        try:
            messages = self._framing.feed(self._decrypted(self._tls, data) if self._tls else data)
        except (FramingError, TlsError):
            self._clients.garbage(self.client)
            self.close()
            return
        for message in messages:
            if self._transport is None:
                return
            self._clients.received(self.client, message)
        if self._tls and self._tls.ended:
            self.close()
        elif self._framing.max_bytes == MAX_REQUEST_BYTES and self._clients.holds_allocation(self.client):
            self._framing.max_bytes = MAX_MESSAGE_BYTES

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server."""
        self.close()

    def send(self, message: bytes) -> bool:
        """Send a message; False when the client reads too slowly."""
        if self._transport is None or self._transport.get_write_buffer_size() > MAX_WRITE_BUFFER_BYTES:
            return False
        if self._tls:
            try:
                message = self._tls.encrypted(message)
            except TlsError:
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
        if self._tls and self._tls.established:
            transport.write(self._tls.farewell())
        # What is still unsent is not worth memory: abort, after the kernel took what it had room for.
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def _decrypted(self, tls: TlsStream, data: bytes) -> bytes:
        """The application data in bytes of the stream. Raises TlsError."""
        assert self._transport is not None, "receiving"
        was_established = tls.established
        try:
            return tls.receive(data)
        finally:
            if answer := tls.outgoing():  # an alert as well
                self._transport.write(answer)
            if tls.established and not was_established and self._timer is not None:
                self._timer.cancel()
                self._watch(self._timeout_s)

    def _watch(self, timeout_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._check)

    def _check(self) -> None:
        if self._clients.holds_allocation(self.client):
            self._watch(self._timeout_s)
        else:
            self.close()
