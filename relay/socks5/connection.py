"""A client's connection until its stream is active: the handshake, then watching whether it stays."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from relay.socks5.handshake import Handshake, HandshakeRefused, Reason, Reply


class Clients(Protocol):
    """Where connections bring what they hear."""

    def requested(self, connection: Connection, digest: str) -> bool:
        """The handshake is complete; False when the stream takes no more connections."""

    def lost(self, connection: Connection, reason: Reason) -> None:
        """The connection is closed, for this reason."""


class Connection:
    """Owns the socket until it is taken by `detach` or closed."""

    def __init__(
        self, number: int, source: str, accepted: socket.socket, clients: Clients, handshake: Handshake
    ) -> None:
        """`handshake` may be one that another process has begun."""
        self.number = number
        self.source = source
        """The key by which limits count the client's address."""
        self.handshake = handshake
        self._socket = accepted
        self._clients = clients
        self._loop = asyncio.get_running_loop()
        self.resume()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def pause(self) -> None:
        """Read nothing for now; idempotent."""
        self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        """Read."""
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def digest(self) -> str:
        """The hash of the stream that the client asked for; "" before it has."""
        return self.handshake.digest

    def detach(self) -> socket.socket:
        """Give the socket away: the stream is active."""
        self.pause()
        return self._socket

    def close(self) -> None:
        """Close the connection without another word."""
        self.pause()
        self._socket.close()

    def _readable(self) -> None:
        try:
            if self.handshake.wanted:
                self._shake_hands()
            else:
                self._watch()
        except BlockingIOError:
            pass
        except HandshakeRefused as refusal:
            self._say(refusal.answer)
            self._lose(refusal.reason)
        except OSError:
            self._lose(Reason.GONE)

    def _shake_hands(self) -> None:
        data = self._socket.recv(self.handshake.wanted)
        if not data:
            self._lose(Reason.GONE)
            return
        self._say(self.handshake.feed(data))
        if self.digest:
            taken = not self._clients.requested(self, self.digest)
            self._say(self.handshake.reply(Reply.NOT_ALLOWED if taken else Reply.SUCCEEDED))
            if taken:
                self._lose(Reason.TAKEN)

    def _watch(self) -> None:
        """The end of the connection, or bytes sent too early: they stay where they are until activation."""
        if self._socket.recv(1, socket.MSG_PEEK):
            self.pause()
        else:
            self._lose(Reason.GONE)

    def _say(self, answer: bytes) -> None:
        """Send a few bytes, for which a new connection always has room. Raises OSError."""
        if answer and self._socket.send(answer) != len(answer):
            raise ConnectionResetError

    def _lose(self, reason: Reason) -> None:
        self.close()
        self._clients.lost(self, reason)
