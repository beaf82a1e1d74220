"""What the focus tells administrators of its meetings: read-only, bounded, ready to become JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from component.focus.conference import Conference
from component.focus.participant import Participant
from component.focus.quality import Quality
from component.focus.session import SessionState
from component.stanza import bare

MAX_ROWS = 1000
"""Rooms, or participants of one, in a report."""

_SESSIONS = {
    SessionState.NONE: "inviting",
    SessionState.ALLOCATING: "inviting",
    SessionState.PENDING: "inviting",
    SessionState.ACTIVE: "active",
    SessionState.ENDED: "ended",
}


@dataclass(frozen=True)
class RoomReport:
    """One meeting."""

    room: str
    since: float
    """Unix time at which the focus began it."""
    seconds: int
    """How long ago that was."""
    state: str
    """joining, configuring or running (component.focus.lifecycle)."""
    participants: int
    audio: int
    """How many say that they send sound; the same of cameras and shared screens below."""
    cameras: int
    screens: int
    full: bool
    bridge: str
    """Name of the bridge; "" while nobody needs one."""
    bridge_version: str | None
    """None: it does not say, or has never answered."""
    bridge_available: bool
    bridge_trouble: str
    """Why there is none (component.focus.bridge_pool.Trouble); "" = there is."""
    meeting_id: str
    """Name of the conference at the bridge."""


@dataclass(frozen=True)
class ParticipantReport:
    """One participant of a meeting."""

    nick: str
    name: str
    """What it calls itself."""
    jid: str
    """Its real bare JID, by the MUC."""
    since: float
    """Unix time at which the focus first saw it."""
    seconds: int
    role: str
    affiliation: str
    kind: str
    """browser, or call: a plain Jingle client that came through the calls service."""
    session: str
    """none (nobody to talk to, or it wants none), inviting, restarting or active."""
    sends: tuple[str, ...]
    """What it says that it sends: audio, camera, screen."""
    muted: tuple[str, ...]
    """Media that the bridge does not forward, by order."""
    bridge: str
    quality: Quality | None
    """None when the bridge has nothing to tell of it."""


def room_report(
    conference: Conference, bridge: str, version: str | None, now: float, clock: float
) -> RoomReport:
    """Of one conference; `now` is on the clock of its events, `clock` is Unix time at the same moment."""
    occupants = [one.occupant for one in conference.participants.values()]
    age_s = now - conference.created_at
    return RoomReport(
        room=conference.jid,
        since=round(clock - age_s, 3),
        seconds=round(age_s),
        state=conference.state.value,
        participants=len(occupants),
        audio=sum("audio" in one.unmuted for one in occupants),
        cameras=sum("video" in one.unmuted for one in occupants),
        screens=sum(one.screen for one in occupants),
        full=conference.full,
        bridge=bridge if conference.bridge.in_use else "",
        bridge_version=version if conference.bridge.in_use else None,
        bridge_available=conference.bridge.available,
        bridge_trouble=trouble.value if (trouble := conference.bridge.trouble) else "",
        meeting_id=conference.bridge.meeting_id,
    )


def participant_reports(
    participants: Iterable[Participant],
    bridge: str,
    qualities: dict[str, Quality],
    now: float,
    clock: float,
) -> list[ParticipantReport]:
    """Of the first MAX_ROWS participants; `qualities` are by nick. Times as in `room_report`."""
    return [
        ParticipantReport(
            nick=one.nick,
            name=one.occupant.name,
            jid=bare(one.occupant.real_jid),
            since=round(clock - (now - one.joined_at), 3),
            seconds=round(now - one.joined_at),
            role=one.occupant.role,
            affiliation=one.occupant.affiliation,
            kind="call" if one.single_stream else "browser",
            session=session_word(one),
            sends=_sends(one),
            muted=tuple(sorted(one.muted)),
            bridge=bridge if one.session is not None else "",
            quality=qualities.get(one.nick),
        )
        for one in islice(participants, MAX_ROWS)
    ]


def session_word(participant: Participant) -> str:
    """Where its media session is: none, inviting, restarting or active."""
    session = participant.session
    if session is None:
        return "none"
    word = _SESSIONS[session.state]
    return "restarting" if word == "active" and session.restarting else word


def _sends(participant: Participant) -> tuple[str, ...]:
    occupant = participant.occupant
    said = (
        ("audio", "audio" in occupant.unmuted),
        ("camera", "video" in occupant.unmuted),
        ("screen", occupant.screen),
    )
    return tuple(name for name, sent in said if sent)
