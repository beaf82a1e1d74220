"""A small world around the focus, in simulated time: a MUC, a link that buffers and repeats, a bridge.

The focus in it is the real one with its real shell; what it reaches is modelled (its clients:
tests.component.focus_world_client). A process of it is killed by cutting it off: from then on nothing that it
does has an effect on anybody.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch
from xml.etree.ElementTree import Element, SubElement

from carillon.journal import Journal, Row
from carillon.journal.memory_store import MemoryStore
from carillon.settings import Settings, parse
from component.focus import service
from component.focus.bridge_pool import BridgePool
from component.focus.effects import BridgeAnswer
from component.focus.features import DISCO_INFO
from component.focus.occupant import MUC_USER
from component.focus.own_presence import MUC, NICK
from component.focus.roles import MUC_ADMIN
from component.focus.service import Focus
from component.link.dispatch import Dispatch
from component.link.interface import IqHandler, LinkDown, StanzaHandler, StateHandler
from component.link.requests import Requests
from component.stanza import IQ, PRESENCE, Kind, bare, presence, resource, result
from component.stanza_error import StanzaError
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify, Endpoint, Transport
from tests.component.focus_room import BRIDGE, OWN_JID, allocate, bridge_transport
from tests.component.focus_room import MUC as MUC_DOMAIN

if TYPE_CHECKING:
    from tests.component.focus_world_client import WorldClient

FOCUS_DOMAIN = "focus.meet.lab"
WALL = 1_700_000_000.0
"""Unix time when the world's clock is at zero."""


class Life:
    """Of one process of the focus: it ends after so many deeds, in the middle of whatever it does."""

    def __init__(self, deeds: int | None) -> None:
        self._left = deeds
        self.ended = asyncio.Event()

    def deed(self) -> bool:
        """Something is about to have an effect: whether it still may."""
        if self._left is not None and not self.ended.is_set():
            if self._left == 0:
                self.ended.set()
            self._left -= 1
        return not self.ended.is_set()

    def spare(self) -> None:
        """It goes on for ever."""
        self._left = None


class World:
    """Everything that outlives a process of the focus."""

    def __init__(self, rng: random.Random, **focus: object) -> None:
        self.rng = rng
        self.muc = Muc(self)
        self.link = WorldLink(self)
        self.bridge = WorldBridge(self)
        self.store = MemoryStore()
        self.process: Process | None = None
        self.clients: dict[str, WorldClient] = {}
        """By real JID."""
        keys = {"restart_interval_s": 0.0, "restarts_per_minute": 1000} | focus
        text = "".join(f"{key} = {value}\n" for key, value in keys.items())
        xmpp = f'[xmpp]\ndomain = "meet.lab"\nmuc = "{MUC_DOMAIN}"\nguest_domain = "guest.meet.lab"\n'
        text = f'{xmpp}[focus]\ndomain = "{FOCUS_DOMAIN}"\nbridge = "{BRIDGE}"\n{text}'
        self.settings: Settings = parse(text, Path("/nowhere/carillon.toml"))
        self.processes = 0
        self.ssrc = 0
        self.drops_answers = False
        """Whether the link loses answers while no process is there."""
        self.faults: list[str] = []
        """What should not have happened."""

    def start(self, deeds: int | None = None) -> Process:
        """Start a process of the focus, which dies after so many deeds."""
        self.processes += 1
        self.process = Process(self, deeds)
        self.process.link.tell(True)
        self.link.go_on()
        return self.process

    def kill(self) -> None:
        """The process is gone, wherever it was."""
        assert self.process is not None
        self.process.bury()
        for client in self.clients.values():
            client.protect()
        self.process = None
        self.link.nobody_there()

    def soon(self, deed: Callable[[], None], *, within_s: float = 0.02) -> None:
        """Do something a little later."""
        asyncio.get_running_loop().call_later(self.rng.uniform(0.0, within_s), deed)


