"""Rate limits by key, as token buckets in a table of bounded size."""

from __future__ import annotations

from collections.abc import Hashable

_ROUNDING_S = 1e-6  # what sums of times lose as floating point numbers


class Buckets:
    """One token bucket per key: `burst` tokens at first, `rate_per_s` new ones per second.

    At `max_keys` the key that took a token longest ago is forgotten (it starts again with a full bucket), so
    a flood from many forged sources costs bounded memory and locks nobody out.
    """

    def __init__(self, rate_per_s: float, burst: float, *, max_keys: int = 4096) -> None:
        self._interval = 1.0 / rate_per_s
        self._tolerance = (burst - 1.0) * self._interval
        self._max_keys = max_keys
        # For each key the time at which its bucket is full again, in the order of the last use.
        self._full_at: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: Hashable, now: float) -> bool:
        """Take a token of `key`; False when there is none, and then nothing changes."""
        full_at = max(self._full_at.get(key, now), now)
        if full_at - now > self._tolerance + _ROUNDING_S:
            return False
        self._full_at.pop(key, None)
        if len(self._full_at) >= self._max_keys:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[key] = full_at + self._interval
        return True
