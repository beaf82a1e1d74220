"""A listening TCP socket on the event loop; it can pause, and be handed to another process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

ACCEPT_AT_ONCE: Final = 64
"""Connections taken before the loop does something else."""
STARVED_S: Final = 1.0
"""Without descriptors, asking again at once would only burn CPU."""


class Listener:
    """Accepts connections; each socket is non-blocking, sends at once, and is the taker's."""

    def __init__(
        self,
        bound: socket.socket,
        backlog: int,
        accepted: Callable[[socket.socket, tuple[Any, ...]], None],
        starved: Callable[[], None],
    ) -> None:
        """`starved` is called when the process may open no more descriptors."""
        self._socket = bound
        self._accepted = accepted
        self._starved = starved
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        bound.listen(backlog)
        self.resume()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def pause(self) -> None:
        """Take no connections: they wait in the kernel. Idempotent."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        """Take connections again."""
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        """Close the socket; idempotent."""
        if self._socket.fileno() >= 0:
            self.pause()
            self._socket.close()

    def _readable(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                connected, peer = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                self._starved()
                self.pause()
                self._pause = self._loop.call_later(STARVED_S, self.resume)
                return
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted(connected, peer)
            if self._socket.fileno() < 0:  # whoever takes them may end
                return
