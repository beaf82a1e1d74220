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
from component.calls import discovery, metrics, words
from component.calls.addresses import Callee, callee, speaks_for
from component.calls.admission import Admission
from component.calls.call import Call
from component.calls.echo import EchoLeg
from component.calls.leg import Leg, LegListener
from component.calls.line import Line
from component.calls.offer import OfferRefused, judge
from component.calls.proposals import Proposals
from component.calls.reception import Reception
from component.calls.room_leg import RoomLeg
from component.focus.bridge_client import BridgeClient
from component.focus.occupant import parse_room_presence
from component.focus.outbox import Outbox
from component.focus.requests import stanza_error
from component.link import Link
from component.stanza import bare, domain, iq, resource
from component.stanza_error import StanzaError
from jingle.content import Action, Reason
from jingle.element import JINGLE_TAG, Jingle, build_jingle, parse_jingle
from jingle.errors import JingleError, unknown_session
from jingle.jitsi.mute import TAGS as MUTE_TAGS
from jingle.jitsi.mute import parse_mute

STOP_TIMEOUT_S = 2.0
_STOPPING = Reason("gone", "The server is being restarted. Please call again in a moment.")
_RESTARTED = Reason("gone", "The connection to the XMPP server was lost.")
_log = structlog.get_logger()


class Calls:
    """All calls of one component link."""

    def __init__(self, settings: Settings, link: Link, pin: str) -> None:
        self._settings = settings
        self._link = link
        self._bridge = BridgeClient(settings.focus.bridge)
        self._admission = Admission(settings, pin)
        self._proposals = Proposals()
        self._reception = Reception(settings, link, self._admission, self._proposals, self._unlocked)
        self._random = random.SystemRandom()
        self._lines: dict[tuple[str, str], Line] = {}
        """By the caller's full JID and sid."""
        self._rooms: dict[str, tuple[Line, RoomLeg]] = {}
        """Callers that are in a room, by the real JID of their occupant."""
        self._tasks: set[asyncio.Task[None]] = set()
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
        self._end_all(_STOPPING)
        tasks = self._tasks
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
        for task in tasks:
            task.cancel()
        await self._bridge.stop()

    # Presence and discovery

    def _on_info(self, iq: Element) -> Element:
        to = iq.get("to", "")
        room = self._occupant(iq)
        if room is not None:
            return room[1].info()
        return discovery.answer(to, iq[0].get("node", ""), callee(to))

    def _on_presence(self, stanza: Element) -> None:
        sender, type_ = stanza.get("from", ""), stanza.get("type", "")
        if domain(sender) == self._settings.xmpp.muc:
            self._on_room_presence(stanza)
            return
        self._reception.presence(stanza)
        if type_ == "unavailable":
            for (caller, _), line in list(self._lines.items()):
                if caller == sender:
                    line.call.vanish()
                    line.run()

    def _on_room_presence(self, stanza: Element) -> None:
        found = self._rooms.get(stanza.get("to", ""))
        if found is not None:
            line, leg = found
            leg.presence(parse_room_presence(stanza), self._now())
            line.run()

    def _on_message(self, stanza: Element) -> None:
        if domain(stanza.get("from", "")) != self._settings.xmpp.muc:
            self._reception.message(stanza, self._now())

    def _unlocked(self, caller: str) -> None:
        """The caller has said the PIN: what rings goes on."""
        for (other, _), line in list(self._lines.items()):
            if bare(other) == bare(caller) and line.call.waiting:
                self._begin(line)

    # Jingle

    def _on_jingle(self, iq: Element) -> None:
        try:
            jingle = parse_jingle(iq[0])
            if jingle.action is Action.SESSION_INFO and jingle.info is None and len(iq[0]):
                raise JingleError("feature-not-implemented", "", "unsupported-info")
            if domain(iq.get("from", "")) == self._settings.xmpp.muc:
                self._on_focus_jingle(iq, jingle)
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
        line = Line(call, outbox, self._link, self._bridge, self._ended)
        line.tasks = self._tasks
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
        if self._admission.known(caller):
            self._reception.say(caller, called, reason.text)

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
        self._rooms[leg.own_jid] = (line, leg)
        return leg

    def _new_ssrc(self) -> int:
        return self._random.randrange(1, 1 << 32)

    def _ended(self, line: Line) -> None:
        call = line.call
        if self._lines.pop((call.caller, call.sid), None) is None:
            return
        for jid in [jid for jid, (other, _) in self._rooms.items() if other is line]:
            del self._rooms[jid]
        self._admission.ended(call.caller)
        metrics.CALLS.dec()
        for stanza in self._proposals.finish(call.caller, call.sid, call.reason):
            self._link.send(stanza)
        _log.info("a call is over", callee=bare(call.own_jid), reason=call.reason.condition)

    # The room's side

    def _occupant(self, iq: Element) -> tuple[Line, RoomLeg] | None:
        """Whose occupant an IQ out of a room is for."""
        found = self._rooms.get(iq.get("to", ""))
        return found if found is not None and bare(iq.get("from", "")) == found[1].room else None

    def _on_focus_jingle(self, iq: Element, jingle: Jingle) -> None:
        found = self._occupant(iq)
        if found is None:
            raise unknown_session(jingle.sid)
        line, leg = found
        leg.jingle(resource(iq.get("from", "")), jingle, self._now())
        self._soon(line.run)

    def _on_mute(self, iq: Element) -> None:
        found = self._occupant(iq)
        if found is None:
            raise StanzaError("item-not-found", "no such call")
        line, leg = found
        try:
            leg.order_mute(resource(iq.get("from", "")), parse_mute(iq[0]))
        except JingleError as error:
            raise _refused("mute", stanza_error(error)) from error
        self._soon(line.run)

    # The link

    def _on_state(self, up: bool) -> None:
        if (
            up
        ):  # rooms and callers have seen us leave: nobody is to be found in a call that the other has ended
            self._end_all(_RESTARTED)

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
