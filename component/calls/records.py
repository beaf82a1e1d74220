"""What the journal holds of the calls: one record per row, written as JSON by its type (msgspec).

Times in records are Unix time: the clock of the calls ends with the process. A row of another version may
lack fields or have more: what is new has a default, what is unknown is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from component.calls.answer import Downlink
from component.calls.offer import OfferedContent
from component.calls.proposals import ProposalState
from jingle.colibri2 import Endpoint
from jingle.content import Content, Reason
from jingle.element import Jingle

CALL = "call"
"""By the caller's full JID and sid: a CallRecord."""
PROPOSAL = "proposal"
"""By the caller's bare JID and id: a ProposalRecord."""
UNLOCKED = "unlocked"
"""By bare JID: an UnlockedRecord."""


class Stage(Enum):
    """How far a call has come."""

    WAITING = "waiting"
    """It rings: its caller has to say the PIN first."""
    BEGINNING = "beginning"
    """It goes to where it leads, and is not accepted yet."""
    ACTIVE = "active"
    OVER = "over"
    """Its end is being told."""


@dataclass(frozen=True)
class EchoRecord:
    """The leg of a call to the echo test."""

    name: str
    meeting_id: str
    bridge: str
    """Its REST address."""
    bundled: bool = False
    created: bool = False
    """Whether the bridge was asked to create the conference."""
    carried: dict[str, dict[str, OfferedContent]] = field(default_factory=dict)
    answers: dict[str, Endpoint] = field(default_factory=dict)
    ssrcs: dict[str, int] = field(default_factory=dict)
    unwanted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class OtherRecord:
    """Somebody else in the room."""

    nick: str
    name: str
    pictured: bool


@dataclass(frozen=True)
class RoomSessionRecord:
    """The session of a caller's occupant with the focus."""

    sid: str = ""
    """Empty: not invited yet."""
    bridge_session: str = ""
    contents: dict[str, OfferedContent] = field(default_factory=dict)
    ssrcs: dict[str, int] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RoomRecord:
    """The leg of a call to a room."""

    room: str
    own_jid: str
    name: str
    """How the caller is called in the room."""
    session: RoomSessionRecord
    entering: bool = False
    bundled: bool = False
    muted: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()
    ordered: frozenset[str] = frozenset()
    led: bool = False
    """Whether the focus is there."""
    others: tuple[OtherRecord, ...] = ()


@dataclass(frozen=True)
class LegRecord:
    """One of the two."""

    echo: EchoRecord | None = None
    room: RoomRecord | None = None


@dataclass(frozen=True)
class CallRecord:
    """A call."""

    caller: str
    own_jid: str
    sid: str
    stage: Stage
    contents: tuple[OfferedContent, ...]
    declined: tuple[Content, ...] = ()
    bundled: bool = False
    pending: tuple[OfferedContent, ...] = ()
    """Of a content-add that is not answered."""
    muted: frozenset[str] = frozenset()
    held: bool = False
    downlinks: dict[str, Downlink] = field(default_factory=dict)
    restarting: Jingle | None = None
    """The caller's request for a restart of ICE that is not answered."""
    restarts: tuple[float, ...] = ()
    picture: bool = True
    told_picture: bool = True
    until: float | None = None
    reason: Reason | None = None
    """Why it is over."""
    leg: LegRecord = LegRecord()


@dataclass(frozen=True)
class LineRecord:
    """A call, and what passes between it and the outside."""

    call: CallRecord
    session: str = ""
    """The server's session in which the caller and the room know us."""
    unanswered: dict[str, str] = field(default_factory=dict)
    """Requests of ours as XML, by id."""
    left: tuple[LegRecord, ...] = ()
    """Legs that were given up, and whose end may not have been told."""
    handled: tuple[str, ...] = ()
    """The latest requests of others: should they come again, they need an answer only."""


@dataclass(frozen=True)
class ProposalRecord:
    """A proposed call (XEP-0353)."""

    called: str
    caller: str
    """The full JID that proposed it."""
    state: ProposalState
    at: float


@dataclass(frozen=True)
class UnlockedRecord:
    """Somebody who has said the PIN."""

    until: float
