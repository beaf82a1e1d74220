"""TCP and TLS connections of clients (RFC 8656 §2.1): STUN and ChannelData messages of one 5-tuple each."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from carillon.tls import HANDSHAKE_TIMEOUT_S
from relay.turn.five_tuple import FiveTuple
from relay.turn.framing import Framing, FramingError
from relay.turn.stream import StreamSocket
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


class Connection:
    """One connection, in TLS if `tls` is given; without an allocation it lives for `timeout_s` at a time."""

    def __init__(
        self,
        clients: Clients,
        client: FiveTuple,
        connected: socket.socket,
        timeout_s: float,
        tls: TlsStream | None = None,
        *,
        unread: bytes = b"",
        unsent: bytes = b"",
    ) -> None:
        """`unread` and `unsent` are what another process has left of a connection that this one goes on with.

        One that `clients` does not take is closed at once.
        """
        self.client = client
        self._clients = clients
        self._timeout_s = timeout_s
        self._tls = tls
        self._framing = Framing(MAX_REQUEST_BYTES, unread)
        self._timer: asyncio.TimerHandle | None = None
        self._stream: StreamSocket | None = StreamSocket(connected, self._received, self.close, unsent)
        if clients.connected(self):
            self._allow_long_messages()
            self._watch(min(timeout_s, HANDSHAKE_TIMEOUT_S) if tls else timeout_s)
        else:
            self.close()

    def send(self, message: bytes) -> bool:
        """Send a message; False when the client reads too slowly, or another process may go on with it."""
        stream = self._stream
        if stream is None or stream.paused or len(stream.unsent) > MAX_WRITE_BUFFER_BYTES:
            return False
        if self._tls:
            try:
                message = self._tls.encrypted(message)
            except TlsError:
                return False
        stream.write(message)
        return True

    def close(self) -> None:
        """Close the connection at once; idempotent."""
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        if self._timer is not None:
            self._timer.cancel()
            self._clients.disconnected(self.client)
        if self._tls and self._tls.established:
            stream.write(self._tls.farewell())
        stream.close()

    # Another process goes on with it

    def pause(self) -> StreamSocket | None:
        """Read and send nothing for now; gives the socket, None when the connection is closed."""
        if self._stream is not None:
            self._stream.pause()
        return self._stream

    def resume(self) -> None:
        """Go on here."""
        if self._stream is not None:
            self._stream.resume()

    @property
    def unread(self) -> bytes:
        """What has come of a message that is not complete."""
        return self._framing.rest

    # What comes

    def _received(self, data: bytes) -> None:
        """Hand on the messages that are complete; anything that is none closes the connection."""
        try:
            messages = self._framing.feed(self._decrypted(self._tls, data) if self._tls else data)
        except (FramingError, TlsError):
            self._clients.garbage(self.client)
            self.close()
            return
        for message in messages:
            if self._stream is None:
                return
            self._clients.received(self.client, message)
        if self._tls and self._tls.ended:
            self.close()
        else:
            self._allow_long_messages()

    def _allow_long_messages(self) -> None:
        if self._framing.max_bytes == MAX_REQUEST_BYTES and self._clients.holds_allocation(self.client):
            self._framing.max_bytes = MAX_MESSAGE_BYTES

    def _decrypted(self, tls: TlsStream, data: bytes) -> bytes:
        """The application data in bytes of the stream. Raises TlsError."""
        assert self._stream is not None, "receiving"
        was_established = tls.established
        try:
            return tls.receive(data)
        finally:
            if answer := tls.outgoing():  # an alert as well
                self._stream.write(answer)
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
