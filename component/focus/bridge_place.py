"""Which bridge a conference is on, and when it must go to another one; requests to that bridge (no I/O)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from component.focus.bridge_health import Health
from component.focus.bridge_pool import BridgePool, Trouble
from component.focus.effects import BridgeAnswer, BridgeUnreachable
from component.focus.outbox import Outbox
from jingle.colibri2 import ConferenceModify

MAX_ENDED = 10
"""So many conferences that were ended without an answer are remembered."""


class BridgePlace:
    """The place of the conference of one room."""

    def __init__(self, outbox: Outbox, room: str, pool: BridgePool) -> None:
        self.bridge = ""
        """The address of the bridge where the conference is, or was last; "" before there was one."""
        self.ended: tuple[tuple[str, str], ...] = ()
        """Conferences, by bridge and name, of whose end their bridge has not been heard to know."""
        self._outbox = outbox
        self._room = room
        self._pool = pool
        self._epoch = 0
        """That of the bridge when it was looked at last (component.focus.bridge_health)."""

    def choose(self) -> None:
        """Find the bridge for a new conference; without any, the last one will say that it is none."""
        chosen = self._pool.choose(self._room, self.bridge)
        self.stay_at(chosen or self.bridge or self._pool.urls[0])

    def stay_at(self, bridge: str) -> None:
        """The conference is there."""
        self.bridge = bridge
        self._epoch = self._pool.epoch(bridge)

    @property
    def is_down(self) -> bool:
        """Whether nothing can come of asking the bridge, whatever it answers."""
        return self._pool.health(self.bridge) is Health.DOWN

    @property
    def is_draining(self) -> bool:
        """Whether the bridge is about to end."""
        return self._pool.health(self.bridge) is Health.DRAINING

    @property
    def trouble(self) -> Trouble:
        """Why the conference cannot be on its bridge."""
        return self._pool.trouble(self.bridge)

    @property
    def trouble_everywhere(self) -> Trouble | None:
        """Why a new conference can be on no bridge; None: it can."""
        return None if self._pool.choose(self._room, self.bridge) else self._pool.trouble("")

    @property
    def must_be_left(self) -> bool:
        """Whether the bridge is down or about to end, and there is another of which nothing bad is known.

        Where all of them are silent at a time, the machine is: to move would make it worse.
        """
        if not (self.is_down or self.is_draining):
            return False
        other = self._pool.choose(self._room, "")
        return other is not None and self._pool.health(other) is not Health.DOUBTED

    def is_back(self) -> bool:
        """Whether the bridge has come back, or was restarted, since this was asked last."""
        before, self._epoch = self._epoch, self._pool.epoch(self.bridge)
        return before != self._epoch

    def doubt(self) -> None:
        """The bridge has not answered."""
        self._pool.doubt(self.bridge)

    def ask(self, request: ConferenceModify, done: Callable[[BridgeAnswer, float], None]) -> None:
        """Send a request to the bridge; its answer goes to `done`."""
        self._outbox.ask_bridge(self.bridge, request, done)

    def end(self, bridge: str, meeting_id: str) -> None:
        """End a conference, wherever it is. A bridge that does not hear it is told when it is back."""
        ended = (bridge, meeting_id)
        self.ended = (*(one for one in self.ended if one != ended), ended)[-MAX_ENDED:]
        request = ConferenceModify(meeting_id, expire=True)
        self._outbox.ask_bridge(bridge, request, partial(self._end_answered, ended))

    def _end_answered(self, ended: tuple[str, str], answer: BridgeAnswer, now: float) -> None:
        if not isinstance(answer, BridgeUnreachable):
            self.ended = tuple(one for one in self.ended if one != ended)
