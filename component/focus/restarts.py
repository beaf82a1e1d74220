"""How often a participant may ask for a new session, or for a restart of ICE."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

MINUTE_S = 60.0


class RestartLimit:
    """At least `interval_s` between two requests and at most `per_minute` in any minute."""

    def __init__(self, interval_s: float, per_minute: int, granted: Iterable[float] = ()) -> None:
        """`granted` are times of requests that count already."""
        self._interval_s = interval_s
        self._granted = deque(granted, maxlen=max(1, per_minute))

    @property
    def granted(self) -> tuple[float, ...]:
        """The times of the latest requests that were granted."""
        return tuple(self._granted)

    def allow(self, now: float) -> bool:
        """Whether a request at `now` is granted; only granted ones count."""
        if self._granted and now - self._granted[-1] < self._interval_s:
            return False
        if len(self._granted) == self._granted.maxlen and now - self._granted[0] < MINUTE_S:
            return False
        self._granted.append(now)
        return True
