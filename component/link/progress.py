"""How far the stanzas of a session have been handled, for who keeps them until then (XEP-0198 §4). No I/O."""

from __future__ import annotations

from collections import deque

PATIENCE_S = 5.0
"""A handler that takes longer holds up the count no more (seconds): else one that waits for somebody would
have everything behind it repeated when this process dies."""


class Progress:
    """Counts stanzas in the order in which they came."""

    def __init__(self) -> None:
        self._first = 0
        """The number of the first one in `_open`."""
        self._open: deque[float | None] = deque()
        """When each began; None for one that has been handled behind one that has not."""

    def begin(self, now: float) -> int:
        """A stanza has come: its number."""
        self._open.append(now)
        return self._first + len(self._open) - 1

    def done(self, number: int) -> None:
        """It has been handled."""
        index = number - self._first
        if index == 0:
            self._open.popleft()
            self._first += 1
            while self._open and self._open[0] is None:
                self._open.popleft()
                self._first += 1
        elif index > 0:
            self._open[index] = None

    def handled(self, now: float) -> int:
        """How many have been handled up to the first that has not, or that began too long ago to wait for."""
        while self._open and (self._open[0] is None or now - self._open[0] > PATIENCE_S):
            self._open.popleft()
            self._first += 1
        return self._first
