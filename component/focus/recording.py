"""Which rows of the journal have changed since a conference was recorded last.

It is asked before anything is told to the outside, so it has to be cheap: what has not changed is neither
encoded nor compared. What becomes of the rows: component.focus.recovery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from carillon.journal import Row
from component.focus import records
from component.focus.conference import Conference
from component.focus.lifecycle import RoomState
from component.focus.participant import Participant
from component.focus.records import ConferenceRecord, ParticipantRecord, SourcesRecord
from component.focus.signalling import forwarded
from jingle.source_map import Owned

encode = msgspec.json.Encoder(order="deterministic").encode

_NOBODY: Mapping[str, Participant] = {}


class Recorder:
    """The rows of one conference. `user` is who started it, `epoch` the Unix time at zero of its clock."""

    def __init__(self, conference: Conference, user: str, epoch: float, known: Iterable[Row] = ()) -> None:
        """`known` are the rows that the journal has of it."""
        self._conference = conference
        self._user = user
        self._epoch = epoch
        self._written: dict[tuple[str, str], int] = {}
        """A hash of the value of each row that was written, by kind and key."""
        self._nicks: set[str] = set()
        self._sources: dict[str, tuple[Owned | None, Owned | None]] = {}
        self._single: dict[str, object] = {}
        for row in known:
            self._written[row.kind, row.key] = hash(row.value)
            if row.kind in (records.PARTICIPANT, records.SESSION):
                self._nicks.add(row.key)
            elif row.kind == records.SOURCES:
                self._sources[row.key] = (None, None)

    def changes(self) -> list[Row]:
        """The rows that are others than at the last call, those that are to be deleted among them."""
        rows: list[Row] = []
        for kind, record in self._single_records():
            if kind not in self._single or self._single[kind] != record:
                self._single[kind] = record
                self._put(rows, kind, "", record)
        participants = self._participants
        for nick in self._nicks - participants.keys():
            for kind in (records.PARTICIPANT, records.SESSION):
                self._put(rows, kind, nick, None)
        self._nicks = set(participants)
        for nick, participant in participants.items():
            session = participant.session
            if participant.unrecorded:
                participant.unrecorded = False
                self._put(rows, records.PARTICIPANT, nick, self._participant(participant))
                self._put(rows, records.SESSION, nick, session)
            if session is not None and any(part.unrecorded for part in session.parts):
                for part in session.parts:
                    part.unrecorded = False
                self._put(rows, records.SESSION, nick, session)
        self._note_sources(rows)
        return rows

    def everything(self) -> Iterator[Row]:
        """All rows as they should be in the journal now."""
        for kind, record in self._single_records():
            if record is not None:
                yield self._row(kind, "", record)
        for nick, participant in self._participants.items():
            yield self._row(records.PARTICIPANT, nick, self._participant(participant))
            if participant.session is not None:
                yield self._row(records.SESSION, nick, participant.session)
        for nick, (owned, told) in self._known_sources().items():
            yield self._row(records.SOURCES, nick, _sources(owned, told))

    def end(self) -> list[Row]:
        """The deletions of all rows: the conference is over, and everybody has heard it."""
        rows: list[Row] = []
        for kind, key in list(self._written):
            self._put(rows, kind, key, None)
        return rows

    def _note_sources(self, rows: list[Row]) -> None:
        known = self._known_sources()
        for nick, (owned, told) in known.items():
            seen = self._sources.get(nick)
            if seen is None or seen[0] is not owned or seen[1] is not told:
                self._put(rows, records.SOURCES, nick, _sources(owned, told))
        for nick in self._sources.keys() - known.keys():
            self._put(rows, records.SOURCES, nick, None)
        self._sources = dict(known)

    def _put(self, rows: list[Row], kind: str, key: str, record: object) -> None:
        value = encode(record) if record is not None else None
        known = self._written.get((kind, key))
        if value is None:
            if self._written.pop((kind, key), None) is not None:
                rows.append(Row(kind, self._conference.jid, key, None))
        elif known != hash(value):
            self._written[kind, key] = hash(value)
            rows.append(Row(kind, self._conference.jid, key, value))

    def _row(self, kind: str, key: str, record: object) -> Row:
        return Row(kind, self._conference.jid, key, encode(record))

    # The records

    @property
    def _closing(self) -> bool:
        return self._conference.state is RoomState.CLOSING

    @property
    def _participants(self) -> Mapping[str, Participant]:
        return _NOBODY if self._closing else self._conference.participants

    def _single_records(self) -> tuple[tuple[str, object], ...]:
        """Those of which there is one, by kind; None where there is none."""
        conference = self._conference
        bridge = conference.bridge.record()
        telling = () if self._closing else tuple(conference.sessions.telling.under_way.values())
        return (
            (records.CONFERENCE, self._of_conference()),
            (records.BRIDGE, bridge if bridge.created or bridge.ended else None),
            (records.TELLING, telling or None),
        )

    def _of_conference(self) -> ConferenceRecord:
        conference = self._conference
        return ConferenceRecord(
            created_at=self._unix(conference.created_at),
            user=self._user,
            expected=tuple((jid, self._unix(until)) for jid, until in conference.expected.items()),
            shown=conference.stay.shown,
            max_sources=conference.sessions.sources.max_sources,
            removals=tuple(conference.removal.under_way.values()),
            ending=conference.removal.ending,
            closing=self._closing,
        )

    def _participant(self, participant: Participant) -> ParticipantRecord:
        return ParticipantRecord(
            occupant=participant.occupant,
            joined_at=self._unix(participant.joined_at),
            supported=participant.supported,
            declined=participant.declined,
            told_full=participant.told_full,
            muted=participant.muted,
            obeyed=participant.obeyed,
            restarts=tuple(map(self._unix, participant.restarts.granted)),
            ice_restarts=tuple(map(self._unix, participant.ice_restarts.granted)),
            told=participant.differing,
            parting=tuple(participant.parting.items()),
            handled=participant.handled,
        )

    def _known_sources(self) -> dict[str, tuple[Owned, Owned]]:
        """Of each owner its sources, and what all were told of them."""
        if self._closing:
            return {}
        sessions = self._conference.sessions
        owned, told = sessions.sources.all(), sessions.telling.announced.told
        return {owner: (owned.get(owner, ()), told.get(owner, ())) for owner in (*owned, *told)}

    def _unix(self, time: float) -> float:
        return round(self._epoch + time, 3)


def _sources(owned: Owned, told: Owned) -> SourcesRecord:
    return SourcesRecord(owned, None if told == forwarded(owned) else told)
