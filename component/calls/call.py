"""One call: the Jingle session with the caller (we are its responder) and the leg it leads to. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import Element

from component.calls import metrics
from component.calls.answer import Downlink, Downlinks, accepted, session_accept
from component.calls.leg import Leg, LegListener
from component.calls.offer import Offer, OfferedContent, OfferRefused, judge_contents
from component.focus.effects import Ended, PeerAnswer, Send
from component.focus.outbox import Outbox
from component.stanza import COMPONENT_NS, iq, message
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Reason, SessionInfo
from jingle.element import Jingle, build_jingle
from jingle.errors import JingleError
from jingle.session import Role, Session, State

SETUP_TIMEOUT_S = 20.0
"""The far side must have answered by then."""
PIN_TIMEOUT_S = 60.0
"""How long a call rings while its caller looks for the PIN."""
PING_INTERVAL_S = 30.0
"""A caller that is gone without a word is noticed after this time."""
MAX_UNANSWERED = 2
"""Pings in a row without any answer: one alone may be a machine that sleeps for a moment."""
ALL_MEDIA = frozenset({"audio", "video"})
_ALIVE = frozenset({"feature-not-implemented", "bad-request", "resource-constraint"})
"""Errors to a ping of the session (XEP-0166 §6.8) by which the caller shows that it still has it."""

MakeLeg = Callable[[LegListener], Leg]


class Call:
    """A call from its session-initiate to its end. It is the listener of its leg."""

    def __init__(
        self, initiate: Jingle, offer: Offer, *, caller: str, own_jid: str, outbox: Outbox, now: float
    ) -> None:
        self.caller = caller
        self.own_jid = own_jid
        self.sid = initiate.sid
        self.over = False
        self.reason = Reason("success")
        """Why it is over."""
        self._outbox = outbox
        self._offer = offer
        self._leg: Leg | None = None
        self._session = Session(initiate.sid, Role.RESPONDER)
        self._session.received(initiate)
        self._begun_at = now
        self._until: float | None = None
        self._late = Reason("timeout", "The room or the media bridge did not answer in time.")
        self._ping_at: float | None = None
        self._unanswered = 0
        self._downlinks: dict[str, Downlink] = {}
        self._contents = {content.name: content for content in offer.contents}
        self._pending: dict[str, OfferedContent] = {}
        """Contents of a content-add that the leg is asked for, by media."""
        self._muted: frozenset[str] = frozenset()
        """Names of the contents that the caller has muted."""
        self._held = False

    # Beginning

    def wait(self, now: float) -> None:
        """Let it ring: the caller has to say a PIN first."""
        self._until = now + PIN_TIMEOUT_S
        self._late = Reason("decline", "No PIN was given.")
        self._request(Jingle(Action.SESSION_INFO, self.sid, info=SessionInfo("ringing")))

    @property
    def waiting(self) -> bool:
        """Whether it rings and leads nowhere yet."""
        return self._leg is None and not self.over

    def begin(self, make_leg: MakeLeg, now: float) -> None:
        """Let the call go to where it leads."""
        self._until = now + SETUP_TIMEOUT_S
        self._late = Reason("timeout", "The room or the media bridge did not answer in time.")
        self._leg = make_leg(self)
        self._leg.show(self.muted)
        self._leg.begin(self._offer.contents, bundled=self._offer.bundled, now=now)

    # What the leg reports

    def reached(self, downlinks: Downlinks, now: float) -> None:
        """See LegListener.reached."""
        if self.over:
            return
        self._downlinks |= downlinks
        if self._session.state is State.PENDING:
            if all(content.kind in self._downlinks for content in self._offer.contents):
                self._accept(now)
            return
        for media in [media for media in self._pending if media in self._downlinks]:
            content = self._pending.pop(media)
            self._contents[content.name] = content
            made = accepted(content, self._downlinks[media])
            self._request(Jingle(Action.CONTENT_ACCEPT, self.sid, contents=(made,)))
            self._show()

    def unreachable(self, media: str, reason: Reason, now: float) -> None:
        """See LegListener.unreachable."""
        content = self._pending.pop(media, None)
        if content is not None and not self.over:
            self._reject((Content(content.name, content.creator),), reason)
            return
        self._offer = replace(
            self._offer,
            contents=tuple(one for one in self._offer.contents if one.kind != media),
            declined=(
                *self._offer.declined,
                *(Content(one.name, one.creator, description=one.description)
                  for one in self._offer.contents if one.kind == media),
            ),
        )  # fmt: skip
        self._contents = {content.name: content for content in self._offer.contents}
        if not self._contents:
            self.end(reason)

    def lost(self, reason: Reason, now: float) -> None:
        """See LegListener.lost."""
        self.end(reason)

    def tell(self, words: str) -> None:
        """See LegListener.tell."""
        self._outbox.put(Send(message("chat", self.caller, self.own_jid, body(words))))

    def _accept(self, now: float) -> None:
        self._until = None
        self._ping_at = now + PING_INTERVAL_S
        metrics.SECONDS.set(now - self._begun_at)
        accept = session_accept(self._offer, self._downlinks, self.sid, self.own_jid)
        self._request(accept, self._accept_answered)
        if self._offer.declined and not self._offer.bundled:
            reason = Reason("unsupported-applications")
            self._reject(tuple(Content(one.name, one.creator) for one in self._offer.declined), reason)

    def _accept_answered(self, answer: PeerAnswer, now: float) -> None:
        if isinstance(answer, StanzaError) and answer.type != "wait":
            self.end(Reason("failed-application", "The session-accept was refused."))

    # What the caller asks

    def received(self, jingle: Jingle, now: float) -> None:
        """A Jingle request of the caller. Raises JingleError or StanzaError."""
        if jingle.action is Action.SESSION_INITIATE:
            raise JingleError("unexpected-request", "the session exists", "out-of-order")
        before = self._session.state
        self._session.received(jingle)
        if jingle.action not in _REQUESTS:
            raise StanzaError("feature-not-implemented", f"{jingle.action.value} is not for a call")
        if before is State.PENDING and jingle.action is Action.CONTENT_ADD:
            raise StanzaError("resource-constraint", "the session is not accepted yet")
        _REQUESTS[jingle.action](self, jingle, now)

    def _terminated(self, jingle: Jingle, now: float) -> None:
        self._close(jingle.reason or Reason("success"))

    def _info(self, jingle: Jingle, now: float) -> None:
        info = jingle.info
        if info is None or info.kind == "ringing":
            return
        about = frozenset({info.name} if info.name else self._contents)
        if info.kind == "mute":
            self._muted |= about
        elif info.kind == "unmute":
            self._muted -= about
        else:
            self._held = info.kind == "hold"
        self._show()

    def _transport(self, jingle: Jingle, now: float) -> None:
        # The bridge learns the caller's addresses by itself; what is told here is only looked at.
        if not any(content.transport for content in jingle.contents):
            raise StanzaError("bad-request", "no transport")

    def _content_added(self, jingle: Jingle, now: float) -> None:
        kinds = {one.kind for one in self._contents.values()} | self._pending.keys()
        try:
            offer = judge_contents(jingle.contents)
        except OfferRefused as error:
            self._reject(_names(jingle.contents), error.reason)
            return
        taken = [one for one in offer.contents if one.kind not in kinds]
        refused = [one.name for one in offer.contents if one.kind in kinds]
        declined = [one for one in jingle.contents if one in offer.declined or one.name in refused]
        if declined:
            self._reject(_names(declined), Reason("unsupported-applications"))
        for content in taken:
            self._pending[content.kind] = content
            if self._leg is not None:
                self._leg.add(content, now)

    def _content_modified(self, jingle: Jingle, now: float) -> None:
        for content in jingle.contents:
            known = self._contents.get(content.name)
            if known is not None and content.senders:
                self._contents[content.name] = replace(known, senders=content.senders)
        self._show()

    def _content_removed(self, jingle: Jingle, now: float) -> None:
        for content in jingle.contents:
            self._contents.pop(content.name, None)
        if self._contents:
            self._show()
        else:
            self.end(Reason("success"))

    def _transport_replaced(self, jingle: Jingle, now: float) -> None:
        self._request(Jingle(Action.TRANSPORT_REJECT, self.sid, contents=_transports(jingle.contents)))

    def _noted(self, jingle: Jingle, now: float) -> None:
        """Nothing follows from it."""

    # Mute

    @property
    def muted(self) -> frozenset[str]:
        """The media that the caller does not send."""
        if self._held:
            return ALL_MEDIA
        muted = frozenset(one.kind for one in self._contents.values() if one.name in self._muted)
        return ALL_MEDIA - {one.kind for one in self._contents.values() if one.sends(muted)}

    def _show(self) -> None:
        if self._leg is not None:
            self._leg.show(self.muted)

    # Ending, and time

    def end(self, reason: Reason) -> None:
        """End the call and tell the caller why."""
        if self.over:
            return
        self._request(Jingle(Action.SESSION_TERMINATE, self.sid, reason=reason))
        self._close(reason)

    def vanish(self) -> None:
        """The caller is gone: nobody is there to be told."""
        self._close(Reason("gone"))

    def _close(self, reason: Reason) -> None:
        if self.over:
            return
        self.over = True
        self.reason = reason
        if self._leg is not None:
            self._leg.end()
        metrics.ended(reason.condition)
        self._outbox.put(Ended())

    def next_time(self) -> float | None:
        """When `tick` has something to do."""
        times = [time for time in (self._until, self._ping_at) if time is not None]
        return None if self.over else min(times, default=None)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.over:
            return
        if self._until is not None and now >= self._until:
            self.end(self._late)
        elif self._ping_at is not None and now >= self._ping_at:
            self._ping_at = now + PING_INTERVAL_S
            self._request(Jingle(Action.SESSION_INFO, self.sid), self._pinged)
            if self._leg is not None:
                self._leg.check(now)

    def _pinged(self, answer: PeerAnswer, now: float) -> None:
        self._unanswered = self._unanswered + 1 if answer is None else 0
        refused = isinstance(answer, StanzaError) and answer.condition not in _ALIVE
        if refused or self._unanswered >= MAX_UNANSWERED:
            self.vanish()

    # Sending

    def _reject(self, contents: tuple[Content, ...], reason: Reason) -> None:
        """Refuse contents of a content-add, or of the session-initiate after its accept."""
        jingle = Jingle(Action.CONTENT_REJECT, self.sid, contents=contents, reason=reason)
        try:
            self._request(jingle)
        except JingleError:  # they were offered with the session: no content-add asked for them
            self._request(replace(jingle, action=Action.CONTENT_REMOVE))

    def _request(
        self, jingle: Jingle, done: Callable[[PeerAnswer, float], None] = lambda answer, now: None
    ) -> None:
        self._session.sent(jingle)
        self._outbox.ask(iq("set", self.caller, self.own_jid, build_jingle(jingle)), done)


def body(words: str) -> Element:
    """The `<body/>` of a message."""
    made = Element(f"{{{COMPONENT_NS}}}body")
    made.text = words
    return made


def _names(contents: tuple[Content, ...] | list[Content]) -> tuple[Content, ...]:
    return tuple(Content(one.name, one.creator) for one in contents)


def _transports(contents: tuple[Content, ...]) -> tuple[Content, ...]:
    return tuple(Content(one.name, one.creator, transport=one.transport) for one in contents)


_REQUESTS: dict[Action, Callable[[Call, Jingle, float], None]] = {
    Action.SESSION_TERMINATE: Call._terminated,
    Action.SESSION_INFO: Call._info,
    Action.TRANSPORT_INFO: Call._transport,
    Action.CONTENT_ADD: Call._content_added,
    Action.CONTENT_MODIFY: Call._content_modified,
    Action.CONTENT_REMOVE: Call._content_removed,
    Action.TRANSPORT_REPLACE: Call._transport_replaced,
    Action.DESCRIPTION_INFO: Call._noted,
    Action.SECURITY_INFO: Call._noted,
}
