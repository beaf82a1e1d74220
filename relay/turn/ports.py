"""Ports of the relayed transport addresses."""

from __future__ import annotations

from collections.abc import Callable, Container
from random import Random

MAX_ATTEMPTS = 32  # ports that others on this machine hold may be met; a request must not try them all


class PortPool:
    """The free ports of a range, taken in random order (RFC 8656 §7.2): nobody should guess the next one."""

    def __init__(self, first: int, last: int, reserved: Container[int], random: Random) -> None:
        self._all = range(first, last + 1)
        self._reserved = reserved
        self._free = [port for port in self._all if port not in reserved]
        self._random = random

    def __len__(self) -> int:
        return len(self._free)

    def take(self, bind: Callable[[int], bool]) -> int | None:
        """Return a random free port that `bind` could bind, or None when there is none."""
        busy: list[int] = []
        port = None
        while self._free and len(busy) < MAX_ATTEMPTS:
            index = self._random.randrange(len(self._free))
            self._free[index], self._free[-1] = self._free[-1], self._free[index]
            candidate = self._free.pop()
            if bind(candidate):
                port = candidate
                break
            busy.append(candidate)
        self._free += busy
        return port

    def withdraw(self, ports: Container[int]) -> None:
        """These are taken already."""
        self._free = [port for port in self._free if port not in ports]

    def give_back(self, port: int) -> None:
        """Return a port whose socket is closed; one that was withdrawn may be none of this range."""
        if port in self._all and port not in self._reserved:
            self._free.append(port)
