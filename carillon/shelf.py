"""A shelf for sockets that outlive the process which has opened them: two ends of a pair that nobody reads.

A supervisor has both ends, and gives them to each process of a program. What a process puts there lies in the
kernel, as a message under way. When the process is killed, its listeners go on listening: connections wait in
their queues for the next process, which takes them from the shelf, instead of being refused.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

VARIABLE: Final = "_CARILLON_SHELF"
"""In the environment of such a process: the descriptors of both ends. It names no setting."""

MAX_SOCKETS: Final = 250
"""The kernel takes 253 in one message (SCM_MAX_FD)."""


class Shelf:
    """The shelf of one program."""

    def __init__(self, ends: tuple[socket.socket, socket.socket] | None = None) -> None:
        """A new shelf, unless its ends are given."""
        self._out, self._in = ends or socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._out, self._in):
            end.setblocking(False)

    @classmethod
    def adopted(cls, first: int, second: int) -> Shelf:
        """The shelf with these descriptors, left open by who was this process before. Raises OSError."""
        ends = socket.socket(fileno=first), socket.socket(fileno=second)
        for end in ends:
            end.set_inheritable(False)
        return cls(ends)

    @classmethod
    def inherited(cls, environment: Mapping[str, str]) -> Shelf | None:
        """The shelf that a supervisor has given to this process; None: there is none."""
        try:
            first, second = map(int, environment.get(VARIABLE, "").split())
            return cls.adopted(first, second)
        except (ValueError, OSError):
            return None

    @property
    def descriptors(self) -> tuple[int, int]:
        """Which a child process must keep open."""
        return self._out.fileno(), self._in.fileno()

    @property
    def environment(self) -> dict[str, str]:
        """The variable that tells the child."""
        return {VARIABLE: " ".join(map(str, self.descriptors))}

    def put(self, sockets: Sequence[socket.socket]) -> bool:
        """Have these lie there instead of all that do; they stay open here. False when the kernel refuses."""
        for old in self.take():
            old.close()
        try:
            socket.send_fds(self._in, [b"."], [one.fileno() for one in sockets[:MAX_SOCKETS]])
        except OSError:
            return False
        return True

    def take(self) -> list[socket.socket]:
        """Take all that lies there."""
        taken: list[socket.socket] = []
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._out, 1, MAX_SOCKETS)
            except OSError:  # there is no more
                return taken
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
                taken.append(socket.socket(fileno=descriptor))
                taken[-1].setblocking(False)
            if not message:
                return taken

    def close(self) -> None:
        """Close this process's ends; idempotent."""
        self._out.close()
        self._in.close()