class Process:
    """One process of the focus."""

    def __init__(self, world: World, deeds: int | None) -> None:
        self.world = world
        self.life = Life(deeds)
        self.link = ProcessLink(self)
        self.journal = Journal(ProcessStore(self), 3600.0, clock=lambda: WALL)
        with patch.object(service, "Bridges", lambda settings: ProcessBridges(self)):
            loop = asyncio.get_running_loop()
            self.focus = Focus(world.settings, self.link, self.journal, clock=lambda: WALL + loop.time())

    def bury(self) -> None:
        """Nothing runs any more."""
        self.life.ended.set()
        self.focus.abandon()
        self.link.dispatch.cancel()


class ProcessStore:
    """The journal as the process reaches it: it may die before a write or after."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._store = process.world.store
        self.open, self.load, self.attended_at = self._store.open, self._store.load, self._store.attended_at
        self.attend, self.close = self._store.attend, self._store.close

    def write(self, rows: Sequence[Row], now: float) -> None:
        """See Store.write."""
        if self._process.life.deed():
            self._store.write(rows, now)
            self._process.life.deed()


class ProcessBridges:
    """The bridges as the process reaches them."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pool = BridgePool({BRIDGE: "bridge"})
        self.clients: dict[str, object] = {}

    def on_change(self, listener: Callable[[], None]) -> None:
        """The bridge is well all the time."""

    async def stop(self) -> None:
        """There is nothing to stop."""

    async def ask(self, url: str, request: ConferenceModify) -> BridgeAnswer:
        """Ask; a process that dies meanwhile gets no answer, and what it asked is done all the same."""
        if not self._process.life.deed():
            return await asyncio.Event().wait()  # type: ignore[return-value]
        bridge, rng = self._process.world.bridge, self._process.world.rng
        before, after = rng.uniform(0.0, 0.01), rng.uniform(0.0, 0.01)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[BridgeAnswer] = loop.create_future()

        loop.call_later(before, lambda: loop.call_later(after, _answer, answer, bridge.answer(request)))
        return await answer


def _answer(answer: asyncio.Future[BridgeAnswer], found: BridgeAnswer) -> None:
    if not answer.done():
        answer.set_result(found)


class ProcessLink:
    """The link of one process: dispatches as the real one."""

    domain = FOCUS_DOMAIN
    session = "s1"

    def __init__(self, process: Process) -> None:
        self._process = process
        self._requests = Requests()
        self._states: list[StateHandler] = []
        self._before: list[Callable[[], None]] = []
        loop = asyncio.get_running_loop()
        self.dispatch = Dispatch(FOCUS_DOMAIN, self._requests, self.send, clock=loop.time)

    def send(self, stanza: Element) -> None:
        """See Link.send."""
        if self._process.life.deed():
            self._process.world.muc.receive(copy.deepcopy(stanza))

    async def request(self, iq: Element, timeout_s: float = 15.0) -> Element:
        """See Link.request."""
        answer = self._requests.open(iq)
        self.send(iq)
        return await self._requests.answer(iq, answer, timeout_s)

    def expect(self, iq: Element, timeout_s: float = 15.0) -> Awaitable[Element]:
        """See Link.expect."""
        return self._requests.answer(iq, self._requests.open(iq), timeout_s)

    def on_iq(self, type: str, payload_tag: str, handler: IqHandler) -> None:
        """See Link.on_iq."""
        self.dispatch.on_iq(type, payload_tag, handler)

    def on_presence(self, handler: StanzaHandler) -> None:
        """See Link.on_presence."""
        self.dispatch.on_stanza(Kind.PRESENCE, handler)

    def on_message(self, handler: StanzaHandler) -> None:
        """See Link.on_message."""

    def on_state(self, handler: StateHandler) -> None:
        """See Link.on_state."""
        self._states.append(handler)

    def before_acknowledging(self, handler: Callable[[], None]) -> None:
        """See Link.before_acknowledging."""
        self._before.append(handler)

    def tell(self, up: bool) -> None:
        """A session begins or ends."""
        for handler in self._states:
            handler(up)

    def lose_session(self) -> None:
        """The server has a new session with us and may have lost anything."""
        self._requests.fail_all(LinkDown("lost"))
        self.dispatch.end_session()
        self.tell(False)
        self.tell(True)

    def count_handled(self) -> int | None:
        """What may be forgotten; None when the process died before it could say it."""
        for handler in self._before:
            handler()
        return self.dispatch.handled() if self._process.life.deed() else None


