"""A participant: an occupant of the room other than the focus, and what the focus knows about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from component.focus import features
from component.focus.occupant import RoomPresence
from component.focus.records import Recorded
from component.focus.restarts import RestartLimit
from component.focus.session import Session, SessionState
from component.focus.signalling import Receiver, Sources
from jingle.content import Reason

MAX_HANDLED = 8
"""Of so many requests the link may deliver a second time what a dead component had not acknowledged."""
MAX_PARTING = 4


@dataclass(eq=False)
class Participant(Recorded):
    """One participant. Its nick is also the id of its endpoint at the bridge."""

    occupant: RoomPresence
    """Its latest presence: name, real JID and rights as the MUC gives them."""
    joined_at: float
    """When the focus first saw it in the room, on the clock of the conference's events."""
    restarts: RestartLimit
    ice_restarts: RestartLimit
    """A budget of its own: a network that changes often must not use up what helps after a failure."""
    supported: frozenset[str] | None = None
    """Its features; None until they are known."""
    session: Session | None = None
    declined: bool = False
    """It has ended or refused its session: it is not invited again until it joins anew."""
    told_full: bool = False
    leaving: bool = False
    """It is being removed from the room: nobody makes it owner."""
    muted: frozenset[str] = frozenset()
    """Media ("audio", "video") that the bridge must not forward, by order of a moderator."""
    obeyed: frozenset[str] = frozenset()
    """Those of them that the participant has shown as muted since the order."""
    differing: Sources | None = None
    """What it was told of sources (see component.focus.signalling); None: its session has told nothing."""
    parting: dict[str, Reason] = field(default_factory=dict)
    """By sid, its sessions of whose end it was told and has not said that it heard."""
    handled: tuple[str, ...] = ()
    """Ids of its latest requests that were carried out."""

    @property
    def nick(self) -> str:
        """Its name in the room."""
        return self.occupant.nick

    @property
    def jid(self) -> str:
        """Its occupant JID."""
        return f"{self.occupant.room}/{self.occupant.nick}"

    def order_mute(self, media: str) -> None:
        """A moderator mutes it."""
        self.muted |= {media}
        self.obeyed = (self.obeyed - {media}) | ({media} - self.occupant.unmuted)

    def unmute(self, media: frozenset[str]) -> None:
        """It has unmuted itself."""
        self.muted -= media
        self.obeyed -= media

    def may_restart(self, now: float) -> bool:
        """Whether it may have a new session; that counts."""
        self.unrecorded = True
        return self.restarts.allow(now)

    def may_restart_ice(self, now: float) -> bool:
        """Whether it may have ICE restarted; that counts."""
        self.unrecorded = True
        return self.ice_restarts.allow(now)

    def part(self, sid: str, reason: Reason) -> None:
        """It is told that a session is over."""
        parting = {**self.parting, sid: reason}
        self.parting = dict(list(parting.items())[-MAX_PARTING:])

    def parted(self, sid: str) -> None:
        """It has heard that."""
        self.parting = {one: reason for one, reason in self.parting.items() if one != sid}

    def carried_out(self, id: str) -> None:
        """A request of it was carried out."""
        self.handled = (*self.handled, id)[-MAX_HANDLED:]

    def update(self, occupant: RoomPresence) -> None:
        """A new presence. Who shows itself unmuted after it was seen muted has unmuted itself.

        Clients say so to the focus as well, but not all of them do.
        """
        self.occupant = occupant
        self.unmute(self.obeyed & occupant.unmuted)
        self.obeyed |= self.muted - occupant.unmuted

    @property
    def receiver(self) -> Receiver:
        """How it is told of sources."""
        return Receiver(self.nick, self.supported or frozenset())

    @property
    def single_stream(self) -> bool:
        """Whether it stands for a caller (see component.focus.single_stream)."""
        return features.SINGLE_STREAM in (self.supported or ())

    @property
    def active(self) -> bool:
        """Whether its session is accepted."""
        return self.session is not None and self.session.state is SessionState.ACTIVE
