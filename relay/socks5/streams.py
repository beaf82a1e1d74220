"""The bytestreams (XEP-0065 §6.3) by their hash: who waits for whom, what is active. No I/O.

A stream has two connections, never three: who comes third is refused and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """The life of a stream; the values label the gauge."""

    WAITING = "waiting"
    """One end is connected."""
    PAIRED = "paired"
    """Both are, and nobody has activated it."""
    ACTIVE = "active"


_JOINED: Final = {Stage.WAITING: Stage.PAIRED}
"""What becomes of a stream when one more connection comes; other stages take none."""
_REFUSED: Final = {Stage.WAITING: "not-allowed", Stage.ACTIVE: "conflict"}
"""Why a stream cannot be activated: the conditions of XEP-0065 §6.3.5, and one for what is active."""


class ActivationRefused(Exception):
    """A stream cannot be activated; `condition` is a defined condition of RFC 6120 §8.3.3."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


@dataclass(slots=True)
class Stream:
    """One stream; connections are known by numbers."""

    connections: list[int]
    stage: Stage
    since: float
    """When it came into this stage."""
    initiator: str = ""
    target: str = ""


@dataclass(slots=True)
class Streams:
    """All streams; times are seconds of one clock."""

    pending_timeout_s: float
    max_streams: int
    max_streams_per_user: int
    by_digest: dict[str, Stream] = field(default_factory=dict)
    _of_user: Counter[str] = field(default_factory=Counter)

    def join(self, digest: str, connection: int, now: float) -> bool:
        """Enter a connection; False when the stream has its two."""
        stream = self.by_digest.get(digest)
        if stream is None:
            self.by_digest[digest] = Stream([connection], Stage.WAITING, now)
            return True
        stage = _JOINED.get(stream.stage)
        if stage is None:
            return False
        stream.connections.append(connection)
        stream.stage, stream.since = stage, now
        return True

    def leave(self, digest: str, connection: int) -> None:
        """Forget a connection of a stream that is not active; the other one goes on waiting.

        One that was not taken (it came third) changes nothing.
        """
        stream = self.by_digest.get(digest)
        if stream is None or connection not in stream.connections:
            return
        stream.connections.remove(connection)
        if stream.connections:
            stream.stage = Stage.WAITING
        else:
            del self.by_digest[digest]

    def activate(self, digest: str, initiator: str, target: str, now: float) -> tuple[int, int]:
        """Make a stream active for two bare JIDs; gives its connections. Raises ActivationRefused."""
        stream = self.by_digest.get(digest)
        if stream is None:
            raise ActivationRefused("item-not-found")
        if stream.stage in _REFUSED:
            raise ActivationRefused(_REFUSED[stream.stage])
        if self.active >= self.max_streams or self._of_user[initiator] >= self.max_streams_per_user:
            raise ActivationRefused("resource-constraint")
        self._of_user[initiator] += 1
        stream.stage, stream.since = Stage.ACTIVE, now
        stream.initiator, stream.target = initiator, target
        first, second = stream.connections
        return first, second

    def end(self, digest: str) -> Stream:
        """Forget an active stream."""
        stream = self.by_digest.pop(digest)
        self._of_user[stream.initiator] -= 1
        if not self._of_user[stream.initiator]:
            del self._of_user[stream.initiator]
        return stream

    def overdue(self, now: float) -> list[int]:
        """The connections of streams that nobody joined or activated in time."""
        return [
            connection
            for stream in self.by_digest.values()
            if stream.stage is not Stage.ACTIVE and now - stream.since >= self.pending_timeout_s
            for connection in stream.connections
        ]

    @property
    def active(self) -> int:
        """How many streams are active."""
        return self._of_user.total()
