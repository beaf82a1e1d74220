"""The media session of one participant: the life of its Jingle session and of its endpoint at the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from component.focus.records import Recorded
from jingle.colibri2 import Endpoint, Media
from jingle.ice import IceTransport


class SessionState(Enum):
    """Where a session is."""

    NONE = "none"
    """Nothing exists; the participant may be invited."""
    ALLOCATING = "allocating"
    """The bridge was asked for an endpoint."""
    PENDING = "pending"
    """session-initiate is sent, no session-accept yet."""
    ACTIVE = "active"
    """Accepted: media may flow, sources are signalled."""
    ENDED = "ended"
    """Over; a further invitation makes a new session."""


class SessionEvent(Enum):
    """What happens to a session."""

    ALLOCATE = "allocate"
    ALLOCATED = "allocated"
    ACCEPTED = "accepted"
    END = "end"


SESSION_TABLE: dict[tuple[SessionState, SessionEvent], SessionState] = {
    (SessionState.NONE, SessionEvent.ALLOCATE): SessionState.ALLOCATING,
    (SessionState.NONE, SessionEvent.END): SessionState.ENDED,
    (SessionState.ALLOCATING, SessionEvent.ALLOCATED): SessionState.PENDING,
    (SessionState.ALLOCATING, SessionEvent.END): SessionState.ENDED,
    (SessionState.PENDING, SessionEvent.ACCEPTED): SessionState.ACTIVE,
    (SessionState.PENDING, SessionEvent.END): SessionState.ENDED,
    (SessionState.ACTIVE, SessionEvent.END): SessionState.ENDED,
}


class WrongSessionState(Exception):
    """An event that has no place in the session's state."""


@dataclass(eq=False)
class Session(Recorded):
    """One session. `sid` names it towards the participant, `bridge_session` in its requests for a restart.

    It is its own record in the journal: a new attribute needs a default, and what is in one is not changed.
    """

    nick: str
    sid: str
    bridge_session: str
    media: tuple[Media, ...] = ()
    transport: IceTransport | None = None
    """The participant's transport, once it has accepted."""
    ice_generation: int = 0
    """Of the newest transport of the bridge that the participant was told (a restart of ICE in place)."""
    restarting: bool = False
    """ICE is being restarted in place: the participant has asked for it and not given its new credentials."""
    state: SessionState = SessionState.NONE
    capabilities: tuple[str, ...] = ("source-names",)
    """What the bridge is asked for."""
    ice_controlling: bool = True
    """Whether the bridge is the controlling ICE agent."""
    endpoint: Endpoint | None = None
    """What the bridge has allocated."""
    accepted_media: tuple[Media, ...] = ()
    """The participant's own payload types, where they differ from those of the offer."""
    senders: Mapping[str, str] = field(default_factory=dict)
    """Who sends, by media, where it is not both: of a caller (see component.focus.single_stream)."""
    video: Session | None = None
    """What has the video of a participant without BUNDLE: an endpoint of its own within the same session."""
    owner: str = ""
    """The participant's nick, where the endpoint has another name."""
    heard: bool = False
    """The participant has answered the session-initiate: its session-accept will come, or a refusal."""

    @property
    def parts(self) -> tuple[Session, ...]:
        """The session by its endpoints at the bridge: nearly always one."""
        return (self,) if self.video is None else (self, self.video)

    def move(self, event: SessionEvent) -> None:
        """Go on by the table. Raises WrongSessionState."""
        following = SESSION_TABLE.get((self.state, event))
        if following is None:
            raise WrongSessionState(f"{event.value} while {self.state.value}")
        self.state = following

    @property
    def open(self) -> bool:
        """Whether the participant knows of this session."""
        return self.state in {SessionState.PENDING, SessionState.ACTIVE}
