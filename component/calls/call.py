"""One call: the Jingle session with the caller (we are its responder) and the leg it leads to. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from xml.etree.ElementTree import Element

from component.calls import metrics
from component.calls.alive import Alive
from component.calls.answer import Downlink, Downlinks, accepted, own_side, session_accept
from component.calls.contents import Contents, names_of
from component.calls.leg import Leg, LegListener
from component.calls.offer import Offer, OfferedContent
from component.calls.reasons import (
    ACCEPT_REFUSED,
    LATE,
    NO_PIN,
    NO_RESTART,
    NOT_ADDED,
    NOT_CARRIED,
    NOTHING_LEFT,
)
from component.calls.records import CallRecord, LegRecord, Stage
from component.calls.restart import Restart, refused
from component.calls.words import said
from component.focus.effects import Ended, PeerAnswer, Send
from component.focus.outbox import Outbox
from component.stanza import iq
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Reason, SessionInfo
from jingle.element import Jingle, build_jingle, parse_jingle
from jingle.errors import JingleError
from jingle.ice import IceTransport
from jingle.session import Role, Session, State

SETUP_TIMEOUT_S: Final = 20.0
"""The far side must have answered by then."""
PIN_TIMEOUT_S: Final = 60.0
"""How long a call rings while its caller looks for the PIN."""

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
        self._contents = Contents(offer)
        self._leg: Leg | None = None
        self._session = Session(initiate.sid, Role.RESPONDER)
        self._session.received(initiate)
        self._begun_at = now
        self._until: float | None = None
        self._late = LATE
        self._alive = Alive()
        self._downlinks: dict[str, Downlink] = {}
        self._restart = Restart(self._contents)
        self._picture = self._told_picture = True
        """Whether anybody is to be seen, and what the caller takes for true: there is, unless it is told."""
        self._resumed = False
        """Whether another process has begun it."""

    # Beginning

    def wait(self, now: float) -> None:
        """Let it ring: the caller has to say a PIN first."""
        self._until = now + PIN_TIMEOUT_S
        self._late = NO_PIN
        self._request(Jingle(Action.SESSION_INFO, self.sid, info=SessionInfo("ringing")))

    @property
    def waiting(self) -> bool:
        """Whether it rings and leads nowhere yet."""
        return self._leg is None and not self.over

    def begin(self, make_leg: MakeLeg, now: float) -> None:
        """Let the call go to where it leads."""
        self._until = now + SETUP_TIMEOUT_S
        self._late = LATE
        self._leg = make_leg(self)
        self._show()
        self._leg.begin(tuple(self._contents), bundled=self._contents.bundled, now=now)

    # What the leg reports

    def reached(self, downlinks: Downlinks, now: float) -> None:
        """See LegListener.reached."""
        if self.over:
            return
        self._downlinks |= downlinks
        if self._session.state is State.PENDING:
            self._accept_when_complete(now)
            return
        for media in downlinks:
            content = self._contents.settle(media, taken=True)
            if content is not None:
                made = accepted(content, self._downlinks[media])
                self._request(Jingle(Action.CONTENT_ACCEPT, self.sid, contents=(made,)))
                self._told_picture = True
                self._show()
                self._show_picture()

    def unreachable(self, media: str, reason: Reason, now: float) -> None:
        """See LegListener.unreachable."""
        if self.over:
            return
        content = self._contents.settle(media, taken=False)
        if content is not None:
            self._reject((Content(content.name, content.creator),), reason)
            return
        self._contents.do_without(media)
        if self._contents:
            self._accept_when_complete(now)
        else:
            self.end(reason)

    def restarted(self, transport: IceTransport | None, now: float) -> None:
        """See LegListener.restarted."""
        if self.over:
            return
        caller = next(iter(self._contents)).transport
        own = None if transport is None else own_side(transport, caller)
        told = self._restart.answer(self.sid, own)
        if told is not None:
            self._request(told)
        elif transport is None:
            self.end(NO_RESTART)

    def pictured(self, shown: bool, now: float) -> None:
        """See LegListener.pictured."""
        self._picture = shown
        self._show_picture()

    def lost(self, reason: Reason, now: float) -> None:
        """See LegListener.lost."""
        self.end(reason)

    def tell(self, words: str) -> None:
        """See LegListener.tell."""
        self._outbox.put(Send(said("chat", self.caller, self.own_jid, words)))

    def _accept_when_complete(self, now: float) -> None:
        complete = all(content.kind in self._downlinks for content in self._contents)
        if not complete or self._session.state is not State.PENDING:
            return
        self._until = None
        self._alive.ping(now)
        metrics.SECONDS.set(now - self._begun_at)
        accept = session_accept(self._contents.offer, self._downlinks, self.sid, self.own_jid)
        self._request(accept, self._accept_answered)
        if self._contents.declined and not self._contents.bundled:
            self._reject(names_of(self._contents.declined), NOT_CARRIED)
        self._show_picture()

    def _accept_answered(self, answer: PeerAnswer, now: float) -> None:
        if not isinstance(answer, StanzaError) or answer.type == "wait":
            return
        if not self._resumed or answer.condition != "unexpected-request":  # that is: it came twice
            self.end(ACCEPT_REFUSED)

    # What the caller asks

    def received(self, jingle: Jingle, now: float) -> None:
        """A Jingle request of the caller. Raises JingleError or StanzaError."""
        if jingle.action is Action.SESSION_INITIATE:
            raise JingleError("unexpected-request", "the session exists", "out-of-order")
        self._session.received(jingle)
        if jingle.action not in _REQUESTS:
            raise StanzaError("feature-not-implemented", f"{jingle.action.value} is not for a call")
        _REQUESTS[jingle.action](self, jingle, now)

    def bridges_changed(self, now: float) -> None:
        """The health of a bridge is another than before."""
        if self._leg is not None and not self.over:
            self._leg.bridges_changed(now)

    def say(self, words: str) -> None:
        """The caller says something by chat message."""
        if self._leg is not None and not self.over:
            self._leg.say(words)

    def _terminated(self, jingle: Jingle, now: float) -> None:
        self._close(jingle.reason or Reason("success"))

    def _info(self, jingle: Jingle, now: float) -> None:
        if jingle.info is not None and jingle.info.kind != "ringing":
            self._contents.note(jingle.info)
            self._show()

    def _transport(self, jingle: Jingle, now: float) -> None:
        active = self._session.state is State.ACTIVE
        fresh = self._restart.wanted(jingle, accepted=active, now=now)
        if fresh is not None and self._leg is not None:
            self._contents.renew(fresh)
            self._leg.restart(fresh, now)
        elif jingle.action is Action.TRANSPORT_REPLACE:
            self._request(refused(jingle))

    def _content_added(self, jingle: Jingle, now: float) -> None:
        self._must_be_active()
        taken, rejected = self._contents.judge_added(jingle.contents)
        for names, reason in rejected:
            self._reject(names, reason)
        for content in taken:
            if self._leg is not None:
                self._leg.add(content, now)

    def _content_modified(self, jingle: Jingle, now: float) -> None:
        self._contents.modify(jingle.contents)
        self._show()

    def _content_removed(self, jingle: Jingle, now: float) -> None:
        self._must_be_active()
        removed = self._contents.remove(jingle.contents)
        if not self._contents:
            self.end(NOTHING_LEFT)
            return
        for content in removed:
            if self._leg is not None:
                self._leg.remove(content.kind, now)
        self._show()

    def _must_be_active(self) -> None:
        if self._session.state is not State.ACTIVE:
            raise StanzaError("resource-constraint", "the session is not accepted yet")

    def _noted(self, jingle: Jingle, now: float) -> None:
        """Nothing follows from it."""

    # What both sides show

    def _show(self) -> None:
        if self._leg is not None:
            self._leg.show(self._contents.muted, self._contents.unwanted)

    def _show_picture(self) -> None:
        """Clients show an avatar instead of the last picture when they are told (XEP-0167 §8)."""
        video = self._contents.find("video")
        if video is None or self._session.state is not State.ACTIVE or self._picture == self._told_picture:
            return
        self._told_picture = self._picture
        info = SessionInfo("unmute" if self._picture else "mute", video.name, video.creator)
        self._request(Jingle(Action.SESSION_INFO, self.sid, info=info))

    # Ending, and time

    def end(self, reason: Reason) -> None:
        """End the call and tell the caller why, by message too: few clients show the words of a reason."""
        if self.over:
            return
        if reason.condition != "success":
            self.tell(reason.text)
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
        times = [time for time in (self._until, self._alive.due) if time is not None]
        return None if self.over else min(times, default=None)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.over:
            return
        if self._until is not None and now >= self._until:
            self.end(self._late)
        elif self._alive.due is not None and now >= self._alive.due:
            self._alive.ping(now)
            self._request(Jingle(Action.SESSION_INFO, self.sid), self._pinged)
            if self._leg is not None:
                self._leg.check(now)

    def _pinged(self, answer: PeerAnswer, now: float) -> None:
        if self._alive.gone(answer):
            self.vanish()

    # The journal

    @property
    def stage(self) -> Stage:
        """How far it has come."""
        if self.over:
            return Stage.OVER
        if self._leg is None:
            return Stage.WAITING
        return Stage.ACTIVE if self._session.state is State.ACTIVE else Stage.BEGINNING

    def record(self, epoch: float) -> CallRecord:
        """What another process would need to go on; `epoch` is the Unix time at zero of the clock."""
        contents = self._contents
        leg = self._leg.record() if self._leg is not None else LegRecord()
        return CallRecord(
            self.caller,
            self.own_jid,
            self.sid,
            self.stage,
            tuple(contents),
            contents.declined,
            contents.bundled,
            contents.pending,
            contents.muted_names,
            contents.held,
            dict(self._downlinks),
            self._restart.asked,
            tuple(round(epoch + time, 3) for time in self._restart.granted),
            self._picture,
            self._told_picture,
            round(epoch + self._until, 3) if self.waiting and self._until is not None else None,
            self.reason if self.over else None,
            leg,
        )

    def restore(self, record: CallRecord, leg: MakeLeg | None, epoch: float, now: float) -> None:
        """Be the call that another process has left, with the leg that it had."""
        self._resumed = True
        self._contents.restore(record.pending, record.muted, held=record.held)
        self._downlinks = dict(record.downlinks)
        self._restart.restore(record.restarting, (min(now, time - epoch) for time in record.restarts))
        self._picture, self._told_picture = record.picture, record.told_picture
        self._leg = leg(self) if leg is not None else None
        if record.until is not None:
            self._until, self._late = min(record.until - epoch, now + PIN_TIMEOUT_S), NO_PIN
        if record.stage in (Stage.ACTIVE, Stage.OVER):
            self._session.state = State.ACTIVE
        if record.pending:
            self._session.received(_about(Action.CONTENT_ADD, self.sid, record.pending))

    def resume(self, now: float) -> None:
        """Go on, after `restore` of a call that was accepted.

        What the caller was adding is refused: nobody knows how far that has come. A restart of ICE is asked
        for again.
        """
        assert self._leg is not None
        for content in self._contents.pending:
            self._leg.remove(content.kind, now)
            self.unreachable(content.kind, NOT_ADDED, now)
        self._leg.resume(now)
        self._alive.due = now  # it may have left while nobody was there to hear it
        asked = self._restart.asked
        if asked is not None and not self.over:
            if asked.action is Action.TRANSPORT_REPLACE:
                self._session.received(asked)
            self._leg.restart(next(iter(self._contents)).transport, now)

    def ask_again(self, request: Element) -> None:
        """Send a request that another process may have sent, and whose answer nobody has heard."""
        if request.get("to") == self.caller:
            accepts = parse_jingle(request[0]).action is Action.SESSION_ACCEPT
            self._outbox.ask(request, self._accept_answered if accepts else _noted)
        elif self._leg is not None:
            self._leg.ask_again(request)

    def start_over(self) -> None:
        """Give up what another process has come to on the far side, before the call was accepted."""
        if self._leg is not None:
            self._leg.end()
        self._leg = None

    def finish(self, reason: Reason) -> None:
        """It is over, as another process has told or begun to tell the caller."""
        self._close(reason)

    # Sending

    def _reject(self, contents: tuple[Content, ...], reason: Reason) -> None:
        """Refuse contents of a content-add, or of the session-initiate after its accept."""
        jingle = Jingle(Action.CONTENT_REJECT, self.sid, contents=contents, reason=reason)
        try:
            self._request(jingle)
        except JingleError:  # they were offered with the session: no content-add asked for them
            self._request(replace(jingle, action=Action.CONTENT_REMOVE))

    def _request(self, jingle: Jingle, done: Callable[[PeerAnswer, float], None] | None = None) -> None:
        done = done or _noted
        self._session.sent(jingle)
        self._outbox.ask(iq("set", self.caller, self.own_jid, build_jingle(jingle)), done)


def _noted(answer: PeerAnswer, now: float) -> None:
    """Nothing follows from it."""


def _about(action: Action, sid: str, contents: tuple[OfferedContent, ...]) -> Jingle:
    return Jingle(action, sid, contents=tuple(Content(one.name, one.creator) for one in contents))


_REQUESTS: dict[Action, Callable[[Call, Jingle, float], None]] = {
    Action.SESSION_TERMINATE: Call._terminated,
    Action.SESSION_INFO: Call._info,
    Action.TRANSPORT_INFO: Call._transport,
    Action.TRANSPORT_REPLACE: Call._transport,
    Action.CONTENT_ADD: Call._content_added,
    Action.CONTENT_MODIFY: Call._content_modified,
    Action.CONTENT_REMOVE: Call._content_removed,
    Action.DESCRIPTION_INFO: Call._noted,
    Action.SECURITY_INFO: Call._noted,
}
