"""A connected TCP socket on the event loop.

A bare socket and not a transport of the loop: what the kernel has not taken yet is in reach, so that another
process can go on with the connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

_READ_BYTES: Final = 65536


class StreamSocket:
    """Reads into `received`, and keeps what the kernel does not take; `lost` when the peer has gone."""

    def __init__(
        self,
        connected: socket.socket,
        received: Callable[[bytes], None],
        lost: Callable[[], None],
        unsent: bytes = b"",
    ) -> None:
        """`unsent` is to be sent before everything else."""
        self._socket = connected
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self.unsent = bytearray(unsent)
        """What the kernel has not taken yet."""
        self.paused = True
        """Whether nothing is read or sent."""
        self.resume()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def write(self, data: bytes) -> None:
        """Send, now or as soon as the kernel takes more. A peer that has gone is noticed by reading."""
        if not self.unsent:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                return
            if data:
                self._loop.add_writer(self._socket.fileno(), self._writable)
        self.unsent += data

    def pause(self) -> None:
        """Read and send nothing for now; what comes waits in the kernel."""
        self.paused = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())

    def resume(self) -> None:
        """Go on."""
        self.paused = False
        self._loop.add_reader(self._socket.fileno(), self._readable)
        if self.unsent:
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def close(self) -> None:
        """Close the socket at once; what is still unsent is dropped."""
        self.pause()
        self._socket.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._received(data)
        else:
            self._lost()

    def _writable(self) -> None:
        try:
            del self.unsent[: self._socket.send(self.unsent)]
        except BlockingIOError:
            return
        except OSError:
            self.unsent.clear()
        if not self.unsent:
            self._loop.remove_writer(self._socket.fileno())
