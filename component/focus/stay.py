"""The focus's stay in a room: join, configure, and come back after a loss (XEP-0045 §7, §10)."""

from __future__ import annotations

from typing import Protocol
from xml.etree.ElementTree import Element

import structlog

from component.focus import own_presence
from component.focus.effects import PeerAnswer, Send
from component.focus.features import DISCO_INFO
from component.focus.lifecycle import RoomEvent, RoomState, following
from component.focus.occupant import BANNED, SELF_PRESENCE, RoomPresence
from component.focus.outbox import Outbox
from component.link import LinkDown
from component.stanza import bare, iq
from component.stanza_error import StanzaError

JOIN_TIMEOUT_S = 10.0
"""A MUC that has not let the focus in and taken the room's form by then fails the conference request."""
FIRST_REJOIN_S = 0.5
LAST_REJOIN_S = 30.0

_log = structlog.get_logger()


class StayListener(Protocol):
    """The conference, as the stay sees it."""

    def occupants_known(self, present: frozenset[str], now: float) -> None:
        """The MUC has named all who are in the room, by nick."""

    def entered(self, now: float) -> None:
        """The room is ready."""

    def join_failed(self, why: str) -> bool:
        """Who waits for the room is refused. True to try again, False when the stay is over."""

    def removed(self, why: str) -> None:
        """The room is closed to the focus: the stay is over."""


class Stay:
    """Where the focus is with the room `jid`."""

    def __init__(
        self,
        outbox: Outbox,
        jid: str,
        own_jid: str,
        listener: StayListener,
        *,
        now: float,
        shown: own_presence.Shown | None = None,
        continued: bool = False,
    ) -> None:
        """`continued`: it is the stay of a process before this one, whose presence says `shown`."""
        self.catching_up = continued
        """What the server said before it knew of this process may still be on its way."""
        self.state = RoomState.JOINING
        self._outbox = outbox
        self._jid = jid
        self._own_jid = own_jid
        self._listener = listener
        self._present: set[str] = set()
        """Occupants that the MUC has named since the focus joined (again)."""
        self._rejoin_s = FIRST_REJOIN_S
        self._rejoin_at: float | None = None
        self._join_until: float | None = None
        self.shown = shown
        """What the presence of the focus says; None before there was one."""
        if continued:
            self._catch_up()
        else:
            self._join(now)

    def see(self, nick: str) -> None:
        """The MUC names an occupant."""
        if self.state is RoomState.JOINING:
            self._present.add(nick)

    def show(self, shown: own_presence.Shown) -> None:
        """Send the presence of the focus if it says something new."""
        if self.state is RoomState.RUNNING and shown != self.shown:
            self.shown = shown
            self._outbox.put(Send(own_presence.shown_presence(self._jid, self._own_jid, shown)))

    def own_presence(self, presence: RoomPresence, now: float) -> None:
        """A presence of the focus itself, or the refusal of one."""
        if self.catching_up:
            return
        if presence.kind == "error":
            if self.state is RoomState.JOINING:
                self._failed(presence.error, now)
        elif presence.kind == "unavailable":
            if presence.destroyed or BANNED in presence.codes:
                self._listener.removed("the room is closed")
            elif self.state is not RoomState.JOINING:
                # While joining it is the end of an earlier stay.
                _log.warning("removed from the room", room=self._jid)
                self._lost(now, after_s=self._next_rejoin_s())
        elif self.state is RoomState.JOINING and SELF_PRESENCE in presence.codes:
            self._joined(presence, now)

    def rejoin(self, now: float) -> None:
        """Nobody knows whether the focus is still in the room: join again at once."""
        self._lost(now, after_s=0.0)

    def close(self, *, leave: bool) -> None:
        """End the stay; with `leave` the room is told."""
        self.state = following(self.state, RoomEvent.CLOSE)
        if leave:
            self._outbox.put(Send(own_presence.leave_presence(self._jid, self._own_jid)))

    def next_time(self) -> float | None:
        """When `tick` has something to do."""
        return self._rejoin_at if self._rejoin_at is not None else self._join_until

    def tick(self, now: float) -> None:
        """Join again when it is time; give up waiting for the MUC."""
        if self._rejoin_at is not None:
            if now >= self._rejoin_at:
                self._join(now)
        elif self._join_until is not None and now >= self._join_until:
            self._failed("remote-server-timeout", now)

    def _catch_up(self) -> None:
        """Ask the room for anything: with its answer, all that it has said before has come.

        Without that, an earlier presence of the focus would be taken for the end of the list of occupants.
        """
        query = iq("get", self._jid, self._own_jid, Element(f"{{{DISCO_INFO}}}query"))
        self._outbox.ask(query, self._caught_up, timeout_s=JOIN_TIMEOUT_S)

    def _caught_up(self, answer: PeerAnswer, now: float) -> None:
        if self.catching_up and not isinstance(answer, LinkDown):  # down: the next session joins
            self._join(now)

    def _join(self, now: float) -> None:
        self.catching_up = False
        self._rejoin_at = None
        self._join_until = now + JOIN_TIMEOUT_S
        self._present.clear()
        self._outbox.put(Send(own_presence.join_presence(self._jid, self._own_jid, shown=self.shown)))

    def _joined(self, presence: RoomPresence, now: float) -> None:
        if presence.affiliation != "owner":
            _log.error("the focus is not owner: put its JID into the MUC's admins", jid=bare(self._own_jid))
            self._failed("forbidden", now)
            return
        self.state = following(self.state, RoomEvent.JOINED)
        self._listener.occupants_known(frozenset(self._present), now)
        form = iq("set", self._jid, self._own_jid, own_presence.room_form())
        self._outbox.ask(form, self._configured, timeout_s=JOIN_TIMEOUT_S)

    def _configured(self, answer: PeerAnswer, now: float) -> None:
        if self.state is not RoomState.CONFIGURING:
            return
        if not isinstance(answer, Element):
            refusal = answer.condition if isinstance(answer, StanzaError) else "remote-server-timeout"
            self._failed(refusal, now)
            return
        self.state = following(self.state, RoomEvent.CONFIGURED)
        self._join_until = None
        self._rejoin_s = FIRST_REJOIN_S
        self._listener.entered(now)

    def _failed(self, condition: str, now: float) -> None:
        _log.warning("cannot join the room", room=self._jid, condition=condition)
        if self._listener.join_failed("the focus cannot join the room"):
            self._lost(now, after_s=self._next_rejoin_s())

    def _lost(self, now: float, *, after_s: float) -> None:
        self.state = following(self.state, RoomEvent.LOST)
        if after_s:
            self._rejoin_at = now + after_s
        else:
            self._join(now)

    def _next_rejoin_s(self) -> float:
        rejoin_s = self._rejoin_s
        self._rejoin_s = min(2 * rejoin_s, LAST_REJOIN_S)
        return rejoin_s
