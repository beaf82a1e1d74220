"""Clients of BOSH that ask for nothing too often (XEP-0124 §12). No I/O."""

from __future__ import annotations

from carillon.guard.buckets import Buckets

POLLING_S = 5
"""The time that a client leaves between two requests that ask for nothing, as it is told."""
EARLY = 0.9
"""The share of it that is long enough: clocks differ."""
BURST = 5
"""Requests that come too early before it is too much: proxies bunch them. One more each POLLING_S."""


class Overactivity:
    """Watches the requests of one session; repeats are not shown to it."""

    __slots__ = ("_allowance", "_last_at", "_last_empty", "_polls")

    def __init__(self, polls: bool, now: float) -> None:
        """`polls` says whether every request of the session is answered at once."""
        self._polls = polls
        self._allowance = Buckets(1 / POLLING_S, BURST, max_keys=1)
        self._last_at = now - POLLING_S
        self._last_empty = False
        """Whether the latest request and the latest response had nothing to say."""

    def too_much(self, empty: bool, used_up: bool, now: float) -> bool:
        """Take note of a request; `used_up` says whether the client has no further one to send."""
        needless = self._last_empty if self._polls else used_up
        soon = now - self._last_at < POLLING_S * EARLY
        self._last_at, self._last_empty = now, empty
        return empty and soon and needless and not self._allowance.take(None, now)

    def answered(self, empty: bool) -> None:
        """Take note of a response."""
        self._last_empty = self._last_empty and empty
