"""The focus as a service: the shell around the conferences. It owns stanzas, HTTP and timers, and no rule."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element

import structlog

from carillon.settings import Settings
from component.focus import carrying_out, metrics
from component.focus.admission import Admission
from component.focus.bridge_client import BridgeClient
from component.focus.bridge_queue import BridgeQueue, spawned
from component.focus.conference import Conference
from component.focus.effects import (
    AnswerRequest,
    AskBridge,
    AskPeer,
    Effect,
    Ended,
    Send,
)
from component.focus.features import FeatureCache
from component.focus.occupant import parse_room_presence
from component.focus.oversight import Order
from component.focus.requests import stanza_error
from component.link import Link
from component.stanza import bare, domain, resource
from component.stanza_error import StanzaError
from jingle.element import JINGLE_TAG, parse_jingle
from jingle.errors import JingleError
from jingle.jitsi import conference as conference_iq
from jingle.jitsi.mute import TAGS as MUTE_TAGS
from jingle.jitsi.mute import parse_mute

STOP_TIMEOUT_S = 2.0
_DRAINING = "The conference service is about to restart: please try again in a moment."
_NO_SUCH_CONFERENCE = "not a participant of a conference here"
_log = structlog.get_logger()


class Focus:
    """The conference focus of one component link."""

    def __init__(self, settings: Settings, link: Link) -> None:
        self._settings = settings
        self._link = link
        self._jid = f"focus@{settings.focus.domain}"
        self._own_jid = f"{self._jid}/focus"
        self.bridge = BridgeClient(settings.focus.bridge)
        self._admission = Admission(settings)
        self._features = FeatureCache()
        self._rooms: dict[str, _Room] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._last_ticket = 0
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn = spawned(self._tasks)
        self._farewells: set[asyncio.Task[None]] = set()
        """Those that bring the bridge what it must know even when the focus stops."""
        link.on_presence(self._on_presence)
        link.on_state(self._on_state)
        link.on_iq("set", conference_iq.CONFERENCE, self._on_conference)
        link.on_iq("set", JINGLE_TAG, self._on_jingle)
        for tag in MUTE_TAGS:
            link.on_iq("set", tag, self._on_mute)
        metrics.LARGEST_CONFERENCE.set_function(lambda: max(self._sizes(), default=0))
        metrics.PARTICIPANT_PAIRS.set_function(lambda: sum(size * (size - 1) for size in self._sizes()))

    async def start(self) -> None:
        """Make ready; conferences begin with the first request."""
        await self.bridge.start()

    async def stop(self) -> None:
        """Leave all rooms and end their conferences at the bridge; idempotent."""
        for room in list(self._rooms.values()):
            self._run(room, room.conference.close())
        if self._farewells:
            await asyncio.wait(self._farewells, timeout=STOP_TIMEOUT_S)
        for task in self._tasks | self._farewells:
            task.cancel()
        await self.bridge.stop()

    def reload(self, settings: Settings) -> None:
        """Take other limits, for the conferences that run too."""
        self._settings = settings
        self._admission.reload(settings)
        for room in self._rooms.values():
            room.conference.reload(settings.focus)

    def drain(self) -> None:
        """Begin no new conference; those that run go on, and take participants."""
        self._draining = True

    # Administration (component.focus.oversight)

    @property
    def conferences(self) -> Mapping[str, Conference]:
        """All that run, by the room's JID."""
        return {jid: room.conference for jid, room in self._rooms.items()}

    def now(self) -> float:
        """Time on the clock of the conferences: the event loop's."""
        return asyncio.get_running_loop().time()

    def run(self, room: str, effects: list[Effect]) -> None:
        """Carry out effects of a conference."""
        self._run(self._rooms[room], effects)

    async def order(self, room: str, order: Order) -> None:
        """Carry out an order in a conference and wait for its answer. Raises StanzaError."""
        await self._answered_order(self._rooms[room], order)

    # What comes over the link

    async def _on_conference(self, iq: Element) -> Element:
        metrics.CONFERENCE_REQUESTS.inc()
        sender = iq.get("from", "")
        try:
            request = conference_iq.parse_conference(iq[0])
            room = self._room_for(sender, self._admission.room(sender, request.room))
            await self._answer_for(room, sender)
        except JingleError as error:
            raise _refused("conference", stanza_error(error)) from error
        except StanzaError as error:
            _refused("conference", error)
            raise
        answer = conference_iq.Conference(
            room.conference.jid,
            ready=True,
            focus_jid=self._jid,
            properties={"authentication": "false", "visitors-supported": "false"},
        )
        return conference_iq.build_conference(answer)

    def _room_for(self, sender: str, jid: str) -> _Room:
        if jid in self._rooms:
            return self._rooms[jid]
        if self._draining:
            raise StanzaError("service-unavailable", _DRAINING, type="wait")
        self._admission.start(sender, jid)
        metrics.CONFERENCE_REQUESTS_NEW.inc()
        metrics.CONFERENCES_CREATED.inc()
        metrics.CONFERENCES.inc()
        conference = Conference(
            jid,
            self._settings.focus,
            own_jid=self._own_jid,
            features=self._features,
            new_id=lambda: str(uuid.uuid4()),
            now=self.now(),
        )
        queue = BridgeQueue(
            self.bridge,
            lambda effect, answer: self._answered(room, effect.done, answer),
            spawned(self._farewells),
        )
        room = self._rooms[jid] = _Room(conference, queue)
        _log.info("a conference begins", room=jid)
        self._run(room, conference.begin())
        return room

    async def _answer_for(self, room: _Room, sender: str) -> None:
        await self._answered_order(
            room, lambda conference, ticket: conference.request(ticket, sender, self.now())
        )

    async def _answered_order(self, room: _Room, order: Order) -> None:
        self._last_ticket += 1
        ticket = self._last_ticket
        answer = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        try:
            self._run(room, order(room.conference, ticket))
            await answer
        finally:
            del self._waiting[ticket]

    def _on_presence(self, presence: Element) -> None:
        sender = presence.get("from", "")
        room = self._rooms.get(bare(sender))
        if room is not None and domain(sender) == self._settings.xmpp.muc:
            self._run(room, room.conference.presence(parse_room_presence(presence), self.now()))

    def _on_jingle(self, iq: Element) -> None:
        room, nick = self._occupant("jingle", iq)
        try:
            jingle = parse_jingle(iq[0])
        except JingleError as error:
            raise _refused("jingle", stanza_error(error)) from error
        effects, refusal = room.conference.jingle(nick, jingle, self.now())
        self._run(room, effects)
        if refusal is not None:
            raise _refused(jingle.action.value, refusal)

    def _on_mute(self, iq: Element) -> None:
        room, nick = self._occupant("mute", iq)
        try:
            mute = parse_mute(iq[0])
        except JingleError as error:
            raise _refused("mute", stanza_error(error)) from error
        effects, refusal = room.conference.mute(nick, mute)
        self._run(room, effects)
        if refusal is not None:
            raise _refused("mute", refusal)

    def _occupant(self, request: str, iq: Element) -> tuple[_Room, str]:
        """Who sent the IQ, by its address. Raises StanzaError when that is no occupant of a conference."""
        sender = iq.get("from", "")
        room = self._rooms.get(bare(sender))
        if room is None or not resource(sender):
            raise _refused(request, StanzaError("item-not-found", _NO_SUCH_CONFERENCE))
        return room, resource(sender)

    def _on_state(self, up: bool) -> None:
        if up:
            for room in list(self._rooms.values()):
                self._run(room, room.conference.link_restored(self.now()))

    # Running effects

    def _run(self, room: _Room, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    carrying_out.send(self._link, effect.stanza)
                case AskPeer():
                    self._spawn(self._ask_peer(room, effect))
                case AskBridge():
                    room.to_bridge.put(effect)
                case AnswerRequest():
                    self._answer(effect)
                case Ended():
                    self._forget(room)
        self._arm(room)

    async def _ask_peer(self, room: _Room, effect: AskPeer) -> None:
        self._answered(room, effect.done, await carrying_out.ask_peer(self._link, effect))

    def _answered(self, room: _Room, done: Callable[[Any, float], None], answer: Any) -> None:
        try:
            effects = room.conference.answered(done, answer, self.now())
        except Exception:
            # A mistake in one conference must not end the queue to the bridge.
            _log.exception("an answer could not be handled", room=room.conference.jid)
        else:
            self._run(room, effects)

    def _answer(self, effect: AnswerRequest) -> None:
        waiting = self._waiting.get(effect.ticket)
        if waiting is None or waiting.done():
            return
        if effect.error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(effect.error)

    def _forget(self, room: _Room) -> None:
        if self._rooms.pop(room.conference.jid, None) is not None:
            self._admission.end(room.conference.jid)
            metrics.CONFERENCES.dec()
            self._count_time(room.conference)
            _log.info("the conference is over", room=room.conference.jid)

    def _count_time(self, conference: Conference) -> None:
        """The conference is over, for those who are still there too."""
        now = self.now()
        metrics.CONFERENCES_SECONDS.inc(now - conference.created_at)
        for participant in conference.participants.values():
            metrics.ENDPOINT_SECONDS.inc(now - participant.joined_at)

    def _sizes(self) -> list[int]:
        return [len(room.conference.participants) for room in self._rooms.values()]

    def _arm(self, room: _Room) -> None:
        if room.timer is not None:
            room.timer.cancel()
            room.timer = None
        at = room.conference.next_time()
        if at is not None and self._rooms.get(room.conference.jid) is room:
            room.timer = asyncio.get_running_loop().call_at(at, self._tick, room)

    def _tick(self, room: _Room) -> None:
        room.timer = None
        self._run(room, room.conference.tick(self.now()))


class _Room:
    """What the shell keeps for one conference."""

    def __init__(self, conference: Conference, to_bridge: BridgeQueue) -> None:
        self.conference = conference
        self.to_bridge = to_bridge
        self.timer: asyncio.TimerHandle | None = None


def _refused(request: str, error: StanzaError) -> StanzaError:
    metrics.REFUSED.labels(request, error.condition).inc()
    return error
