"""A conference that goes on after the process that led it: rows of the journal in, a conference out. No I/O.

Whatever that process was about to do is brought to an end: rows are written before the outside is told, so
each deed that a row tells of may have been done or not, and is done again in a form that does no harm twice.

| in the journal                       | what follows                                                        |
|--------------------------------------|---------------------------------------------------------------------|
| a session without an endpoint        | the endpoint is expired, should it exist, and asked for again       |
| an offer that nobody has answered    | a while for its answer or the accept; then invited again            |
| an active session                    | goes on; nobody is told                                             |
| a change of sources on its way       | a while for its answer; then told again                             |
| the end of a session, not confirmed  | told again                                                          |
| ICE being restarted                  | the bridge is asked again                                           |
| a mute that nobody has obeyed yet    | ordered again                                                       |
| a removal                            | goes on; who is gone already gets its affiliation back              |
| a conference that is over            | the room is left, the bridge's conference expired                   |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

import msgspec
import structlog

from carillon.journal import Row
from component.focus import ice_restart, records
from component.focus.conference import Conference
from component.focus.effects import PeerAnswer
from component.focus.features import Caps
from component.focus.metrics import PARTICIPANTS_CURRENT
from component.focus.participant import Participant
from component.focus.recording import encode
from component.focus.records import (
    BridgeRecord,
    ConferenceRecord,
    FeaturesRecord,
    ParticipantRecord,
    SourcesRecord,
    TellingRecord,
)
from component.focus.session import Session, SessionState
from component.focus.sessions import MOVING
from component.focus.signalling import forwarded
from component.link import LinkDown
from component.stanza import iq
from jingle.source_map import SourceError

TOLD_S = 1.0
"""How long the answer to a change of sources is waited for. The link has kept answers while no component was
there: those of healthy clients come with the first breath."""
ACCEPT_S = 3.0
"""How long the answer to an offer is waited for: to be invited again costs more than to be told again."""

_TYPES: dict[str, Any] = {
    records.CONFERENCE: ConferenceRecord,
    records.PARTICIPANT: ParticipantRecord,
    records.SESSION: Session,
    records.SOURCES: SourcesRecord,
    records.TELLING: tuple[TellingRecord, ...],
    records.BRIDGE: BridgeRecord,
}
_decoders = {kind: msgspec.json.Decoder(type_) for kind, type_ in _TYPES.items()}

_log = structlog.get_logger()


@dataclass
class Restored:
    """What the journal knows of one conference."""

    room: str
    conference: ConferenceRecord | None = None
    participants: dict[str, ParticipantRecord] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    sources: dict[str, SourcesRecord] = field(default_factory=dict)
    telling: tuple[TellingRecord, ...] = ()
    bridge: BridgeRecord = field(default_factory=BridgeRecord)
    damaged: bool = False
    """A row of it cannot be read: it is given up."""
    rows: list[Row] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether all that remains is to say farewell."""
        return self.damaged or self.conference is None or self.conference.closing


def read(rows: Iterable[Row]) -> list[Restored]:
    """The conferences that the rows tell of. A row that cannot be read costs its conference, no other."""
    rooms: defaultdict[str, dict[tuple[str, str], Any]] = defaultdict(dict)
    damaged: set[str] = set()
    known: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        known[row.scope].append(row)
        try:
            rooms[row.scope][row.kind, row.key] = _decoders[row.kind].decode(row.value or b"")
        except (msgspec.MsgspecError, ValueError) as error:
            _log.error("a row of the journal cannot be read", kind=row.kind, room=row.scope, error=str(error))
            damaged.add(row.scope)
    return [_restored(room, rooms[room], room in damaged, known[room]) for room in known]


def _restored(room: str, found: dict[tuple[str, str], Any], damaged: bool, rows: list[Row]) -> Restored:
    def of(kind: str) -> dict[str, Any]:
        return {key: record for (one, key), record in found.items() if one == kind}

    participants: dict[str, ParticipantRecord] = of(records.PARTICIPANT)
    return Restored(
        room,
        found.get((records.CONFERENCE, "")),
        dict(sorted(participants.items(), key=lambda item: item[1].joined_at)),
        of(records.SESSION),
        of(records.SOURCES),
        found.get((records.TELLING, ""), ()),
        found.get((records.BRIDGE, ""), BridgeRecord()),
        damaged,
        rows,
    )


def features(row: Row) -> tuple[Caps, frozenset[str]]:
    """What a row knows of the features behind a capability hash. Raises ValueError."""
    record = msgspec.json.decode(row.value or b"", type=FeaturesRecord)
    return Caps(record.hash, record.node, record.ver), record.features


def features_row(caps: Caps, known: frozenset[str] | None) -> Row:
    """The row that remembers it; with None the one that forgets it."""
    key = f"{caps.node}#{caps.ver}"
    if known is None:
        return Row(records.FEATURES, "", key, None)
    return Row(records.FEATURES, "", key, encode(FeaturesRecord(caps.hash, caps.node, caps.ver, known)))


