"""The calls as a service: the shell around the calls on the link of the calls domain. It has no rule."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

import structlog

from carillon.journal import Journal
from carillon.settings import Settings
from component.calls import discovery, metrics, reasons, records, recovery, words
from component.calls.addresses import Callee, callee, speaks_for
from component.calls.admission import Admission
from component.calls.call import Call
from component.calls.legs import Legs
from component.calls.line import Line
from component.calls.offer import Offer, OfferRefused, judge
from component.calls.proposals import Proposals
from component.calls.proxies import Proxies
from component.calls.reception import Reception
from component.calls.records import LineRecord
from component.calls.recovery import Outcome
from component.calls.register import Register
from component.focus.bridge_queue import spawned
from component.focus.bridge_watch import Bridges
from component.focus.outbox import Outbox
from component.focus.requests import stanza_error
from component.link import Link
from component.stanza import bare, domain, iq
from component.stanza_error import StanzaError
from jingle.content import Action, Reason
from jingle.element import JINGLE_TAG, Jingle, build_jingle, parse_jingle
from jingle.errors import JingleError, unknown_session
from jingle.jitsi.mute import TAGS as MUTE_TAGS

STOP_TIMEOUT_S = 2.0
_log = structlog.get_logger()


class Calls:
    """All calls of one component link."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        pin: str,
        bridges: Bridges,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`bridges` are those of the focus, who starts and stops them; `clock` gives Unix time."""
        self._clock = clock
        self._settings = settings
        self._register = Register(journal, records.CALL, records.PROPOSAL, records.UNLOCKED)
        self._session: str | None = None
        """The server's session, once there was one."""
        self._started_at: float | None = None
        self._link = link
        self._bridges = bridges
        bridges.on_change(self._on_bridges)
        self._admission = Admission(settings, pin)
        self._proposals = Proposals()
        self._reception = Reception(
            settings, link, self._admission, self._proposals, self, record=self._record
        )
        self._lines: dict[tuple[str, str], Line] = {}
        """By the caller's full JID and sid."""
        self._proxies = Proxies()
        self._legs = Legs(settings, bridges.pool, self._proxies, self._reception.name)
        self._unrun: dict[Line, Callable[[], Any]] = {}
        """Calls that have been told something, with what is to be done when the request has been answered."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn = spawned(self._tasks)
        link.on_presence(self._on_presence)
        link.on_message(self._on_message)
        link.on_state(self._on_state)
        link.before_acknowledging(self._run_all_now)
        link.on_iq("get", discovery.INFO, self._on_info)
        link.on_iq("get", discovery.ITEMS, lambda iq: Element(discovery.ITEMS))
        link.on_iq("get", "{urn:xmpp:ping}ping", lambda iq: None)
        link.on_iq("set", JINGLE_TAG, self._on_jingle)
        for tag in MUTE_TAGS:
            link.on_iq("set", tag, self._on_mute)

    async def start(self) -> None:
        """Make ready."""

    async def stop(self) -> None:
        """End all calls, and tell the callers and the bridge; idempotent."""
        self._end_all(reasons.STOPPING)
        tasks = self._tasks
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
        for task in tasks:
            task.cancel()

    def abandon(self) -> None:
        """Another process leads the calls now: tell nobody anything any more, the bridges included."""
        for line in self._lines.values():
            line.stop_timer()
        self._lines.clear()
        self._unrun.clear()
        for task in self._tasks:
            task.cancel()

    def reload(self, settings: Settings, pin: str) -> None:
        """Take other limits, and the PIN of now ("" unless `calls.rooms` is "pin"); calls go on."""
        self._settings = settings
        self._admission.reload(settings, pin)

    def drain(self) -> None:
        """Take no new call; those there are go on."""
        self._admission.draining = True

    @property
    def calls(self) -> int:
        """How many there are."""
        return len(self._lines)

    # Presence and discovery

    def _on_info(self, iq: Element) -> Element:
        to = iq.get("to", "")
        occupant = self._proxies.info(iq)
        return occupant if occupant is not None else discovery.answer(to, iq[0].get("node", ""), callee(to))

    def _on_presence(self, stanza: Element) -> None:
        sender, type_ = stanza.get("from", ""), stanza.get("type", "")
        if self._is_of_a_room(stanza):
            self._proxies.presence(stanza, self._now())
            return
        self._reception.presence(stanza, self._now())
        if type_ == "unavailable":
            for (caller, _), line in list(self._lines.items()):
                if caller == sender:
                    line.call.vanish()
                    line.run()

    def _on_message(self, stanza: Element) -> None:
        if self._is_of_a_room(stanza):
            self._proxies.message(stanza, self._now())
            return
        repeats = [line.is_repeat(stanza) for line in self._of(stanza.get("from", ""))]
        if not any(repeats):
            self._reception.message(stanza, self._now())

    def _is_of_a_room(self, stanza: Element) -> bool:
        return domain(stanza.get("from", "")) == self._settings.xmpp.muc

    # The calls as the reception sees them

    def unlocked(self, caller: str) -> None:
        """See Lines.unlocked."""
        for line in self._waiting(caller):
            self._begin(line)

    def locked(self, caller: str) -> bool:
        """See Lines.locked."""
        waiting = self._waiting(caller)
        for line in waiting:
            line.call.end(reasons.WRONG_PIN)
            line.run()
        return bool(waiting)

    def _waiting(self, caller: str) -> list[Line]:
        return [line for line in self._of(caller) if line.call.waiting]

    def call_of(self, caller: str, called: Callee) -> Call | None:
        """See Lines.call_of."""
        calls = [line.call for line in self._of(caller) if bare(line.call.own_jid) == called.jid]
        calls.sort(key=lambda call: call.caller != caller)
        return next((call for call in calls if not call.waiting), None)

    def run(self, call: Call) -> None:
        """See Lines.run."""
        self._lines[call.caller, call.sid].run()

    def _of(self, caller: str) -> list[Line]:
        return [line for (other, _), line in self._lines.items() if bare(other) == bare(caller)]

    # Jingle

    def _on_jingle(self, iq: Element) -> None:
        try:
            jingle = parse_jingle(iq[0])
            if jingle.action is Action.SESSION_INFO and jingle.info is None and len(iq[0]):
                raise JingleError("feature-not-implemented", "", "unsupported-info")
            if self._is_of_a_room(iq):
                self._run_soon(self._proxies.jingle(iq, jingle, self._now()))
            else:
                self._on_caller_jingle(iq, jingle)
        except JingleError as error:
            raise _refused("jingle", stanza_error(error)) from error
        except StanzaError as error:
            raise _refused("jingle", error) from error

    def _on_caller_jingle(self, iq: Element, jingle: Jingle) -> None:
        caller, to, now = iq.get("from", ""), iq.get("to", ""), self._now()
        if not self._admission.may_signal(caller, now):
            raise StanzaError("resource-constraint", "too many requests")
        line = self._lines.get((caller, jingle.sid))
        if line is not None and line.is_repeat(iq):
            return
        if line is not None and line.call.own_jid != to and jingle.action is not Action.SESSION_INITIATE:
            raise unknown_session(jingle.sid)
        if line is not None:
            line.call.received(jingle, now)
            self._run_soon(line)
            return
        called = callee(to)
        if called is None or not speaks_for(to):
            raise StanzaError("item-not-found", "nobody to call at this address")
        if jingle.action is not Action.SESSION_INITIATE:
            raise unknown_session(jingle.sid)
        self._on_initiate(iq, called, jingle, now)

    def _on_initiate(self, iq: Element, called: Callee, jingle: Jingle, now: float) -> None:
        caller, to = iq.get("from", ""), iq.get("to", "")
        refusal = self._admission.refusal(caller, called, now)
        try:
            offer = judge(jingle)
        except OfferRefused as error:
            refusal = refusal or error.reason
        if refusal is not None:
            metrics.REFUSED.labels("session-initiate", refusal.condition).inc()
            self._soon(partial(self._refuse, caller, to, called, jingle.sid, refusal))
            return
        line = self._line(jingle, offer, caller, to)
        line.is_repeat(iq)
        call = line.call
        self._proposals.take(caller, jingle.sid)
        metrics.CALLS_BEGUN.labels("echo" if called.is_echo else "room").inc()
        if self._admission.wants_pin(caller, called, now):
            call.wait(now)
            call.tell(words.PIN_WANTED)
            self._run_soon(line)
        else:
            self._run_soon(line, partial(self._begin, line))

    def _line(self, initiate: Jingle, offer: Offer, caller: str, own_jid: str) -> Line:
        """A call that exists from now on."""
        outbox = Outbox()
        call = Call(initiate, offer, caller=caller, own_jid=own_jid, outbox=outbox, now=self._now())
        line = Line(
            call,
            outbox,
            self._link,
            self._bridges,
            on_change=self._changed,
            on_settled=self._settled,
            on_ended=self._ended,
            spawn=self._spawn,
        )
        self._lines[caller, initiate.sid] = line
        self._admission.begun(caller)
        metrics.CALLS.inc()
        return line

    def _refuse(self, caller: str, to: str, called: Callee, sid: str, reason: Reason) -> None:
        """End a session that does not begin, in words: few clients show those of the reason."""
        terminate = build_jingle(Jingle(Action.SESSION_TERMINATE, sid, reason=reason))
        self._link.send(iq("set", caller, to, terminate, id=secrets.token_urlsafe(12)))
        self._reception.explain(caller, called, reason.text, self._now())

    def _begin(self, line: Line) -> None:
        call = line.call
        if call.over:  # hung up in the same breath
            line.run()
            return
        called = callee(call.own_jid)
        assert called is not None
        call.begin(self._legs.to(line, called), self._now())
        line.run()

    def _ended(self, line: Line) -> None:
        call = line.call
        if not self._forget(call.caller, call.sid):
            return
        finish = self._proposals.finish(call.caller, call.sid, call.reason)
        self._record()
        for stanza in finish:
            self._link.send(stanza)
        _log.info("a call is over", callee=bare(call.own_jid), reason=call.reason.condition)

    def _forget(self, caller: str, sid: str) -> bool:
        """Know a call no more; whether there was one."""
        line = self._lines.pop((caller, sid), None)
        if line is None:
            return False
        line.stop_timer()
        self._proxies.drop(line)
        self._admission.ended(caller)
        metrics.CALLS.dec()
        return True

    def _on_bridges(self) -> None:
        for line in list(self._lines.values()):
            line.call.bridges_changed(self._now())
            line.run()

    def _on_mute(self, iq: Element) -> None:
        try:
            self._run_soon(self._proxies.mute(iq))
        except JingleError as error:
            raise _refused("mute", stanza_error(error)) from error

    # The link

    def _on_state(self, up: bool) -> None:
        if not up:
            return
        before, self._session = self._session, self._link.session
        if before is None:
            self._recover()
        elif before != self._session or not self._session:
            # Rooms and callers have seen us leave: nobody is to be found in a call that the other has ended.
            self._end_all(reasons.LINK_LOST)

    def _end_all(self, reason: Reason) -> None:
        for line in list(self._lines.values()):
            line.call.end(reason)
            line.run()

    # The journal

    def _recover(self) -> None:
        """Go on where the process before this one has ended."""
        recovery.people(self._register, self._admission, self._proposals, self._epoch(), self._now())
        for key, record in list(self._register.load(records.CALL, LineRecord)):
            try:
                self._go_on(record)
            except Exception:
                _log.exception("a call cannot go on", callee=bare(record.call.own_jid))
                self._forget(record.call.caller, record.call.sid)
                self._register.note(records.CALL, key, None)
        self._record()

    def _go_on(self, record: LineRecord) -> None:
        left = record.call
        line = self._line(recovery.initiate(left), recovery.offer(left), left.caller, left.own_jid)
        line.restore(record)
        outcome = recovery.go_on(
            line,
            record,
            self._legs,
            session=self._link.session,
            epoch=self._epoch(),
            now=self._now(),
        )
        metrics.RECOVERED.labels(outcome.value).inc()
        _log.info("a call goes on", callee=bare(left.own_jid), outcome=outcome.value)
        called = callee(left.own_jid)
        knows = called is not None and not self._admission.wants_pin(left.caller, called, self._now())
        if outcome is Outcome.WAITS and knows:
            outcome = Outcome.BEGUN_AGAIN
        if outcome is Outcome.BEGUN_AGAIN:
            self._begin(line)
        else:
            line.run()

    def _changed(self, line: Line) -> None:
        call = line.call
        if self._lines.get((call.caller, call.sid), line) is line:
            self._register.note(records.CALL, _key(call), line.record(self._epoch()))
        self._record()

    def _settled(self, line: Line) -> None:
        call = line.call
        if (call.caller, call.sid) not in self._lines:
            self._register.note(records.CALL, _key(call), None)
            self._register.write()

    def _record(self) -> None:
        """Write what has changed."""
        recovery.note_people(self._register, self._admission, self._proposals, self._epoch())
        self._register.write()

    def _epoch(self) -> float:
        """Unix time at zero of the calls' clock: the same as long as the process lives."""
        if self._started_at is None:
            self._started_at = self._clock() - self._now()
        return self._started_at

    def _run_soon(self, line: Line, work: Callable[[], Any] | None = None) -> None:
        """Carry out what a call was told when the request has been answered."""
        self._unrun[line] = work or self._unrun.get(line, line.run)
        self._soon(partial(self._run_now, line))

    def _run_now(self, line: Line) -> None:
        work = self._unrun.pop(line, None)
        if work is not None:
            work()

    def _run_all_now(self) -> None:
        for line in list(self._unrun):
            self._run_now(line)

    def _soon(self, work: Callable[[], Any]) -> None:
        """Do it when the request has been answered: what follows from it comes after its result."""
        asyncio.get_running_loop().call_soon(work)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _key(call: Call) -> str:
    """The name of a call in the journal."""
    return f"{call.caller}\n{call.sid}"


def _refused(request: str, error: StanzaError) -> StanzaError:
    metrics.REFUSED.labels(request, error.condition).inc()
    return error
