"""One direction of an active stream: bytes from socket to socket through a pipe, never through Python."""

from __future__ import annotations

import socket
from typing import Final

from relay.socks5.pipes import Pipe, Pipes

MAX_ROUNDS: Final = 8
"""Pipes full at once before the other streams have their turn."""


class Direction:
    """Moves bytes from `source` to `sink`. The end of the one is passed on as the end of the other."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self._source = source
        self._sink = sink
        self._from, self._to = source.fileno(), sink.fileno()
        self._pipe: Pipe | None = None
        self.moved = 0
        """Bytes read so far."""
        self.ended = False
        """Whether the source has ended and the sink was told, behind the last byte."""

    @property
    def blocked(self) -> bool:
        """Whether bytes wait for the sink."""
        return self._pipe is not None

    def pump(self, pipes: Pipes) -> bool:
        """Move what can be moved; True when there may be more at once.

        Raises OSError when one of the sockets is broken, or when there is no pipe.
        """
        if self.ended:
            return False
        if self._pipe is None:
            self._pipe = pipes.take()
        for _ in range(MAX_ROUNDS):
            if not self._pipe.drain(self._to):
                return False  # it is called again when the sink takes more
            read = self._pipe.fill(self._from)
            if not read:
                self.release(pipes)
                if read == 0:
                    self._sink.shutdown(socket.SHUT_WR)
                    self.ended = True
                return False
            self.moved += read
        return True

    def release(self, pipes: Pipes) -> None:
        """Give the pipe back; what it holds is lost."""
        if self._pipe is not None:
            pipes.give(self._pipe)
            self._pipe = None
