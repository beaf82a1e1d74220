"""How many connections a source may have (design.md: every input has a limit before it has state)."""

from __future__ import annotations

from collections import Counter
from enum import Enum


class Admission(Enum):
    """Whether a connection may stay."""

    ADMITTED = "admitted"
    SOURCE_FULL = "per-address"
    FULL = "all"


class ConnectionLimits:
    """Counts open connections, all and by source. Its table is as large as the connections that are open."""

    def __init__(self, maximum: int, maximum_per_source: int) -> None:
        self._maximum = maximum
        self._maximum_per_source = maximum_per_source
        self._by_source: Counter[str] = Counter()
        self._all = 0

    def reload(self, maximum: int, maximum_per_source: int) -> None:
        """Take other limits; nobody who is admitted has to go."""
        self._maximum = maximum
        self._maximum_per_source = maximum_per_source

    def admit(self, source: str | None) -> Admission:
        """Count a connection if it may stay; `release` is due for it then.

        None is the connection of a proxy on which no client asks anything: it counts among all alone.
        """
        if self._all >= self._maximum:
            return Admission.FULL
        if self._full(source):
            return Admission.SOURCE_FULL
        self._all += 1
        self._count(source, 1)
        return Admission.ADMITTED

    def move(self, before: str | None, after: str | None) -> Admission:
        """Count an admitted connection as another source's; nothing changes if that may have no more."""
        if before != after:
            if self._full(after):
                return Admission.SOURCE_FULL
            self._count(before, -1)
            self._count(after, 1)
        return Admission.ADMITTED

    def release(self, source: str | None) -> None:
        """An admitted connection ended."""
        self._all -= 1
        self._count(source, -1)

    def _full(self, source: str | None) -> bool:
        return source is not None and self._by_source.get(source, 0) >= self._maximum_per_source

    def _count(self, source: str | None, change: int) -> None:
        if source is not None:
            self._by_source[source] += change
            if not self._by_source[source]:
                del self._by_source[source]
