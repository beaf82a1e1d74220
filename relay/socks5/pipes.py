"""A pool of pipes for splice(2): a stream has one only while bytes are on their way through it."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from typing import Final

PIPE_BYTES: Final = 1 << 20
"""What an unprivileged user may ask for (fs.pipe-max-size); 64 KiB cost three times the CPU per byte."""
MAX_LARGE: Final = 32
"""An unprivileged user has 64 MiB of pipes in all (fs.pipe-user-pages-soft): half of that is enough."""


@dataclass(slots=True, eq=False)
class Pipe:
    """A non-blocking pipe and how many bytes are in it."""

    read_end: int
    write_end: int
    large: bool
    held: int = 0

    def fill(self, source: int) -> int | None:
        """Splice what a socket has into the empty pipe: bytes, 0 at its end, None if there are none now.

        Raises OSError when the connection is broken.
        """
        try:
            self.held = os.splice(source, self.write_end, PIPE_BYTES, flags=_FLAGS)
        except BlockingIOError:
            return None
        return self.held

    def drain(self, sink: int) -> bool:
        """Splice what the pipe holds into a socket; False when that takes no more now. Raises OSError."""
        while self.held:
            try:
                self.held -= os.splice(self.read_end, sink, self.held, flags=_FLAGS)
            except BlockingIOError:
                return False
        return True

    def close(self) -> None:
        """Close both ends."""
        os.close(self.read_end)
        os.close(self.write_end)


_FLAGS: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Pipes:
    """Pipes that are not in use; used by one thread."""

    def __init__(self) -> None:
        self._free: list[Pipe] = []
        self._large = 0

    def take(self) -> Pipe:
        """An empty pipe. Raises OSError when there are no descriptors left."""
        return self._free.pop() if self._free else self._open()

    def give(self, pipe: Pipe) -> None:
        """Take a pipe back; one that holds bytes is of no use to anybody, nor is a small one."""
        if pipe.held or not pipe.large:
            self._large -= pipe.large
            pipe.close()
        else:
            self._free.append(pipe)

    def close(self) -> None:
        """Close the pipes that are not in use."""
        while self._free:
            self._free.pop().close()

    def _open(self) -> Pipe:
        read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        large = self._large < MAX_LARGE
        if large:
            try:
                fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            except OSError:  # the user's share is used up, or the machine's limit is lower
                large = False
        self._large += large
        return Pipe(read_end, write_end, large)
