"""Who is told of which sources when: changes are collected, told to all, and again where they got lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

from component.focus.effects import PeerAnswer
from component.focus.participant import Participant
from component.focus.records import TellingRecord
from component.focus.session import Session
from component.focus.signalling import Announced, Sources, signalling_delay_s
from component.link import LinkDown
from jingle.element import Jingle
from jingle.source_map import SourceMap


class TellingRoom(Protocol):
    """The room, as those see it who tell participants of sources."""

    @property
    def participants(self) -> Mapping[str, Participant]:
        """By nick, in the order in which they joined."""

    @property
    def settled(self) -> bool:
        """Whether it is known who is there: sources of somebody who has left are told to nobody."""


class Request(Protocol):
    """Sends a participant a Jingle request with an id, and has its answer given to `done`."""

    def __call__(
        self, participant: Participant, jingle: Jingle, done: Callable[[PeerAnswer, float], None], id: str
    ) -> None:
        """Send it."""


class Telling:
    """Tells the participants of one room of each other's `sources`."""

    def __init__(
        self, room: TellingRoom, sources: SourceMap, new_id: Callable[[], str], request: Request
    ) -> None:
        self._room = room
        self._sources = sources
        self._new_id = new_id
        self._request = request
        self.announced = Announced()
        self.under_way: dict[str, TellingRecord] = {}
        """Changes of which receivers have not said yet that they arrived, by the requests' id."""
        self._at: float | None = None

    def begin(self, participant: Participant) -> Sources:
        """A new session begins: what its offer tells."""
        current = self.announced.current(self._sources.all())
        view, participant.differing = self.announced.begin(participant.receiver, current)
        return view

    def forget(self, nick: str) -> None:
        """A participant has left. The others see that by its presence: no source-remove."""
        self.announced.forget(nick)
        for other in self._room.participants.values():
            if other.differing and nick in other.differing:
                other.differing = {owner: told for owner, told in other.differing.items() if owner != nick}

    def soon(self, now: float) -> None:
        """Tell receivers what they do not know, when changes have been collected for a while."""
        if self._at is None:
            self._at = now + signalling_delay_s(len(self._room.participants))

    def next_time(self) -> float | None:
        """When `tick` has something to do."""
        return self._at if self._room.settled else None

    def tick(self, now: float) -> None:
        """Tell what was collected."""
        if self._at is not None and now >= self._at and self._room.settled:
            self._at = None
            self._tell_all()

    def _tell_all(self) -> None:
        advance = self.announced.advance(self.announced.current(self._sources.all()))
        told: dict[int, TellingRecord] = {}
        for participant in self._room.participants.values():
            differing = participant.differing
            if participant.session is None or differing is None:
                continue
            receiver = participant.receiver
            if not participant.active:
                if advance.owners:
                    participant.differing = advance.left_behind(receiver, differing)
                continue
            if differing:
                participant.differing = {}
            for action, sources in advance.changes(receiver, differing):
                # Receivers that know the same are told the same: it stands once in the journal.
                if id(sources) not in told:
                    told[id(sources)] = TellingRecord(self._new_id(), action, sources, ())
                telling = told[id(sources)]
                told[id(sources)] = replace(telling, receivers=(*telling.receivers, participant.nick))
                self._tell(participant, participant.session, telling)
        self.under_way |= {telling.id: telling for telling in told.values()}

    def _tell(self, participant: Participant, session: Session, telling: TellingRecord) -> None:
        self._request(
            participant,
            participant.receiver.change(telling.action, session.sid, telling.sources),
            partial(self.answered, participant, session, telling),
            id=telling.id,
        )

    def answered(
        self,
        participant: Participant,
        session: Session,
        telling: TellingRecord,
        answer: PeerAnswer,
        now: float,
    ) -> None:
        """A receiver has answered a change. What did not reach it is told again with the next ones."""
        waiting = self.under_way.get(telling.id)
        if waiting is not None:
            receivers = tuple(nick for nick in waiting.receivers if nick != participant.nick)
            if receivers:
                self.under_way[telling.id] = replace(waiting, receivers=receivers)
            else:
                del self.under_way[telling.id]
        if not isinstance(answer, LinkDown) or participant.session is not session:
            return
        if participant.differing is not None:
            participant.differing = self.announced.untold(
                participant.receiver, participant.differing, telling.action, telling.sources
            )
