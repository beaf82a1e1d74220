"""A caller in a room: a proxy occupant that the focus invites as it invites everybody (no I/O).

It enters under the caller's name, shows what the caller has muted, and passes on what is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element

from carillon.guard.buckets import Buckets
from component.calls import metrics, reasons, room_presence, words
from component.calls.leg import LegListener
from component.calls.occupants import FOCUS_NICK, Occupants
from component.calls.offer import OfferedContent
from component.calls.records import LegRecord, RoomRecord
from component.calls.room_session import RoomSession
from component.focus.effects import PeerAnswer, Send
from component.focus.occupant import SELF_PRESENCE, RoomPresence
from component.focus.outbox import Outbox
from component.stanza import bare, iq, presence, resource
from component.stanza_error import StanzaError
from jingle.content import Reason
from jingle.element import Jingle
from jingle.errors import unknown_session
from jingle.ice import IceTransport
from jingle.jitsi.conference import Conference, build_conference
from jingle.jitsi.mute import Mute

KICKED: Final = 307
BANNED: Final = 301
HEARD_PER_S, HEARD_BURST = 5.0, 20
"""Messages of the room that a caller is told: a room that says more is not read in a call anyway."""
_NOT_LET_IN: Final = {
    "service-unavailable": reasons.ROOM_FULL,
    "registration-required": reasons.MEMBERS_ONLY,
    "not-authorized": reasons.PASSWORD,
    "forbidden": reasons.BANNED,
    "conflict": reasons.NOT_READY,
}
"""What the room answers to who enters (XEP-0045 §7.2)."""
_NO_CONFERENCE: Final = {
    "resource-constraint": reasons.ROOM_FULL,
    "not-allowed": reasons.NOT_LET_IN,
    "forbidden": reasons.NOT_LET_IN,
}
"""What the focus answers to who asks for the conference."""


class RoomLeg:
    """Implements `Leg` with an occupant of a room."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        room: str,
        own_jid: str,
        focus: str,
        name: str,
        new_ssrc: Callable[[], int],
        listener: LegListener,
    ) -> None:
        """`focus` is the domain of the conference focus; its occupant is focus@ there."""
        self.room = room
        self.own_jid = own_jid
        """The occupant's real JID; its resource is the nick and the id of the endpoint."""
        self._outbox = outbox
        self._focus = focus
        self._name = name
        self._listener = listener
        self._nick = resource(own_jid)
        self._occupant = f"{room}/{self._nick}"
        self._session = RoomSession(outbox, room=room, own_jid=own_jid, new_ssrc=new_ssrc, listener=listener)
        self._others = Occupants(self._nick, f"{FOCUS_NICK}@{focus}")
        self._heard = Buckets(HEARD_PER_S, HEARD_BURST)
        self._bundled = False
        self._muted: frozenset[str] = frozenset()
        self._unwanted: frozenset[str] = frozenset()
        self._ordered: frozenset[str] = frozenset()
        """Media that a moderator has muted and the caller has not unmuted since."""
        self._entering = False
        self._inside = False
        self._resumed = False
        """Whether another process has left it. Since then the room was asked who is there, maybe more than
        once: that enters it again where it has removed us."""

    # The call's side

    def begin(self, contents: tuple[OfferedContent, ...], *, bundled: bool, now: float) -> None:
        """See Leg.begin."""
        self._session.contents = {content.kind: content for content in contents}
        self._bundled = bundled
        request = build_conference(Conference(self.room, machine_uid=self._nick))
        self._outbox.ask(iq("set", self._focus, self.own_jid, request), self._conference_answered)

    def add(self, content: OfferedContent, now: float) -> None:
        """See Leg.add."""
        self._session.add(content, now)

    def remove(self, media: str, now: float) -> None:
        """See Leg.remove."""
        self._session.remove(media)

    def show(self, muted: frozenset[str], unwanted: frozenset[str]) -> None:
        """See Leg.show."""
        # What a moderator has muted stays so until the caller mutes and unmutes it.
        self._ordered -= muted | (self._muted - muted)
        before, self._muted, self._unwanted = self._muted, muted, unwanted
        if muted != before:
            self._send_presence()
        self._session.direct(muted, unwanted)

    def restart(self, transport: IceTransport, now: float) -> None:
        """See Leg.restart."""
        self._session.restart(transport)

    def say(self, words_: str) -> None:
        """See Leg.say."""
        if self._inside and not self._session.over:
            self._outbox.put(Send(words.said("groupchat", self.room, self.own_jid, words_)))

    def check(self, now: float) -> None:
        """See Leg.check: the room tells by itself when the occupant is out."""

    def bridges_changed(self, now: float) -> None:
        """See Leg.bridges_changed: the focus looks after its conferences, and tells."""

    def record(self) -> LegRecord:
        """See Leg.record."""
        return LegRecord(
            room=RoomRecord(
                self.room,
                self.own_jid,
                self._name,
                self._session.record(),
                self._entering,
                self._bundled,
                self._muted,
                self._unwanted,
                self._ordered,
                self._others.led,
                self._others.record(),
            )
        )

    def restore(self, record: RoomRecord) -> None:
        """Be the leg that another process has left."""
        self._resumed = True
        self._session.restore(record.session)
        self._others.restore(record.others, led=record.led)
        self._entering, self._bundled = record.entering, record.bundled
        self._muted, self._unwanted, self._ordered = record.muted, record.unwanted, record.ordered

    def resume(self, now: float) -> None:
        """See Leg.resume: the occupant is in the room still, and asks it who else is (nobody sees it)."""
        self._send_presence(join=True)

    def ask_again(self, request: Element) -> None:
        """See Leg.ask_again."""
        if bare(request.get("to", "")) == self.room:
            self._session.ask_again(request)

    def end(self) -> None:
        """See Leg.end."""
        self._session.over = True
        if self._entering:
            self._outbox.put(Send(presence(self._occupant, self.own_jid, type="unavailable")))

    # The room's side

    def info(self) -> Element:
        """The disco#info of the occupant."""
        return room_presence.info(tuple(self._session.contents), bundled=self._bundled)

    def presence(self, presence: RoomPresence, now: float) -> None:
        """A presence from the room."""
        if self._session.over:
            return
        if presence.kind == "error":
            if not self._inside:
                self._lost(_NOT_LET_IN.get(presence.error, reasons.NOT_LET_IN), now)
        elif presence.nick == self._nick or SELF_PRESENCE in presence.codes:
            self._own_presence(presence, now)
        else:
            self._others.see(presence)
            if self._inside:
                self._listener.pictured(self._others.pictured, now)

    def _own_presence(self, presence: RoomPresence, now: float) -> None:
        if presence.kind == "available":
            self._inside = True
            self._others.settle()
            self._listener.pictured(self._others.pictured, now)
            return
        self._entering = self._resumed
        if BANNED in presence.codes:
            self._lost(reasons.BANNED, now)
        else:
            self._lost(reasons.REMOVED if KICKED in presence.codes else reasons.ROOM_CLOSED, now)

    def heard(self, nick: str, text: str, now: float, *, private: bool) -> None:
        """Somebody says something to the room, or to the caller alone."""
        if not text or nick in ("", self._nick) or self._session.over:
            return
        if not self._heard.take("", now):
            metrics.CHAT.labels("to caller", "too many").inc()
            return
        metrics.CHAT.labels("to caller", "passed on").inc()
        to_you = " (to you only)" if private else ""
        self._listener.tell(text if nick == FOCUS_NICK else f"{self._others.name(nick)}{to_you}: {text}")

    def jingle(self, nick: str, jingle: Jingle, now: float) -> None:
        """A Jingle request out of the room. Raises JingleError or StanzaError."""
        if not self._is_focus(nick) or self._session.over:
            raise unknown_session(jingle.sid)
        self._session.received(jingle, now)
        self._session.direct(self._muted, self._unwanted)

    def order_mute(self, nick: str, mute: Mute) -> None:
        """The focus mutes the caller by order of a moderator. Raises StanzaError."""
        if not self._is_focus(nick):
            raise StanzaError("forbidden", "only the focus mutes")
        if mute.muted and mute.media in self._session.contents:
            self._ordered |= {mute.media}
            self._send_presence()
            self._listener.tell(words.MUTED_BY_MODERATOR[mute.media])

    def _is_focus(self, nick: str) -> bool:
        """Anybody may take the nick while the focus is away: its real JID tells."""
        return nick == FOCUS_NICK and self._others.led

    def _conference_answered(self, answer: PeerAnswer, now: float) -> None:
        if self._session.over:
            return
        if isinstance(answer, Element):
            self._entering = True
            self._send_presence(join=True)
        else:
            condition = answer.condition if isinstance(answer, StanzaError) else ""
            self._lost(_NO_CONFERENCE.get(condition, reasons.NOT_READY), now)

    def _send_presence(self, *, join: bool = False) -> None:
        if not self._entering:
            return
        muted = self._muted | self._ordered
        media = tuple(self._session.contents)
        self._outbox.put(
            Send(room_presence.shown(self._occupant, self.own_jid, self._name, media, muted, join=join))
        )

    def _lost(self, reason: Reason, now: float) -> None:
        if not self._session.over:
            self._listener.lost(reason, now)
