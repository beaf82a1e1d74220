"""What administrators see of the meetings and do in them, whichever way they ask. Every deed is logged.

Times: reports carry Unix time, for people; the conferences know only the clock of the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import structlog

from carillon.settings import Settings
from component.focus import metrics
from component.focus.bridge_watch import Bridges
from component.focus.conference import Conference
from component.focus.effects import Effect
from component.focus.quality import Relays, is_direct, read_qualities
from component.focus.report import (
    MAX_ROWS,
    ParticipantReport,
    RoomReport,
    participant_reports,
    room_report,
)

MEDIA = ("audio", "video", "desktop")
"""What can be muted: microphone, camera, shared screen."""
MAX_REASON_CHARS = 500

Order = Callable[[Conference, int], list[Effect]]
"""What an administrator orders, as effects; the number names the answer."""
_log = structlog.get_logger()


class Meetings(Protocol):
    """The focus, as its oversight sees it."""

    bridges: Bridges

    @property
    def conferences(self) -> Mapping[str, Conference]:
        """All that run, by the room's JID."""

    def now(self) -> float:
        """Time on the clock of the conferences."""

    def run(self, room: str, effects: list[Effect]) -> None:
        """Carry out effects of a conference."""

    async def order(self, room: str, order: Order) -> None:
        """Carry out an order and wait for its answer. Raises StanzaError."""


class UnknownRoom(Exception):
    """There is no meeting in the room; `rooms` are those with one."""

    def __init__(self, room: str, rooms: tuple[str, ...]) -> None:
        super().__init__(room)
        self.room = room
        self.rooms = rooms


class UnknownParticipant(Exception):
    """Nobody of that nick is in the meeting; `nicks` are there."""

    def __init__(self, nick: str, nicks: tuple[str, ...]) -> None:
        super().__init__(nick)
        self.nick = nick
        self.nicks = nicks


@dataclass(frozen=True)
class Attendance:
    """Who is in one room."""

    room: RoomReport
    participants: list[ParticipantReport]
    direct: bool
    """Media go between the two participants directly (P2P), as far as the bridge can tell."""


class Oversight:
    """See the module."""

    def __init__(self, meetings: Meetings, settings: Settings, clock: Callable[[], float]) -> None:
        """`clock` gives Unix time."""
        self._meetings = meetings
        self._clock = clock
        self._muc = settings.xmpp.muc
        turn = settings.turn
        self._relays = Relays(frozenset((turn.address, turn.advertise)), turn.relay_ports)

    def names(self) -> list[str]:
        """The rooms with a meeting, sorted."""
        return sorted(self._meetings.conferences)

    def nicks(self, room: str) -> dict[str, str]:
        """Who is in a room: what each calls itself, by nick. Raises UnknownRoom."""
        participants = self._conference(room).participants
        return {nick: one.occupant.name for nick, one in islice(participants.items(), MAX_ROWS)}

    async def rooms(self) -> list[RoomReport]:
        """All meetings, the oldest first."""
        found = sorted(self._meetings.conferences.values(), key=lambda one: one.created_at)[:MAX_ROWS]
        return [self._report(conference) for conference in found]

    async def participants(self, room: str) -> Attendance:
        """One meeting. Raises UnknownRoom."""
        conference = self._conference(room)
        meeting_id, url = conference.bridge.meeting_id, conference.bridge.bridge
        bridges = self._meetings.bridges
        figures = await bridges.figures(url, meeting_id) if meeting_id else None
        qualities = read_qualities(figures, self._relays)
        participants = list(conference.participants.values())
        name = bridges.pool.name(url)
        rows = participant_reports(participants, name, qualities, self._meetings.now(), self._clock())
        sending = sum(bool(one.sends) for one in rows)
        direct = is_direct((one.quality for one in rows), sending)
        return Attendance(self._report(conference), rows, direct)

    def mute(self, room: str, nick: str, media: str, by: str) -> None:
        """Mute "audio", "video" or "desktop" of a participant, who may unmute itself.

        `by` is who wants it, for the log; so below. Raises UnknownRoom, UnknownParticipant, StanzaError.
        """
        conference = self._conference(room)
        self._must_be_there(conference, nick)
        self._meetings.run(conference.jid, conference.order_mute(nick, media))
        _done("mute", conference, by, nick=nick, media=media)

    async def remove(self, room: str, nick: str, reason: str, by: str) -> None:
        """Remove a participant, who is shown `reason`. Raises as `mute`."""
        conference = self._conference(room)
        self._must_be_there(conference, nick)
        reason = _told(reason)
        await self._meetings.order(
            conference.jid, lambda conference, ticket: conference.remove(ticket, nick, reason)
        )
        _done("remove", conference, by, nick=nick, reason=reason)

    async def end(self, room: str, reason: str, by: str) -> None:
        """End a meeting; everybody is shown `reason`. Raises UnknownRoom, StanzaError."""
        conference = self._conference(room)
        people = len(conference.participants)
        reason = _told(reason)
        await self._meetings.order(conference.jid, lambda conference, ticket: conference.end(ticket, reason))
        _done("end", conference, by, participants=people, reason=reason)

    def _report(self, conference: Conference) -> RoomReport:
        pool, url = self._meetings.bridges.pool, conference.bridge.bridge
        report = pool.report(url)
        version = report.version or None if report is not None else None
        return room_report(conference, pool.name(url), version, self._meetings.now(), self._clock())

    def _conference(self, room: str) -> Conference:
        """By the room's JID, or by what stands before the @ in it."""
        room = room.strip().casefold()
        found = self._meetings.conferences.get(room if "@" in room else f"{room}@{self._muc}")
        if found is None:
            raise UnknownRoom(room, tuple(self.names()[:MAX_ROWS]))
        return found

    def _must_be_there(self, conference: Conference, nick: str) -> None:
        if nick not in conference.participants:
            raise UnknownParticipant(nick, tuple(islice(conference.participants, MAX_ROWS)))


def _done(deed: str, conference: Conference, by: str, **details: object) -> None:
    metrics.ORDERS.labels(deed).inc()
    _log.info("an administrator has acted", deed=deed, room=conference.jid, by=by, **details)


def _told(reason: str) -> str:
    """A reason as one line of bounded length, without what cannot be shown."""
    return "".join(sign for sign in " ".join(reason.split()) if sign.isprintable())[:MAX_REASON_CHARS]
