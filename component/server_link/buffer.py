"""What came for a component that is not there: how much is kept, and what gives way to what. No I/O.

Messages and presence of rooms say what nobody says again, or only when asked; a request has somebody waiting
for an answer, who is better told soon to try again; an answer is to one who is dead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from component.server_link.framer import Stanza
from component.stanza import Kind

STANZA_BYTES = 600
"""What a stanza takes in memory beside its own bytes."""


class Sort(StrEnum):
    """What a stanza is to the buffer; the values label counters."""

    ANSWER = "answer"
    """An iq of type result or error."""
    PRESENCE = "presence"
    MESSAGE = "message"
    REQUEST = "request"
    """An iq of type get or set, or without a legal type."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of one sort when there is no room, or too much time has passed."""

    displaces: tuple[Sort, ...]
    """Of these the oldest give way, in this order."""
    refused: bool
    """Its sender is told to try again, when there is no room or nobody takes it in time."""


POLICIES = {
    Sort.ANSWER: Policy((Sort.ANSWER,), refused=False),
    Sort.PRESENCE: Policy((Sort.ANSWER, Sort.PRESENCE), refused=False),
    Sort.MESSAGE: Policy((Sort.ANSWER, Sort.PRESENCE, Sort.MESSAGE), refused=False),
    Sort.REQUEST: Policy((Sort.ANSWER, Sort.PRESENCE), refused=True),
}

_SORTS = {Kind.PRESENCE: Sort.PRESENCE, Kind.MESSAGE: Sort.MESSAGE}


def sort_of(stanza: Stanza) -> Sort:
    """What a stanza is to the buffer."""
    other = _SORTS.get(stanza.kind) if stanza.kind is not None else None
    if other is not None:
        return other
    return Sort.ANSWER if stanza.attributes.get("type") in ("result", "error") else Sort.REQUEST


@dataclass(frozen=True, slots=True)
class Kept:
    """A stanza with the time at which it came, and its place in the order."""

    stanza: Stanza
    arrived: float
    number: int

    @property
    def size(self) -> int:
        """The memory it takes (bytes)."""
        return len(self.stanza.data) + STANZA_BYTES


class Buffer:
    """The stanzas of one host that wait for a component, in their order."""

    def __init__(self, max_bytes: int, max_age_s: float) -> None:
        self.max_bytes = max_bytes
        """What all may take; may be set at any time."""
        self.max_age_s = max_age_s
        """How long a request waits (seconds); may be set at any time."""
        self.bytes = 0
        """What all take."""
        self.dropped: dict[Sort, int] = dict.fromkeys(Sort, 0)
        """How many gave way, since it was made."""
        self._queues: dict[Sort, deque[Kept]] = {sort: deque() for sort in Sort}
        self.next_number = 1
        """The place of the next one that comes."""

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def waiting(self) -> list[Kept]:
        """Everything, in its order."""
        return sorted((kept for queue in self._queues.values() for kept in queue), key=attrgetter("number"))

    def number(self, stanza: Stanza, now: float) -> Kept:
        """The stanza with its place behind all others."""
        self.next_number += 1
        return Kept(stanza, now, self.next_number - 1)

    def put(self, stanza: Stanza, now: float) -> Stanza | None:
        """Keep a stanza, or give it back when its sender is to be told that there is no room."""
        kept, sort = self.number(stanza, now), sort_of(stanza)
        policy = POLICIES[sort]
        for victims in policy.displaces:
            while self._queues[victims] and self.bytes + kept.size > self.max_bytes:
                self._drop(victims)
        if self.bytes + kept.size <= self.max_bytes:
            self._queues[sort].append(kept)
            self.bytes += kept.size
            return None
        if policy.refused:
            return stanza
        self.dropped[sort] += 1
        return None

    def put_back(self, all_kept: Iterable[Kept]) -> None:
        """Keep what was taken and not handled, before all that came later. It has had its room before."""
        for kept in sorted(all_kept, key=attrgetter("number"), reverse=True):
            self._queues[sort_of(kept.stanza)].appendleft(kept)
            self.bytes += kept.size

    def expired(self, now: float) -> list[Stanza]:
        """Take out the requests that have waited too long: their senders are to be told."""
        queue, found = self._queues[Sort.REQUEST], []
        while queue and now - queue[0].arrived > self.max_age_s:
            kept = queue.popleft()
            self.bytes -= kept.size
            found.append(kept.stanza)
        return found

    def take(self) -> list[Kept]:
        """Take out everything, in its order."""
        found = self.waiting
        for queue in self._queues.values():
            queue.clear()
        self.bytes = 0
        return found

    def _drop(self, sort: Sort) -> None:
        self.bytes -= self._queues[sort].popleft().size
        self.dropped[sort] += 1
