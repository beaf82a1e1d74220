"""Which process is the component, when there are several (active and standby). No I/O.

A component instance is one process, known by its process id, with a stream for each host. The first one is
active. Others stand by, and the first of them takes its place when it is gone or is told to make way.
"""

from __future__ import annotations

RETURN_S = 5.0
"""How long an instance whose streams we ended ourselves keeps its place (seconds): it comes back at once."""
MAKE_WAY_S = 1.0
"""What an instance that is replaced gets to close its streams (seconds); its last words still count."""


class Instances:
    """The instances in the order of their coming, and who of them is active."""

    def __init__(self, active: int | None = None) -> None:
        self.active: int | None = active
        """Whose stanzas count; None when nobody is there."""
        self._streams: dict[int, int] = {}
        self._place_kept_until: float | None = None
        self._successor: int | None = None
        self._make_way_until = 0.0

    @property
    def standby(self) -> list[int]:
        """Who waits, the next one first."""
        return [pid for pid in self._streams if pid != self.active]

    @property
    def replacing(self) -> bool:
        """Whether the active one is about to be replaced: it gets nothing more."""
        return self._successor is not None

    def attached(self, pid: int, now: float) -> None:
        """A stream of this instance has proved that it knows the secret."""
        self._streams[pid] = self._streams.get(pid, 0) + 1
        if pid == self.active:
            self._place_kept_until = None
        self.tick(now)

    def detached(self, pid: int, now: float, *, by_us: bool) -> None:
        """A stream of this instance is over; `by_us`: we have ended it, for want of the server's."""
        left = self._streams.get(pid, 0) - 1
        if left > 0:
            self._streams[pid] = left
            return
        self._streams.pop(pid, None)
        if pid == self.active:
            self._place_kept_until = now + RETURN_S if by_us and not self.replacing else now
        self.tick(now)

    def replace(self, pid: int, now: float) -> None:
        """Have this instance, which stands by, take the place of the active one. Raises KeyError."""
        if pid not in self._streams:
            raise KeyError(pid)
        if pid != self.active:
            self._successor, self._make_way_until = pid, now + MAKE_WAY_S

    def tick(self, now: float) -> None:
        """See whether somebody else is active now."""
        successor = self._successor
        if successor is not None:
            if self.active in self._streams and now < self._make_way_until:
                return
            self._successor = self._place_kept_until = None
            if successor in self._streams:
                self.active = successor
                return
        kept = self._place_kept_until
        if self.active is not None and self.active not in self._streams and kept is not None and now >= kept:
            self.active = self._place_kept_until = None
        if self.active is None and self._streams:
            self.active = next(iter(self._streams))
