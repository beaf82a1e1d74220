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

    def admit(self, source: str) -> Admission:
        """Count a connection if it may stay; `release` is due for it then."""
        if self._all >= self._maximum:
            return Admission.FULL
        if self._by_source.get(source, 0) >= self._maximum_per_source:
            return Admission.SOURCE_FULL
        self._by_source[source] += 1
        self._all += 1
        return Admission.ADMITTED

    def release(self, source: str) -> None:
        """An admitted connection ended."""
        self._all -= 1
        self._by_source[source] -= 1
        if not self._by_source[source]:
            del self._by_source[source]
