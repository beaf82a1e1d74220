"""One connected socket: reads when it may, writes what it is given, and can be stopped between two bytes.

asyncio's transports write on their own what they have once been given; a socket that is to go on in another
process must not.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from carillon.unreadable import reason

READ_BYTES = 65536
HIGH_BYTES = 1024 * 1024
"""Bytes that the peer has not taken: from here on nobody gives us reasons for more."""
LOW_BYTES = 65536
"""From here on they may again."""


class Channel:
    """Bytes in both directions. Nothing begins before `start`."""

    def __init__(
        self,
        peer: socket.socket,
        received: Callable[[bytes], None],
        ended: Callable[[str], None],
        eased: Callable[[], None] = lambda: None,
    ) -> None:
        """`ended` is called once when the connection is over, with words; `eased` when a backlog is gone."""
        self.socket = peer
        self._received = received
        self._ended = ended
        self._eased = eased
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._flush_due: asyncio.Handle | None = None
        self._runs = False
        self._holds = False
        self._congested = False
        self._finishing = False
        self._writes = False
        """Whether the loop looks for room in the kernel."""
        self._reads = False
        self._blocked = False
        """Whether the kernel had no room the last time."""
        self._closed = False

    @property
    def unsent(self) -> bytes:
        """What was written and is not with the kernel."""
        return bytes(self._unsent)

    @property
    def congested(self) -> bool:
        """Whether the peer takes so little that nothing should be made for it now."""
        return self._congested

    @property
    def reads(self) -> bool:
        """Whether it takes what comes."""
        return self._reads

    def start(self) -> None:
        """Begin, or go on after `freeze`."""
        self._runs = True
        self._watch()
        if self._unsent:
            self._flush()

    def freeze(self) -> None:
        """Read and write nothing more; what is unsent stays."""
        self._runs = False
        self._watch()
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None

    def hold(self, holds: bool) -> None:
        """Read nothing while `holds`: what comes waits in the kernel, and then at the sender."""
        if holds is not self._holds:
            self._holds = holds
            self._watch()

    def write(self, data: bytes) -> None:
        """Send, together with what else is written in this turn of the loop."""
        if self._closed:
            return
        self._unsent += data
        self._congested = self._congested or len(self._unsent) > HIGH_BYTES
        if self._runs and self._flush_due is None and not self._writes:
            self._flush_due = self._loop.call_soon(self._flush)

    def finish(self) -> None:
        """Close when everything is sent; nothing is read any more, and `ended` is not called."""
        self._finishing = True
        self._ended = _nobody
        self._watch()
        self._flush()

    def close(self) -> None:
        """Close at once, without a word to anybody; idempotent."""
        self.freeze()
        self._closed = True
        self._ended = _nobody
        self._unsent.clear()
        self.socket.close()

    def _watch(self) -> None:
        """Have the loop look for what is wanted now."""
        reads = self._runs and not self._holds and not self._finishing
        writes = self._runs and bool(self._unsent) and self._blocked
        if reads is not self._reads:
            self._reads = reads
            if reads:
                self._loop.add_reader(self.socket, self._readable)
            else:
                self._loop.remove_reader(self.socket)
        if writes is not self._writes:
            self._writes = writes
            if writes:
                self._loop.add_writer(self.socket, self._flush)
            else:
                self._loop.remove_writer(self.socket)

    def _readable(self) -> None:
        try:
            data = self.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._over(reason(error))
            return
        if data:
            self._received(data)
        else:
            self._over("the connection was closed")

    def _flush(self) -> None:
        self._flush_due = None
        if not self._runs:
            return
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent[:READ_BYTES])]
            self._blocked = False
        except (BlockingIOError, InterruptedError):
            self._blocked = True
        except OSError as error:
            self._over(reason(error))
            return
        self._watch()
        if self._finishing and not self._unsent:
            self.close()
            return
        if self._congested and len(self._unsent) <= LOW_BYTES:
            self._congested = False
            self._eased()

    def _over(self, why: str) -> None:
        ended = self._ended
        self.close()
        ended(why)


def _nobody(_why: str) -> None:
    """Whom the end is no news to."""