def take_up(conference: Conference, restored: Restored, epoch: float, now: float) -> None:
    """Make a conference that was made as `continued` what it was; `epoch` is Unix time at zero of its clock.

    Of one that is over nothing is taken up but what the bridge must hear of.
    """
    record = restored.conference
    if record is None or restored.over:
        conference.bridge.restore(restored.bridge, {}, now)
        return
    conference.created_at = min(now, record.created_at - epoch)
    conference.expected |= {jid: until - epoch for jid, until in record.expected}
    for nick, one in restored.participants.items():
        conference.participants[nick] = _participant(conference, one, epoch, now)
    PARTICIPANTS_CURRENT.inc(len(conference.participants))
    _Sessions(conference, restored).take_up(now)


def _participant(conference: Conference, record: ParticipantRecord, epoch: float, now: float) -> Participant:
    def granted(times: Iterable[float]) -> list[float]:
        return [min(now, time - epoch) for time in times]

    return Participant(
        record.occupant,
        min(now, record.joined_at - epoch),
        restarts=conference.limit(granted(record.restarts)),
        ice_restarts=conference.limit(granted(record.ice_restarts)),
        supported=record.supported,
        declined=record.declined,
        told_full=record.told_full,
        muted=record.muted,
        obeyed=record.obeyed,
        parting=dict(record.parting),
        handled=record.handled,
    )


class _Sessions:
    """Takes up the sessions of a conference."""

    def __init__(self, conference: Conference, restored: Restored) -> None:
        self._conference = conference
        self._restored = restored
        self._going_on: dict[str, Session] = {}
        """What goes on at the bridge, by endpoint."""

    def take_up(self, now: float) -> None:
        """What can be done before the room is joined; the rest is done when it is ready."""
        conference, restored = self._conference, self._restored
        existing = set(restored.bridge.existing)
        for nick, session in restored.sessions.items():
            participant = conference.participants.get(nick)
            if participant is not None and session.open:
                participant.session = session
                participant.differing = restored.participants[nick].told
                self._going_on |= {part.nick: part for part in session.parts if part.nick in existing}
        self._sources()
        conference.bridge.restore(restored.bridge, self._going_on, now)
        for telling in restored.telling:
            self._expect_told(telling)
        for participant in conference.participants.values():
            if participant.session is not None and participant.session.state is SessionState.PENDING:
                self._expect_answer(participant, participant.session)
        conference.settle = self._settle

    def _sources(self) -> None:
        sessions = self._conference.sessions
        for nick, record in self._restored.sources.items():
            participant = self._conference.participants.get(nick)
            if participant is not None and participant.session is not None:
                try:
                    sessions.sources.add(nick, record.owned)
                except SourceError as error:
                    _log.error(
                        "sources in the journal break a rule", room=self._restored.room, error=error.text
                    )
            told = forwarded(record.owned) if record.told is None else record.told
            if told:
                sessions.telling.announced.told[nick] = told

    def _expect_told(self, telling: TellingRecord) -> None:
        conference = self._conference
        known = [nick for nick in telling.receivers if nick in conference.participants]
        for nick in known:
            participant = conference.participants[nick]
            session = participant.session
            if session is None:
                continue

            def answered(
                answer: PeerAnswer,
                now: float,
                participant: Participant = participant,
                session: Session = session,
            ) -> None:
                lost = answer if answer is not None else LinkDown("no answer")
                conference.sessions.telling.answered(participant, session, telling, lost, now)
                if answer is None:
                    conference.sessions.telling.soon(now)

            conference.sessions.telling.under_way[telling.id] = telling
            conference.expect(_request(conference, participant, telling.id), answered, TOLD_S)

    def _expect_answer(self, participant: Participant, session: Session) -> None:
        """The accept will come if the offer has arrived."""
        sessions = self._conference.sessions

        def answered(answer: PeerAnswer, now: float) -> None:
            if answer is not None:
                sessions.initiated(participant, session, answer, now)
            elif participant.session is session and session.state is SessionState.PENDING:
                sessions.restart(participant, now)

        if not session.heard:
            self._conference.expect(
                _request(self._conference, participant, session.bridge_session), answered, ACCEPT_S
            )

    def _settle(self, now: float) -> None:
        """The room is ready: do what was begun and may not have been done."""
        conference, restored = self._conference, self._restored
        sessions = conference.sessions
        sessions.part_again()
        for nick, participant in list(conference.participants.items()):
            if nick not in restored.participants:
                continue
            if participant.supported is None:
                conference.discovery.look_up(participant)
            conference.muting.order_again(participant)
            if participant.session is not None:
                self._settle_session(participant, participant.session, now)
        if restored.conference is not None:
            conference.removal.go_on(restored.conference.removals, restored.conference.ending)
        sessions.telling.soon(now)

    def _settle_session(self, participant: Participant, session: Session, now: float) -> None:
        if self._restored.sessions.get(participant.nick) is not session:
            return  # it is of this process
        sessions = self._conference.sessions
        waiting = [part for part in session.parts if part.state is SessionState.ALLOCATING]
        if any(part.nick not in self._going_on for part in session.parts if part not in waiting):
            sessions.end(participant, now, reason=MOVING)
            return
        for part in waiting:
            sessions.bridge.allocate(part, participant.occupant.stats_id, now)
        if session.restarting:
            ice_restart.again(sessions, participant, session)


def _request(conference: Conference, participant: Participant, id: str) -> Element:
    return iq("set", participant.jid, conference.own_jid, id=id)
