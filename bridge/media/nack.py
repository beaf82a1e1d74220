"""The gaps in one received stream, and when to ask the sender for what is missing (RFC 4585 §6.2.1)."""

from __future__ import annotations

MAX_MISSING = 300
"""A longer gap is not repaired packet by packet: a key frame is cheaper."""
REORDER_S = 0.010
"""A packet may be overtaken: it is asked for only when it is this late."""
MAX_TRIES = 8
MAX_AGE_S = 1.0
"""Older packets are of no use to a receiver's jitter buffer."""
MIN_INTERVAL_S = 0.020


class MissingPackets:
    """Extended sequence numbers that did not come yet, each with when it is to be asked for next."""

    __slots__ = ("_missing", "next_due")

    def __init__(self) -> None:
        self._missing: dict[int, tuple[float, float, int]] = {}
        self.next_due = float("inf")
        """No call of due() before this time gives anything."""

    def __len__(self) -> int:
        return len(self._missing)

    def __contains__(self, index: int) -> bool:
        return index in self._missing

    def gap(self, indexes: list[int], now: float) -> bool:
        """These packets were skipped. False when that is too much to repair: ask for a key frame."""
        if len(self._missing) + len(indexes) > MAX_MISSING:
            self.clear()
            return False
        ask_at = now + REORDER_S
        for index in indexes:
            self._missing[index] = (now, ask_at, 0)
        self.next_due = min(self.next_due, ask_at)
        return True

    def received(self, index: int) -> None:
        """A packet came after all."""
        self._missing.pop(index, None)

    def forget_before(self, index: int) -> None:
        """A key frame begins at `index`: nothing before it is needed any more."""
        for old in [old for old in self._missing if old < index]:
            del self._missing[old]

    def clear(self) -> None:
        """Forget all."""
        self._missing.clear()
        self.next_due = float("inf")

    def due(self, now: float, rtt_s: float) -> list[int]:
        """The extended numbers to ask for now, in order; each is asked for once per RTT and MAX_TRIES times
        in all."""
        wait = max(MIN_INTERVAL_S, rtt_s)
        asked: list[int] = []
        given_up: list[int] = []
        self.next_due = float("inf")
        for index, (since, ask_at, tries) in self._missing.items():
            if now - since > MAX_AGE_S or tries >= MAX_TRIES:
                given_up.append(index)
            elif ask_at <= now:
                asked.append(index)
            else:
                self.next_due = min(self.next_due, ask_at)
        for index in given_up:
            del self._missing[index]
        for index in asked:
            since, _, tries = self._missing[index]
            self._missing[index] = (since, now + wait, tries + 1)
        if asked:
            self.next_due = min(self.next_due, now + wait)
        return sorted(asked)
