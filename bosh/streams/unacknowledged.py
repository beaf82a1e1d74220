"""What was sent to a client and not yet acknowledged (XEP-0198 §4). No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

WRAP = 1 << 32
"""Counters begin again at 0 there (XEP-0198 §4)."""


class TooHigh(Exception):
    """The client acknowledges more than it was sent."""


class Unacknowledged:
    """Stanzas in the order in which they were sent, the oldest first."""

    __slots__ = ("_stanzas", "acknowledged", "size_bytes")

    def __init__(self, acknowledged: int = 0, stanzas: Iterable[bytes] = ()) -> None:
        """`acknowledged` is the counter, `stanzas` are those sent since."""
        self.acknowledged = acknowledged
        """How many the client has handled, of all that it was ever sent."""
        self._stanzas = deque(stanzas)
        self.size_bytes = sum(map(len, self._stanzas))
        """Of all of them."""

    def __len__(self) -> int:
        return len(self._stanzas)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stanzas)

    def put(self, stanza: bytes) -> None:
        """Another one is sent."""
        self._stanzas.append(stanza)
        self.size_bytes += len(stanza)

    def acknowledge(self, handled: int) -> None:
        """The client has handled so many of all that it was sent. Raises TooHigh; nothing changes then."""
        count = (handled - self.acknowledged) % WRAP
        if count > len(self._stanzas):
            raise TooHigh
        self.acknowledged = handled
        for _ in range(count):
            self.size_bytes -= len(self._stanzas.popleft())

    def clear(self) -> None:
        """Keep nothing any more."""
        self._stanzas.clear()
        self.size_bytes = 0
