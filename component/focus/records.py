"""What the journal holds of the conferences: one record per row, written as JSON by its type (msgspec).

Times in records are Unix time: the clock of the conferences ends with the process. A row of another version
may lack fields or have more: what is new has a default, what is unknown is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from component.focus.occupant import RoomPresence
from component.focus.own_presence import Shown
from jingle.content import Action, Reason
from jingle.source_map import Owned

CONFERENCE = "conference"
"""Kind of the row of a conference: one ConferenceRecord."""
PARTICIPANT = "participant"
"""By nick: a ParticipantRecord."""
SESSION = "session"
"""By nick: the Session itself (component.focus.session)."""
SOURCES = "sources"
"""By nick: a SourcesRecord."""
TELLING = "telling"
"""One for a conference: a tuple of TellingRecord."""
BRIDGE = "bridge"
"""One for a conference: a BridgeRecord. It stays until the bridge has heard that the conference is over."""
FEATURES = "features"
"""By capability hash, for all conferences: a FeaturesRecord."""
KINDS = (CONFERENCE, PARTICIPANT, SESSION, SOURCES, TELLING, BRIDGE)
"""Those that belong to a conference."""


@dataclass(frozen=True)
class RemovalRecord:
    """A participant that is being removed from the room."""

    nick: str
    jid: str
    """Its real bare JID."""
    reason: str
    restored: str = ""
    """The affiliation that it gets back ("" = none)."""


@dataclass(frozen=True)
class ConferenceRecord:
    """The conference in a room."""

    created_at: float
    user: str = ""
    """Who started it: it counts among that user's (component.focus.admission)."""
    expected: tuple[tuple[str, float], ...] = ()
    """Who was told to come, by real JID, and until when the room waits."""
    shown: Shown | None = None
    """What the presence of the focus says."""
    max_sources: int = 0
    """Of one participant, in this conference."""
    removals: tuple[RemovalRecord, ...] = ()
    ending: str | None = None
    """An administrator ends the meeting, for this reason."""
    closing: bool = False
    """It is over: the room may not have been left yet."""


@dataclass(frozen=True)
class ParticipantRecord:
    """A participant."""

    occupant: RoomPresence
    joined_at: float
    supported: frozenset[str] | None = None
    declined: bool = False
    told_full: bool = False
    muted: frozenset[str] = frozenset()
    obeyed: frozenset[str] = frozenset()
    restarts: tuple[float, ...] = ()
    """When it was granted a new session, as far as that counts; the same of restarts of ICE below."""
    ice_restarts: tuple[float, ...] = ()
    told: dict[str, Owned] | None = None
    """What it was told of the sources of these owners, where all were told something else; None: nothing."""
    parting: tuple[tuple[str, Reason], ...] = ()
    """Its sessions whose end it may not have heard of, by sid."""
    handled: tuple[str, ...] = ()
    """Ids of its latest requests that were carried out: should they come again, they need an answer only."""


@dataclass(frozen=True)
class SourcesRecord:
    """The sources of one participant."""

    owned: Owned = ()
    told: Owned | None = None
    """What all receivers were told of them, where it is not what they should know of `owned`."""


@dataclass(frozen=True)
class TellingRecord:
    """A change of sources on its way to receivers, who have not said yet that it arrived."""

    id: str
    """Of the requests."""
    action: Action
    sources: dict[str, Owned]
    receivers: tuple[str, ...]


@dataclass(frozen=True)
class BridgeRecord:
    """The conference at a bridge: what `BridgeConference` gives by `record` and takes by `restore`.

    `restore(record, sessions, now)` goes on with the endpoints of `sessions` (by endpoint) that exist. All
    others that exist, were asked for or are uncertain are expired. What is stale is told everything again. If
    nothing goes on, the conference is expired and begins anew under another name, as do those in `ended`.
    """

    bridge: str = ""
    """Which bridge: its REST address."""
    meeting_id: str = ""
    created: bool = False
    """Whether the bridge was asked to create it."""
    existing: tuple[str, ...] = ()
    """Endpoints that exist."""
    asked: tuple[str, ...] = ()
    """Endpoints that were asked for: nobody knows whether they exist."""
    stale: tuple[str, ...] = ()
    """Of the existing ones those whose latest update the bridge has not confirmed."""
    uncertain: tuple[str, ...] = ()
    """Endpoints that nobody uses and that may exist, those among them whose expiry is not confirmed."""
    ended: tuple[tuple[str, str], ...] = ()
    """Conferences whose expiry is not confirmed: bridge and meeting id."""


@dataclass(frozen=True)
class FeaturesRecord:
    """The features behind a capability hash (XEP-0115)."""

    hash: str
    node: str
    ver: str
    features: frozenset[str] = field(default_factory=frozenset)


class Recorded:
    """Something that a row tells of: `unrecorded` from when an attribute of it is set until it is written."""

    unrecorded = True

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if name != "unrecorded":
            object.__setattr__(self, "unrecorded", True)
