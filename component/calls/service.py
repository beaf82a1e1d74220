"""The calls as a service: the shell around the calls on the link of the calls domain. It has no rule."""

from __future__ import annotations

import asyncio
import random
import secrets
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

import structlog

from carillon.settings import Settings
from component.calls import discovery, metrics, reasons, words
from component.calls.addresses import Callee, callee, speaks_for
from component.calls.admission import Admission
from component.calls.call import Call
from component.calls.echo import EchoLeg
from component.calls.leg import Leg, LegListener
from component.calls.line import Line
from component.calls.offer import OfferRefused, judge
from component.calls.proposals import Proposals
from component.calls.proxies import Proxies
from component.calls.reception import Reception
from component.calls.room_leg import RoomLeg
from component.focus.bridge_client import BridgeClient
from component.focus.bridge_queue import spawned
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

    def __init__(self, settings: Settings, link: Link, pin: str) -> None:
        self._settings = settings
        self._link = link
        self._bridge = BridgeClient(settings.focus.bridge)
        self._admission = Admission(settings, pin)
        self._proposals = Proposals()
        self._reception = Reception(settings, link, self._admission, self._proposals, self)
        self._random = random.SystemRandom()
        self._lines: dict[tuple[str, str], Line] = {}
        """By the caller's full JID and sid."""
        self._proxies = Proxies()
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn = spawned(self._tasks)
        link.on_presence(self._on_presence)
        link.on_message(self._on_message)
        link.on_state(self._on_state)
        link.on_iq("get", discovery.INFO, self._on_info)
        link.on_iq("get", discovery.ITEMS, lambda iq: Element(discovery.ITEMS))
        link.on_iq("get", "{urn:xmpp:ping}ping", lambda iq: None)
        link.on_iq("set", JINGLE_TAG, self._on_jingle)
        for tag in MUTE_TAGS:
            link.on_iq("set", tag, self._on_mute)

    async def start(self) -> None:
        """Make ready."""
        await self._bridge.start()

    async def stop(self) -> None:
        """End all calls, and tell the callers and the bridge; idempotent."""
        self._end_all(reasons.STOPPING)
        tasks = self._tasks
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
        for task in tasks:
            task.cancel()
        await self._bridge.stop()

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
        else:
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
                self._soon(self._proxies.jingle(iq, jingle, self._now()).run)
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
        if line is not None and line.call.own_jid != to and jingle.action is not Action.SESSION_INITIATE:
            raise unknown_session(jingle.sid)
        if line is not None:
            line.call.received(jingle, now)
            self._soon(line.run)
            return
        called = callee(to)
        if called is None or not speaks_for(to):
            raise StanzaError("item-not-found", "nobody to call at this address")
        if jingle.action is not Action.SESSION_INITIATE:
            raise unknown_session(jingle.sid)
        self._on_initiate(caller, to, called, jingle, now)

    def _on_initiate(self, caller: str, to: str, called: Callee, jingle: Jingle, now: float) -> None:
        refusal = self._admission.refusal(caller, called, now)
        try:
            offer = judge(jingle)
        except OfferRefused as error:
            refusal = refusal or error.reason
        if refusal is not None:
            metrics.REFUSED.labels("session-initiate", refusal.condition).inc()
            self._soon(partial(self._refuse, caller, to, called, jingle.sid, refusal))
            return
        outbox = Outbox()
        call = Call(jingle, offer, caller=caller, own_jid=to, outbox=outbox, now=now)
        line = Line(call, outbox, self._link, self._bridge, on_ended=self._ended, spawn=self._spawn)
        self._lines[caller, jingle.sid] = line
        self._admission.begun(caller)
        self._proposals.take(caller, jingle.sid)
        metrics.CALLS.inc()
        metrics.CALLS_BEGUN.labels("echo" if called.is_echo else "room").inc()
        if self._admission.wants_pin(caller, called, now):
            call.wait(now)
            call.tell(words.PIN_WANTED)
            self._soon(line.run)
        else:
            self._soon(partial(self._begin, line))

    def _refuse(self, caller: str, to: str, called: Callee, sid: str, reason: Reason) -> None:
        """End a session that does not begin, in words: few clients show those of the reason."""
        terminate = build_jingle(Jingle(Action.SESSION_TERMINATE, sid, reason=reason))
        self._link.send(iq("set", caller, to, terminate, id=secrets.token_urlsafe(12)))
        self._reception.explain(caller, called, reason.text, self._now())

    def _begin(self, line: Line) -> None:
        call = line.call
        if call.over:
            return
        called = callee(call.own_jid)
        assert called is not None
        name = f"{self._random.getrandbits(32):08x}"
        make = partial(self._echo if called.is_echo else self._room, line, called, name)
        call.begin(make, self._now())
        line.run()

    def _echo(self, line: Line, called: Callee, name: str, listener: LegListener) -> Leg:
        return EchoLeg(line.outbox, name, str(uuid.uuid4()), self._new_ssrc, listener)

    def _room(self, line: Line, called: Callee, name: str, listener: LegListener) -> Leg:
        leg = RoomLeg(
            line.outbox,
            room=f"{called.name}@{self._settings.xmpp.muc}",
            own_jid=f"{called.jid}/{name}",
            focus=self._settings.focus.domain,
            name=self._reception.name(line.call.caller),
            new_ssrc=self._new_ssrc,
            listener=listener,
        )
        self._proxies.put(line, leg)
        return leg

    def _new_ssrc(self) -> int:
        return self._random.randrange(1, 1 << 32)

    def _ended(self, line: Line) -> None:
        call = line.call
        if self._lines.pop((call.caller, call.sid), None) is None:
            return
        self._proxies.drop(line)
        self._admission.ended(call.caller)
        metrics.CALLS.dec()
        for stanza in self._proposals.finish(call.caller, call.sid, call.reason):
            self._link.send(stanza)
        _log.info("a call is over", callee=bare(call.own_jid), reason=call.reason.condition)

    def _on_mute(self, iq: Element) -> None:
        try:
            self._soon(self._proxies.mute(iq).run)
        except JingleError as error:
            raise _refused("mute", stanza_error(error)) from error

    # The link

    def _on_state(self, up: bool) -> None:
        if (
            up
        ):  # rooms and callers have seen us leave: nobody is to be found in a call that the other has ended
            self._end_all(reasons.LINK_LOST)

    def _end_all(self, reason: Reason) -> None:
        for line in list(self._lines.values()):
            line.call.end(reason)
            line.run()

    def _soon(self, work: Callable[[], Any]) -> None:
        """Do it when the request has been answered: what follows from it comes after its result."""
        asyncio.get_running_loop().call_soon(work)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _refused(request: str, error: StanzaError) -> StanzaError:
    metrics.REFUSED.labels(request, error.condition).inc()
    return error
