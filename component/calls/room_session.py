"""The Jingle session of a caller's occupant with the conference focus (no I/O).

The caller's description and transport become the occupant's session-accept; the bridge's, from the focus's
session-initiate, become the caller's answer. Contents that the caller adds, removes or directs otherwise are
passed on as content-add, content-remove and content-modify; between focus and calls there is only XMPP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from xml.etree.ElementTree import Element

from component.calls.answer import Downlink
from component.calls.endpoint import source_name
from component.calls.leg import LegListener
from component.calls.occupants import FOCUS_NICK
from component.calls.offer import OfferedContent
from component.calls.reasons import GONE, INTERRUPTED, NOT_ADDED
from component.calls.records import RoomSessionRecord
from component.focus.effects import PeerAnswer
from component.focus.outbox import Outbox
from component.stanza import iq, resource
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Reason
from jingle.element import Jingle, build_jingle, parse_jingle
from jingle.errors import JingleError, unknown_session
from jingle.ice import IceTransport
from jingle.jitsi.session import BridgeSession
from jingle.rtp import MediaStream, RtpDescription
from jingle.session import Role, Session, State
from jingle.sources import Source


class RoomSession:
    """See the module. Once ended it sends nothing more."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        room: str,
        own_jid: str,
        new_ssrc: Callable[[], int],
        listener: LegListener,
    ) -> None:
        self.contents: dict[str, OfferedContent] = {}
        """What the caller has, by media."""
        self.over = False
        self._outbox = outbox
        self._focus = f"{room}/{FOCUS_NICK}"
        self._own_jid = own_jid
        self._nick = resource(own_jid)
        self._occupant = f"{room}/{self._nick}"
        self._new_ssrc = new_ssrc
        self._ssrcs: dict[str, int] = {}
        self._listener = listener
        self._session: Session | None = None
        self._bridge_session = ""
        self._told: dict[str, str] = {}
        """The senders that the focus was told last, by media."""
        self._resumed = False
        """Whether the session is one that another process has left."""
        self._restarting: IceTransport | None = None
        """The caller's credentials, which the focus gets when it has told the bridge's."""

    # What the focus asks

    def received(self, jingle: Jingle, now: float) -> None:
        """A request of the focus. Raises JingleError or StanzaError."""
        if jingle.action is Action.SESSION_INITIATE:
            self._invited(jingle, now)
            return
        session = self._session
        if session is None:
            raise unknown_session(jingle.sid)
        session.received(jingle)
        media = {one.name for one in jingle.contents} & self.contents.keys()
        if jingle.action is Action.SESSION_TERMINATE:
            condition = jingle.reason.condition if jingle.reason is not None else ""
            self._lost(GONE if condition == GONE.condition else INTERRUPTED, now)
        elif jingle.action is Action.CONTENT_ACCEPT:
            self._listener.reached(_downlinks(jingle, media), now)
        elif jingle.action is Action.CONTENT_REJECT:
            for one in sorted(media):
                self._refused(one, jingle.reason or NOT_ADDED, now)
        elif jingle.action is Action.TRANSPORT_INFO:
            self._restarted(jingle, now)

    def _invited(self, jingle: Jingle, now: float) -> None:
        if self._session is not None:
            if self._resumed:  # the focus does not know of it any more
                self._lost(INTERRUPTED, now)
            # A new session would be a new transport, which a caller cannot be given within its own.
            raise JingleError("unexpected-request", "there is a session", "out-of-order")
        session = Session(jingle.sid, Role.RESPONDER)
        session.received(jingle)
        found = {one.description.media: one for one in jingle.contents if one.description and one.transport}
        if not found:
            raise StanzaError("bad-request", "no contents")
        self._session = session
        self._bridge_session = jingle.bridge_session.id if jingle.bridge_session is not None else ""
        for media in [media for media in self.contents if media not in found]:
            self._refused(media, NOT_ADDED, now)
        kept = {media: one for media, one in found.items() if media in self.contents}
        accept = Jingle(
            Action.SESSION_ACCEPT,
            session.sid,
            responder=self._occupant,
            contents=tuple(self._own(self.contents[media], one) for media, one in kept.items()),
        )
        self._ask(accept, self._accept_answered)
        self._listener.reached(_downlinks(jingle, set(kept)), now)

    def _accept_answered(self, answer: PeerAnswer, now: float) -> None:
        twice = self._resumed and isinstance(answer, StanzaError) and answer.condition == "unexpected-request"
        if isinstance(answer, StanzaError) and not twice:
            self._lost(INTERRUPTED, now)

    # What the caller does

    def add(self, content: OfferedContent, now: float) -> None:
        """Have one more content carried."""
        self.contents[content.kind] = content
        place = Content(content.kind, "responder")
        added = Jingle(Action.CONTENT_ADD, self._sid, contents=(self._own(content, place),))
        self._ask(added, partial(self._add_answered, content.kind))

    def _add_answered(self, media: str, answer: PeerAnswer, now: float) -> None:
        if not isinstance(answer, StanzaError) or self.over:
            return
        if self._session is not None:
            self._session.refused(Action.CONTENT_ADD)
        self._refused(media, NOT_ADDED, now)

    def _refused(self, media: str, reason: Reason, now: float) -> None:
        del self.contents[media]
        self._listener.unreachable(media, reason, now)

    def remove(self, media: str) -> None:
        """Carry a content no more."""
        if self.contents.pop(media, None) is not None:
            self._told.pop(media, None)
            self._ask(Jingle(Action.CONTENT_REMOVE, self._sid, contents=(Content(media),)))

    def direct(self, muted: frozenset[str], unwanted: frozenset[str]) -> None:
        """Tell who sends from now on. The initiator of this session is the focus: the bridge's side."""
        if self._session is None:
            return
        changed: list[Content] = []
        for media in self.contents:
            sends_nothing = "none" if media in muted else "responder"
            senders = sends_nothing if media in unwanted else "both"
            if senders != self._told.get(media, "both"):
                self._told[media] = senders
                changed.append(Content(media, senders=senders))
        if changed:
            self._ask(Jingle(Action.CONTENT_MODIFY, self._sid, contents=tuple(changed)))

    def restart(self, transport: IceTransport) -> None:
        """The caller restarts ICE with these credentials."""
        self._restarting = transport
        wanted = BridgeSession(self._bridge_session, ice_restart=True)
        self._ask(Jingle(Action.SESSION_INFO, self._sid, bridge_session=wanted), self._restart_answered)

    def _restart_answered(self, answer: PeerAnswer, now: float) -> None:
        if isinstance(answer, StanzaError) and self._restarting is not None:
            self._restarting = None
            self._listener.restarted(None, now)

    def _restarted(self, jingle: Jingle, now: float) -> None:
        """The focus tells the bridge's new credentials; the caller's are those of the same generation."""
        fresh = next((one.transport for one in jingle.contents if one.transport is not None), None)
        own, self._restarting = self._restarting, None
        if own is None or fresh is None or fresh.ice_generation is None:
            return
        own = replace(own, ice_generation=fresh.ice_generation)
        content = Content(jingle.contents[0].name, transport=own)
        self._ask(Jingle(Action.TRANSPORT_INFO, self._sid, contents=(content,)))
        self._listener.restarted(replace(fresh, ice_generation=None), now)

    # The journal

    def record(self) -> RoomSessionRecord:
        """What another process would need to go on."""
        return RoomSessionRecord(
            self._sid, self._bridge_session, dict(self.contents), dict(self._ssrcs), dict(self._told)
        )

    def restore(self, record: RoomSessionRecord) -> None:
        """Be the session that another process has left."""
        self._resumed = True
        self._bridge_session = record.bridge_session
        self.contents = dict(record.contents)
        self._ssrcs, self._told = dict(record.ssrcs), dict(record.told)
        if record.sid:
            self._session = Session(record.sid, Role.RESPONDER)
            self._session.state = State.ACTIVE

    def ask_again(self, request: Element) -> None:
        """Send a request that another process may have sent, and whose answer it has not heard."""
        action = parse_jingle(request[0]).action
        accepts = action is Action.SESSION_ACCEPT
        # Contents that were being added are given up, and a restart of ICE begins anew.
        if action not in (Action.CONTENT_ADD, Action.SESSION_INFO):
            self._outbox.ask(request, self._accept_answered if accepts else _noted)

    # Sending

    @property
    def _sid(self) -> str:
        return self._session.sid if self._session is not None else ""

    def _own(self, own: OfferedContent, place: Content) -> Content:
        """The caller as the focus sees it: its own payload types, an announced source, its transport."""
        name = source_name(self._nick, own.kind)
        if own.kind not in self._ssrcs:
            self._ssrcs[own.kind] = self._new_ssrc()
        description = RtpDescription(
            own.kind,
            payload_types=own.media.payload_types,
            header_extensions=own.media.header_extensions,
            rtcp_mux=True,
            sources=(Source(self._ssrcs[own.kind], name, msid=f"{name} {name}", cname=self._nick),),
            streams=(MediaStream(name, name),),
        )
        return Content(place.name, place.creator, "both", description=description, transport=own.transport)

    def _ask(
        self, jingle: Jingle, done: Callable[[PeerAnswer, float], None] = lambda answer, now: None
    ) -> None:
        if self._session is not None and not self.over:
            self._session.sent(jingle)
            self._outbox.ask(iq("set", self._focus, self._own_jid, build_jingle(jingle)), done)

    def _lost(self, reason: Reason, now: float) -> None:
        if not self.over:
            self._listener.lost(reason, now)


def _noted(answer: PeerAnswer, now: float) -> None:
    """Nothing follows from it."""


def _downlinks(jingle: Jingle, media: set[str]) -> dict[str, Downlink]:
    """The bridge's side of these media."""
    return {
        one.description.media: Downlink(one.transport, one.description.sources, one.description.groups)
        for one in jingle.contents
        if one.description is not None and one.transport is not None and one.description.media in media
    }
