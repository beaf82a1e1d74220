"""A caller in a room: a proxy occupant that the focus invites as it invites everybody (no I/O).

The caller's description and transport become the occupant's session-accept; the bridge's, from the focus's
session-initiate, become the caller's. Between focus and calls there is nothing but XMPP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element

from component.calls import room_presence, words
from component.calls.answer import Downlink
from component.calls.endpoint import source_name
from component.calls.leg import LegListener
from component.calls.offer import OfferedContent
from component.focus.effects import PeerAnswer, Send
from component.focus.occupant import SELF_PRESENCE, RoomPresence
from component.focus.outbox import Outbox
from component.stanza import iq, presence, resource
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Reason
from jingle.element import Jingle, build_jingle
from jingle.errors import JingleError, unknown_session
from jingle.jitsi.conference import Conference, build_conference
from jingle.jitsi.mute import Mute
from jingle.rtp import MediaStream, RtpDescription
from jingle.session import Role, Session
from jingle.sources import Source

FOCUS_NICK: Final = "focus"
KICKED: Final = 307
NOT_READY: Final = Reason(
    "general-error", "The room cannot be entered at the moment. Please call again later."
)
FULL: Final = Reason("busy", "The room is full.")
NOT_LET_IN: Final = Reason("decline", "The room does not let you in.")
REMOVED: Final = Reason("decline", "You were removed from the room.")
CLOSED: Final = Reason("gone", "The room was closed.")
INTERRUPTED: Final = Reason("general-error", "The media bridge was lost. Please call again.")


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
        self.room = room
        self.own_jid = own_jid
        """The occupant's real JID; its resource is the nick and the id of the endpoint."""
        self._outbox = outbox
        self._focus = focus
        self._name = name
        self._new_ssrc = new_ssrc
        self._listener = listener
        self._nick = resource(own_jid)
        self._occupant = f"{room}/{self._nick}"
        self._contents: dict[str, OfferedContent] = {}
        self._bundled = False
        self._muted: frozenset[str] = frozenset()
        self._ordered: frozenset[str] = frozenset()
        """Media that a moderator has muted and the caller has not unmuted since."""
        self._entering = False
        self._inside = False
        self._over = False
        self._session: Session | None = None

    # The call's side

    def begin(self, contents: tuple[OfferedContent, ...], *, bundled: bool, now: float) -> None:
        """See Leg.begin."""
        self._contents = {content.kind: content for content in contents}
        self._bundled = bundled
        request = build_conference(Conference(self.room, machine_uid=self._nick))
        self._outbox.ask(iq("set", self._focus, self.own_jid, request), self._conference_answered)

    def add(self, content: OfferedContent, now: float) -> None:
        """See Leg.add."""
        words = "Contents cannot be added to a call to a room: please call again with audio and video."
        self._listener.unreachable(content.kind, Reason("unsupported-applications", words), now)

    def show(self, muted: frozenset[str]) -> None:
        """See Leg.show."""
        # What a moderator has muted stays so until the caller mutes and unmutes it.
        self._ordered -= muted | (self._muted - muted)
        if muted != self._muted:
            self._muted = muted
            self._send_presence()

    def check(self, now: float) -> None:
        """See Leg.check: the room tells by itself when the occupant is out."""

    def end(self) -> None:
        """See Leg.end."""
        self._over = True
        if self._entering:
            self._outbox.put(Send(presence(self._occupant, self.own_jid, type="unavailable")))

    # The room's side

    def info(self) -> Element:
        """The disco#info of the occupant."""
        return room_presence.info(tuple(self._contents), bundled=self._bundled)

    def presence(self, presence: RoomPresence, now: float) -> None:
        """A presence from the room."""
        if self._over:
            return
        if presence.kind == "error":
            if not self._inside:
                self._lost(FULL if presence.error == "service-unavailable" else NOT_LET_IN, now)
        elif presence.nick == self._nick or SELF_PRESENCE in presence.codes:
            if presence.kind == "available":
                self._inside = True
            else:
                self._entering = False
                self._lost(REMOVED if KICKED in presence.codes else CLOSED, now)

    def jingle(self, nick: str, jingle: Jingle, now: float) -> None:
        """A Jingle request out of the room. Raises JingleError or StanzaError."""
        if nick != FOCUS_NICK or self._over:
            raise unknown_session(jingle.sid)
        if jingle.action is Action.SESSION_INITIATE:
            self._invited(jingle, now)
            return
        session = self._session
        if session is None:
            raise unknown_session(jingle.sid)
        session.received(jingle)
        if jingle.action is Action.SESSION_TERMINATE:
            self._lost(INTERRUPTED, now)

    def order_mute(self, nick: str, mute: Mute) -> None:
        """The focus mutes the caller by order of a moderator. Raises StanzaError."""
        if nick != FOCUS_NICK:
            raise StanzaError("forbidden", "only the focus mutes")
        if mute.muted and mute.media in self._contents:
            self._ordered |= {mute.media}
            self._send_presence()
            self._listener.tell(words.MUTED_BY_MODERATOR[mute.media])

    def _conference_answered(self, answer: PeerAnswer, now: float) -> None:
        if self._over:
            return
        if isinstance(answer, Element):
            self._entering = True
            self._send_presence(join=True)
        elif isinstance(answer, StanzaError) and answer.condition == "resource-constraint":
            self._lost(FULL, now)
        elif isinstance(answer, StanzaError) and answer.condition in ("not-allowed", "forbidden"):
            self._lost(NOT_LET_IN, now)
        else:
            self._lost(NOT_READY, now)

    def _send_presence(self, *, join: bool = False) -> None:
        if not self._entering:
            return
        muted = self._muted | self._ordered
        media = tuple(self._contents)
        self._outbox.put(
            Send(room_presence.shown(self._occupant, self.own_jid, self._name, media, muted, join=join))
        )

    def _invited(self, jingle: Jingle, now: float) -> None:
        if self._session is not None:
            # A new session would be a new transport, which a caller cannot be given within its own.
            raise JingleError("unexpected-request", "there is a session", "out-of-order")
        session = Session(jingle.sid, Role.RESPONDER)
        session.received(jingle)
        found = {one.description.media: one for one in jingle.contents if one.description and one.transport}
        if not found:
            raise StanzaError("bad-request", "no contents")
        self._session = session
        for media in [media for media in self._contents if media not in found]:
            del self._contents[media]
            self._listener.unreachable(media, Reason("unsupported-applications"), now)
        accept = Jingle(
            Action.SESSION_ACCEPT,
            session.sid,
            responder=self._occupant,
            contents=tuple(self._accepted(one, self._contents[media]) for media, one in found.items()
                           if media in self._contents),
        )  # fmt: skip
        session.sent(accept)
        self._outbox.ask(
            iq("set", f"{self.room}/{FOCUS_NICK}", self.own_jid, build_jingle(accept)), self._accept_answered
        )
        self._listener.reached(
            {media: _downlink(one) for media, one in found.items() if media in self._contents}, now
        )

    def _accept_answered(self, answer: PeerAnswer, now: float) -> None:
        if not self._over and isinstance(answer, StanzaError):
            self._lost(INTERRUPTED, now)

    def _accepted(self, offered: Content, own: OfferedContent) -> Content:
        """The caller as the focus sees it: its own payload types, an announced source, its transport."""
        name = source_name(self._nick, own.kind)
        description = RtpDescription(
            own.kind,
            payload_types=own.media.payload_types,
            header_extensions=own.media.header_extensions,
            rtcp_mux=True,
            sources=(Source(self._new_ssrc(), name, msid=f"{name} {name}", cname=self._nick),),
            streams=(MediaStream(name, name),),
        )
        return Content(
            offered.name, offered.creator, "both", description=description, transport=own.transport
        )

    def _lost(self, reason: Reason, now: float) -> None:
        if not self._over:
            self._listener.lost(reason, now)


def _downlink(content: Content) -> Downlink:
    assert content.description is not None and content.transport is not None
    return Downlink(content.transport, content.description.sources, content.description.groups)