class WorldLink:
    """The link to the server: what no process has acknowledged is given to the next one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: deque[Element] = deque()
        self._given: deque[Element] = deque()
        self._acknowledged = 0
        self._busy = False

    def receive(self, stanza: Element) -> None:
        """The server has something for the focus."""
        lost = self._world.drops_answers and self._world.process is None
        if lost and stanza.tag == IQ and stanza.get("type") in ("result", "error"):
            return
        self._waiting.append(copy.deepcopy(stanza))
        self.go_on()

    def go_on(self) -> None:
        """Give what waits to the process, if there is one."""
        if not self._busy and self._world.process is not None and self._waiting:
            self._busy = True
            self._world.soon(self._give, within_s=0.005)

    def nobody_there(self) -> None:
        """The process is gone."""
        self._waiting.extendleft(reversed(self._given))
        self._given.clear()
        self._acknowledged = 0

    def _give(self) -> None:
        self._busy = False
        process = self._world.process
        if process is None:
            return
        for _ in range(min(len(self._waiting), self._world.rng.randint(1, 4))):
            stanza = self._waiting.popleft()
            self._given.append(stanza)
            if not process.life.ended.is_set():
                process.link.dispatch.receive(copy.deepcopy(stanza))
        if self._world.rng.random() < 0.6:
            handled = process.link.count_handled()
            while handled is not None and self._acknowledged < handled:
                self._given.popleft()
                self._acknowledged += 1
        self.go_on()


class Muc:
    """Rooms as XEP-0045 has them, as far as the focus and its participants use them. Nothing is overtaken."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.rooms: dict[str, dict[str, Element]] = {}
        """The presence of each occupant by nick; its `to` is the occupant's real JID."""
        self.owners: set[str] = {bare(OWN_JID)}

    def receive(self, stanza: Element) -> None:
        """A user or the focus has sent something."""
        to, sender = stanza.get("to", ""), stanza.get("from", "")
        if bare(to) == FOCUS_DOMAIN or to == OWN_JID:
            self._world.link.receive(stanza)
        elif not to.endswith(f"@{MUC_DOMAIN}") and f"@{MUC_DOMAIN}/" not in to:
            self._to_user(to, stanza)
        elif stanza.tag == PRESENCE:
            self._presence(bare(to), resource(to), sender, stanza)
        elif stanza.tag == IQ:
            self._iq(bare(to), resource(to), sender, stanza)

    def _presence(self, room: str, nick: str, jid: str, stanza: Element) -> None:
        if stanza.get("type") == "unavailable":
            occupants = self.rooms.get(room, {})
            if nick in occupants and occupants[nick].get("to") == jid:
                self._broadcast(room, nick, type="unavailable")
                del occupants[nick]
                if not occupants:
                    del self.rooms[room]
            return
        occupants = self.rooms.setdefault(room, {})
        joins = stanza.find(f"{{{MUC}}}x")
        if joins is not None:
            stanza.remove(joins)
            for other in [one for one in occupants if one != nick]:
                self._tell(room, other, jid)
        stanza.set("to", jid)
        occupants[nick] = stanza
        self._broadcast(room, nick)

    def _broadcast(self, room: str, nick: str, type: str = "") -> None:
        own = self.rooms[room][nick].get("to", "")
        for other in [one for one in self.rooms[room] if one != nick]:
            self._tell(room, nick, self.rooms[room][other].get("to", ""), type)
        self._tell(room, nick, own, type, own=True)

    def _tell(self, room: str, nick: str, to: str, type: str = "", own: bool = False) -> None:
        """Show an occupant to somebody."""
        kept = self.rooms[room][nick]
        shown = presence(to, f"{room}/{nick}", *kept, type=type or None)
        x = SubElement(shown, f"{{{MUC_USER}}}x")
        jid = kept.get("to", "")
        affiliation = "owner" if bare(jid) in self.owners else "none"
        role = "none" if type else "moderator" if affiliation == "owner" else "participant"
        SubElement(x, f"{{{MUC_USER}}}item", {"jid": jid, "affiliation": affiliation, "role": role})
        if own:
            SubElement(x, f"{{{MUC_USER}}}status", {"code": "110"})
        self._to_user(to, shown)

    def _iq(self, room: str, nick: str, sender: str, stanza: Element) -> None:
        occupants = self.rooms.get(room, {})
        own = next((one for one, kept in occupants.items() if kept.get("to") == sender), None)
        if not nick:
            if stanza.get("type") in ("get", "set"):
                self._administer(room, stanza)
            return
        if nick not in occupants or own is None:
            if stanza.get("type") in ("get", "set"):
                self._to_user(sender, StanzaError("item-not-found").reply(stanza))
            return
        stanza.set("from", f"{room}/{own}")
        stanza.set("to", occupants[nick].get("to", ""))
        self._to_user(stanza.get("to", ""), stanza)

    def _administer(self, room: str, stanza: Element) -> None:
        made = [
            one
            for item in stanza.iter(f"{{{MUC_ADMIN}}}item")
            if item.get("affiliation") == "owner"
            for one, kept in self.rooms.get(room, {}).items()
            if bare(kept.get("to", "")) == item.get("jid")
        ]
        for one in made:
            self.owners.add(bare(self.rooms[room][one].get("to", "")))
            self._broadcast(room, one)
        answer = Element(stanza[0].tag) if stanza[0].tag == f"{{{DISCO_INFO}}}query" else None
        self._to_user(stanza.get("from", ""), result(stanza, answer))

    def _to_user(self, jid: str, stanza: Element) -> None:
        if jid in (OWN_JID, FOCUS_DOMAIN):
            self._world.link.receive(stanza)
        elif jid in self._world.clients:
            self._world.clients[jid].arrives(copy.deepcopy(stanza))

    def nicks(self, room: str) -> set[str]:
        """Who is in a room, without the focus."""
        return set(self.rooms.get(room, {})) - {NICK}


