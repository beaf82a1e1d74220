"""The focus as a service: the shell around the conferences. It owns stanzas, HTTP and timers, and no rule."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

import structlog

from carillon.journal import Journal
from carillon.settings import Settings
from component.focus import carrying_out, metrics, records, recovery
from component.focus.admission import Admission
from component.focus.bridge_queue import BridgeQueue, spawned
from component.focus.bridge_watch import Bridges
from component.focus.conference import Conference
from component.focus.effects import (
    AnswerRequest,
    AskBridge,
    AskPeer,
    BridgeAnswer,
    Effect,
    Ended,
    PeerAnswer,
    Send,
)
from component.focus.features import FeatureCache
from component.focus.occupant import parse_room_presence
from component.focus.oversight import Order
from component.focus.protection import Protection
from component.focus.recording import Recorder
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

    def __init__(
        self, settings: Settings, link: Link, journal: Journal, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives Unix time: by it the journal says when something was."""
        self._settings = settings
        self._link = link
        self._clock = clock
        self._recovered = False
        self._started_at: float | None = None
        self._parting: set[_Room] = set()
        """Their conferences are over, and their bridges have not said that they know."""
        self._jid = f"focus@{settings.focus.domain}"
        self._own_jid = f"{self._jid}/focus"
        self.bridges = Bridges(settings)
        self.bridges.on_change(self._on_bridges)
        for url in self.bridges.clients:
            metrics.BRIDGE_CONFERENCES.labels(self.bridges.pool.name(url)).set_function(
                partial(self._at, url)
            )
        self._admission = Admission(settings)
        self._features = FeatureCache()
        self._protection = Protection(
            journal,
            self._features,
            lambda: (room.recorder for room in (*self._parting, *self._rooms.values())),
        )
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
        link.before_acknowledging(self._protection.write_all)
        link.on_iq("set", conference_iq.CONFERENCE, self._on_conference)
        link.on_iq("set", JINGLE_TAG, self._on_jingle)
        for tag in MUTE_TAGS:
            link.on_iq("set", tag, self._on_mute)
        metrics.LARGEST_CONFERENCE.set_function(lambda: max(self._sizes(), default=0))
        metrics.PARTICIPANT_PAIRS.set_function(lambda: sum(size * (size - 1) for size in self._sizes()))

    async def start(self) -> None:
        """Make ready; conferences begin with the first request."""
        await self.bridges.start()

    async def stop(self) -> None:
        """Leave all rooms and end their conferences at the bridge; idempotent."""
        for room in list(self._rooms.values()):
            self._run(room, room.conference.close())
        if self._farewells:
            await asyncio.wait(self._farewells, timeout=STOP_TIMEOUT_S)
        for room in list(self._parting):
            self._farewell(room)
        self._protection.write_all()
        for task in self._tasks | self._farewells:
            task.cancel()
        await self.bridges.stop()

    def abandon(self) -> None:
        """Another process leads the conferences now: tell nobody anything any more, the bridges included."""
        for room in (*self._rooms.values(), *self._parting):
            room.stop_timer()
        self._protection.abandon()
        self._rooms.clear()
        self._parting.clear()
        for task in self._tasks | self._farewells:
            task.cancel()

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
        room = self._room(jid)
        _log.info("a conference begins", room=jid)
        self._run(room, room.conference.begin())
        return room

    def _room(self, jid: str, restored: recovery.Restored | None = None) -> _Room:
        """Make a conference, a new one or one that goes on."""
        now = self.now()
        conference = Conference(
            jid,
            self._settings.focus,
            own_jid=self._own_jid,
            features=self._features,
            bridges=self.bridges.pool,
            new_id=lambda: str(uuid.uuid4()),
            now=now,
            continued=(restored.conference or records.ConferenceRecord(0.0))
            if restored is not None
            else None,
        )
        if restored is not None:
            recovery.take_up(conference, restored, self._epoch(), now)
        known = restored.rows if restored is not None else ()
        recorder = Recorder(conference, self._admission.user(jid), self._epoch(), known)
        room = self._rooms[jid] = _Room(conference, recorder)
        room.to_bridge = BridgeQueue(
            self.bridges, partial(self._bridge_answered, room), spawned(self._farewells)
        )
        return room

    def _epoch(self) -> float:
        """Unix time at zero of the conferences' clock: the same as long as the process lives."""
        if self._started_at is None:
            self._started_at = self._clock() - self.now()
        return self._started_at

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
        effects, refusal = room.conference.jingle(nick, jingle, self.now(), iq.get("id", ""))
        self._run(room, effects, answered=True)
        if refusal is not None:
            raise _refused(jingle.action.value, refusal)

    def _on_mute(self, iq: Element) -> None:
        room, nick = self._occupant("mute", iq)
        try:
            mute = parse_mute(iq[0])
        except JingleError as error:
            raise _refused("mute", stanza_error(error)) from error
        effects, refusal = room.conference.mute(nick, mute)
        self._run(room, effects, answered=True)
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
        if up and not self._recovered:
            self._recovered = True
            self._recover()
        elif up:
            for room in list(self._rooms.values()):
                self._run(room, room.conference.link_restored(self.now()))

    def _on_bridges(self) -> None:
        for room in list(self._rooms.values()):
            self._run(room, room.conference.bridges_changed(self.now()))

    def _at(self, url: str) -> int:
        """How many conferences are on a bridge."""
        bridges = (room.conference.bridge for room in self._rooms.values())
        return sum(bridge.in_use and bridge.bridge == url for bridge in bridges)

    # Going on

    def _recover(self) -> None:
        """Go on where the process before this one has ended."""
        for one in self._protection.load():
            try:
                self._go_on(one)
            except Exception:
                metrics.RECOVERED.labels("failed").inc()
                _log.exception("a conference cannot go on", room=one.room)
                self._rooms.pop(one.room, None)
                self._admission.end(one.room)
                self._protection.delete(one.rows)

    def _go_on(self, restored: recovery.Restored) -> None:
        outcome = "damaged" if restored.damaged else "over" if restored.over else "continued"
        if restored.conference is not None:
            self._admission.go_on(restored.conference.user, restored.room)
        room = self._room(restored.room, restored)
        metrics.CONFERENCES.inc()
        metrics.RECOVERED.labels(outcome).inc()
        people = len(room.conference.participants)
        _log.info("a conference goes on", room=restored.room, participants=people, outcome=outcome)
        self._run(room, room.conference.close() if restored.over else room.conference.begin())

    # Running effects

    def _run(self, room: _Room, effects: list[Effect], *, answered: bool = False) -> None:
        """Carry out effects, after what they tell of is in the journal; so with an answer that follows."""
        if effects or answered:
            self._protection.write(room.recorder)
        else:
            self._protection.write_soon(room.recorder)
        for effect in effects:
            match effect:
                case Send():
                    carrying_out.send(self._link, effect.stanza)
                case AskPeer():
                    self._spawn(self._ask_peer(room, effect, carrying_out.ask_peer(self._link, effect)))
                case AskBridge():
                    room.asked += 1
                    room.to_bridge.put(effect)
                case AnswerRequest():
                    self._answer(effect)
                case Ended():
                    self._forget(room)
        if room in self._parting and not room.asked:
            self._farewell(room)
        self._arm(room)

    async def _ask_peer(
        self, room: _Room, effect: AskPeer, answer: Coroutine[None, None, PeerAnswer]
    ) -> None:
        self._answered(room, effect.done, await answer)

    def _bridge_answered(self, room: _Room, effect: AskBridge, answer: BridgeAnswer) -> None:
        room.asked -= 1
        self._answered(room, effect.done, answer)

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
            self._parting.add(room)
            self._admission.end(room.conference.jid)
            metrics.CONFERENCES.dec()
            self._count_time(room.conference)
            _log.info("the conference is over", room=room.conference.jid)

    def _farewell(self, room: _Room) -> None:
        """Everybody has heard that the conference is over: nothing is left to do for another process."""
        self._parting.discard(room)
        self._protection.forget(room.recorder, rows=room.conference.jid not in self._rooms)

    def _count_time(self, conference: Conference) -> None:
        """The conference is over, for those who are still there too."""
        now = self.now()
        metrics.CONFERENCES_SECONDS.inc(now - conference.created_at)
        for participant in conference.participants.values():
            metrics.ENDPOINT_SECONDS.inc(now - participant.joined_at)

    def _sizes(self) -> list[int]:
        return [len(room.conference.participants) for room in self._rooms.values()]

    def _arm(self, room: _Room) -> None:
        room.stop_timer()
        at = room.conference.next_time()
        if at is not None and self._rooms.get(room.conference.jid) is room:
            room.timer = asyncio.get_running_loop().call_at(at, self._tick, room)

    def _tick(self, room: _Room) -> None:
        room.timer = None
        self._run(room, room.conference.tick(self.now()))


class _Room:
    """What the shell keeps for one conference."""

    to_bridge: BridgeQueue

    def __init__(self, conference: Conference, recorder: Recorder) -> None:
        self.conference = conference
        self.recorder = recorder
        self.asked = 0
        """Requests that the bridges have not answered."""
        self.timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        """Have nothing done at any time."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def _refused(request: str, error: StanzaError) -> StanzaError:
    metrics.REFUSED.labels(request, error.condition).inc()
    return error