class WorldBridge:
    """Knows its conferences and endpoints as the real one does, and what it was told of them last."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.conferences: dict[str, dict[str, Endpoint]] = {}
        self._generation = 0

    def answer(self, request: ConferenceModify) -> BridgeAnswer:
        """Do what is asked."""
        if request.create:
            if request.meeting_id in self.conferences:
                return Colibri2Error("conference_already_exists")
            self.conferences[request.meeting_id] = {}
        if request.meeting_id not in self.conferences:
            return Colibri2Error("conference_not_found")
        endpoints = self.conferences[request.meeting_id]
        for endpoint in request.endpoints:
            if endpoint.expire:
                endpoints.pop(endpoint.id, None)
            elif endpoint.create:
                if endpoint.id in endpoints:
                    return Colibri2Error("unspecified", "there is such an endpoint")
                endpoints[endpoint.id] = endpoint
            elif endpoint.id not in endpoints:
                return Colibri2Error("unknown_endpoint")
            else:
                endpoints[endpoint.id] = _updated(endpoints[endpoint.id], endpoint)
        if request.expire:
            del self.conferences[request.meeting_id]
        answer = allocate(request)
        restarted = [one for one in request.endpoints if one.transport and one.transport.ice_restart]
        if not restarted:
            return answer
        self._generation += 1
        ice = replace(bridge_transport(restarted[0].id), ice_generation=self._generation)
        return ConferenceModified((Endpoint(restarted[0].id, transport=Transport(ice=ice)),))


def _updated(known: Endpoint, told: Endpoint) -> Endpoint:
    ice = told.transport.ice if told.transport is not None else None
    return replace(
        known,
        transport=Transport(ice=ice) if ice is not None else known.transport,
        sources=told.sources if told.sources is not None else known.sources,
        force_mute_audio=known.force_mute_audio if told.force_mute_audio is None else told.force_mute_audio,
        force_mute_video=known.force_mute_video if told.force_mute_video is None else told.force_mute_video,
    )
