"""One room's conference at the bridge (Colibri2): its endpoints, and what follows from each failure.

Requests of one room reach the bridge in order. What the bridge should know of an endpoint is compared with
what it was told last, and one request at a time closes the gap: a bridge that was away for a while, or a
participant that changes its mind faster than the bridge answers, costs no more than that.

Every loss of the bridge's conference begins a new generation: answers of an older one mean nothing any more.
Where several bridges are, a new generation may be on another one (component.focus.bridge_pool): the whole
conference moves, and everybody is invited again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from component.focus.bridge_interface import BridgeListener, Wanted
from component.focus.bridge_place import BridgePlace
from component.focus.bridge_pool import BridgePool, Trouble
from component.focus.effects import BridgeAnswer
from component.focus.metrics import BRIDGES_REMOVED
from component.focus.outbox import Outbox
from component.focus.reaction import Reaction, reaction_to
from component.focus.records import BridgeRecord
from component.focus.session import Session
from component.focus.single_stream import is_single
from jingle.colibri2 import (
    ConferenceModified,
    ConferenceModify,
    Endpoint,
    Transport,
)
from jingle.ice import IceTransport

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0
CHECK_INTERVAL_S = 10.0
"""A bridge that was restarted is noticed after this time even if nobody does anything."""
LOSS_INTERVAL_S = 5.0
"""A bridge that loses its conference again within this time is left alone for a while."""


@dataclass(eq=False)
class _Allocation:
    """An endpoint that exists at the bridge or is asked for."""

    session: Session
    told: Wanted | None
    """None: nobody knows."""
    exists: bool = False
    asking: bool = False
    """An update is on its way."""
    stale: bool = False
    """What the bridge has confirmed is not what it should know."""


class BridgeConference:
    """The sans-I/O client of one conference at one bridge."""

    def __init__(
        self,
        outbox: Outbox,
        room: str,
        new_id: Callable[[], str],
        listener: BridgeListener,
        bridges: BridgePool,
    ) -> None:
        self._place = BridgePlace(outbox, room, bridges)
        self._room = room
        self._new_id = new_id
        self._meeting_id = new_id()
        self._listener = listener
        self._refusal: Trouble | None = None
        """Why the bridge takes no new endpoints, by its own last answer."""
        self._reachable = True
        """Whether the bridge answered last time."""
        self._generation = 0
        self._created = False
        self._allocations: dict[str, _Allocation] = {}
        self._uncertain: set[str] = set()
        """Endpoints that may exist although nobody uses them: a request about them got no answer."""
        self._expiring: set[str] = set()
        """Endpoints of which the bridge has not confirmed that they are gone."""
        self._retry_s = FIRST_RETRY_S
        self._retry_at: float | None = None
        self._check_at = 0.0
        self._lost_at: float | None = None

    @property
    def available(self) -> bool:
        """Whether new endpoints may be asked for."""
        return self.trouble is None

    @property
    def trouble(self) -> Trouble | None:
        """Why no new endpoints may be asked for."""
        if self._refusal is not None:
            return self._refusal
        return None if self._created else self._place.trouble_everywhere

    @property
    def bridge(self) -> str:
        """The address of the bridge where the conference is, or was last; "" before there was one."""
        return self._place.bridge

    @property
    def in_use(self) -> bool:
        """Whether any endpoint exists or is asked for."""
        return bool(self._allocations)

    @property
    def meeting_id(self) -> str:
        """The name of the conference at the bridge; "" while there is none."""
        return self._meeting_id if self._created else ""

    # The journal (component.focus.records)

    def record(self) -> BridgeRecord:
        """What must be known to go on in another process."""
        by_existence: dict[bool, list[str]] = {True: [], False: []}
        for name, allocation in self._allocations.items():
            by_existence[allocation.exists].append(name)
        return BridgeRecord(
            bridge=self.bridge,
            meeting_id=self._meeting_id,
            created=self._created,
            existing=tuple(by_existence[True]),
            asked=tuple(by_existence[False]),
            stale=tuple(name for name, one in self._allocations.items() if one.stale),
            uncertain=tuple(sorted(self._uncertain | self._expiring)),
            ended=self._place.ended,
        )

    def restore(self, record: BridgeRecord, sessions: Mapping[str, Session], now: float) -> None:
        """Go on where another process was, with the endpoints of `sessions` that exist, by their names.

        All others are expired, and without any the whole conference is. What is stale is told again.
        """
        self._place.stay_at(record.bridge)
        for bridge, meeting_id in record.ended:
            self._place.end(bridge, meeting_id)
        if not record.created:
            return
        kept = {name: sessions[name] for name in record.existing if name in sessions}
        if not kept:
            self._place.end(record.bridge, record.meeting_id)
            return
        self._meeting_id, self._created = record.meeting_id, True
        self._check_at = now
        for name, session in kept.items():
            told = None if name in record.stale else self._listener.wanted(session)
            self._allocations[name] = _Allocation(session, told, exists=True)
        for name in dict.fromkeys((*record.existing, *record.asked, *record.uncertain)):
            if name not in kept:
                self._expire_endpoint(name)
        for allocation in list(self._allocations.values()):
            self._bring_up_to_date(allocation)

    # What the room wants

    def allocate(self, session: Session, stats_id: str, now: float) -> None:
        """Ask for an endpoint for a session that is in state ALLOCATING."""
        if not self._created:
            self._place.choose()
        if session.nick in self._uncertain:
            self._uncertain.discard(session.nick)
            self._expire_endpoint(session.nick)
        muted = self._listener.wanted(session).muted
        endpoint = Endpoint(
            session.nick,
            create=True,
            stats_id=stats_id,
            capabilities=session.capabilities,
            media=session.media,
            transport=Transport(ice_controlling=session.ice_controlling),
            sources=(),
            force_mute_audio=True if "audio" in muted else None,
            force_mute_video=True if "video" in muted else None,
        )
        allocation = self._allocations[session.nick] = _Allocation(session, Wanted(muted=muted))
        done = partial(self._allocation_answered, allocation, self._generation)
        if self._created:
            self._modify(endpoint, done)
            return
        self._created = True
        self._check_at = now + CHECK_INTERVAL_S
        request = ConferenceModify(self._meeting_id, name=self._room, create=True, endpoints=(endpoint,))
        self._place.ask(request, done)
        self._listener.bridge_changed()

    def changed(self, session: Session) -> None:
        """What the bridge should know of the session's endpoint is something else than before."""
        allocation = self._allocations.get(session.nick)
        if allocation is not None and allocation.session is session:
            self._bring_up_to_date(allocation)

    def restart_ice(self, session: Session, done: Callable[[IceTransport | None, float], None]) -> None:
        """Ask for new ICE credentials; `done` gets them, or None when the bridge keeps the old ones."""
        self._modify(
            Endpoint(session.nick, transport=Transport(ice_restart=True)),
            partial(self._restart_answered, session, self._generation, done),
        )

    def expire(self, session: Session) -> None:
        """The session is over: end its endpoint; with the last one the conference."""
        if not self._has(session):
            return
        del self._allocations[session.nick]
        if self._allocations:
            self._expire_endpoint(session.nick)
        else:
            self.expire_all()

    def expire_all(self) -> None:
        """End the conference at the bridge."""
        if self._created:
            self._place.end(self.bridge, self._meeting_id)
            self._forget()
            self._listener.bridge_changed()

    # The bridges

    def bridges_changed(self, now: float) -> None:
        """The health of a bridge is another than before."""
        if not self._created:
            if self._place.trouble_everywhere is None:
                self._open(now)
        elif self._place.must_be_left:
            self._move(now)
        elif self._place.is_down:
            self._reachable = False
            self._refuse(self._place.trouble, now)
            self._retry_at = None  # what the pool hears of the bridge comes before every try
        elif self._place.is_back():
            self._check(now)
        self._listener.bridge_changed()

    def _move(self, now: float) -> None:
        """Begin anew on another bridge, with everybody."""
        BRIDGES_REMOVED.inc()
        self._place.end(self.bridge, self._meeting_id)
        self._forget()
        self._refusal = self._retry_at = None
        self._reachable = True
        self._listener.conference_lost(now)

    # Time

    def next_time(self) -> float | None:
        """When `tick` has something to do."""
        if self._refusal is not None:
            return self._retry_at
        return self._check_at if self._allocations else None

    def tick(self, now: float) -> None:
        """Try again a bridge that was away; see now and then whether one still knows the conference."""
        if self._refusal is not None and self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            if not self._is_down() and not self._listener.probe(now):
                self._check(now)
        elif self._refusal is None and self._allocations and now >= self._check_at:
            self._check(now)

    def _check(self, now: float) -> None:
        self._check_at = now + CHECK_INTERVAL_S
        if not self._allocations:
            # Nobody needs the bridge: the next one who does will see how it is.
            self._back(now)
            return
        # Callers first: with its last endpoint the bridge forgets the conference at the next question.
        for allocation in self._allocations.values():
            if allocation.exists and is_single(allocation.session):
                self._check_endpoint(allocation.session)
        done = partial(self._check_answered, self._generation)
        self._place.ask(ConferenceModify(self._meeting_id), done)

    def _check_endpoint(self, session: Session) -> None:
        """Others ask for a new session when their media stop; a caller has nobody who would do it."""
        self._modify(
            Endpoint(session.nick, transport=Transport()),
            partial(self._endpoint_checked, session, self._generation),
        )

    def _endpoint_checked(self, session: Session, generation: int, answer: BridgeAnswer, now: float) -> None:
        if not self._is_past(generation, now) and not isinstance(answer, ConferenceModified):
            self._react(reaction_to(answer), session, now)

    # Requests and what follows from their answers

    def _modify(self, endpoint: Endpoint, done: Callable[[BridgeAnswer, float], None]) -> None:
        self._place.ask(ConferenceModify(self._meeting_id, endpoints=(endpoint,)), done)

    def _bring_up_to_date(self, allocation: _Allocation) -> None:
        if not allocation.exists:
            return
        wanted = self._listener.wanted(allocation.session)
        allocation.stale = wanted != allocation.told
        if not allocation.stale or allocation.asking or not self._reachable:
            return
        allocation.asking = True
        self._modify(
            wanted.beyond(allocation.session.nick, allocation.told),
            partial(self._update_answered, allocation, wanted, self._generation),
        )

    def _allocation_answered(
        self, allocation: _Allocation, generation: int, answer: BridgeAnswer, now: float
    ) -> None:
        if self._is_past(generation, now):
            return
        session = allocation.session
        if isinstance(answer, ConferenceModified):
            self._back(now)
            if self._has(session):
                allocation.exists = True
                self._listener.allocated(session, answer, now)
                self.changed(session)
            return
        reaction = reaction_to(answer)
        if self._has(session):
            del self._allocations[session.nick]
            if reaction is Reaction.AWAY:
                self._uncertain.add(session.nick)
            again = reaction in (Reaction.AWAY, Reaction.BUSY, Reaction.CONFERENCE_LOST)
            self._listener.allocation_failed(session, again=again)
        if not self._react(reaction, None, now):
            self._back(now)

    def _update_answered(
        self, allocation: _Allocation, wanted: Wanted, generation: int, answer: BridgeAnswer, now: float
    ) -> None:
        allocation.asking = False
        if self._is_past(generation, now):
            return
        if isinstance(answer, ConferenceModified):
            allocation.told = wanted
            self._answered(now)
            self.changed(allocation.session)
            return
        reaction = reaction_to(answer)
        if reaction is Reaction.REFUSED:
            allocation.told, allocation.stale = wanted, False
        if not self._react(reaction, allocation.session, now):
            self._answered(now)

    def _restart_answered(
        self,
        session: Session,
        generation: int,
        done: Callable[[IceTransport | None, float], None],
        answer: BridgeAnswer,
        now: float,
    ) -> None:
        if self._is_past(generation, now):
            return
        if isinstance(answer, ConferenceModified):
            self._answered(now)
            transports = [one.transport for one in answer.endpoints if one.id == session.nick]
            done(transports[0].ice if transports and transports[0] else None, now)
            return
        reaction = reaction_to(answer)
        if not self._react(reaction, session, now):
            self._answered(now)
        if reaction is Reaction.REFUSED:
            done(None, now)

    def _check_answered(self, generation: int, answer: BridgeAnswer, now: float) -> None:
        if self._is_past(generation, now):
            return
        if isinstance(answer, ConferenceModified) or not self._react(reaction_to(answer), None, now):
            self._back(now)

    def _is_past(self, generation: int, now: float) -> bool:
        """Whether an answer belongs to a forgotten conference: all it says is that one may ask again."""
        past = generation != self._generation
        if past and self._refusal is not None and self._retry_at is None:
            self._retry_at = now
        return past

    def _expire_endpoint(self, nick: str) -> None:
        self._expiring.add(nick)
        self._modify(Endpoint(nick, expire=True), partial(self._expiry_answered, nick))

    def _expiry_answered(self, nick: str, answer: BridgeAnswer, now: float) -> None:
        self._expiring.discard(nick)
        if not isinstance(answer, ConferenceModified) and reaction_to(answer) is Reaction.AWAY:
            self._uncertain.add(nick)
            self._away(now)

    def _has(self, session: Session) -> bool:
        allocation = self._allocations.get(session.nick)
        return allocation is not None and allocation.session is session

    def _react(self, reaction: Reaction, session: Session | None, now: float) -> bool:
        """Do what follows from a failure; whether that makes new endpoints wait."""
        if reaction is Reaction.AWAY:
            self._away(now)
        elif reaction is Reaction.BUSY:
            self._busy(now)
        elif reaction is Reaction.CONFERENCE_LOST:
            self._lost(now)
        elif reaction is Reaction.ENDPOINT_LOST and session is not None and self._has(session):
            del self._allocations[session.nick]
            self._listener.endpoint_lost(session, now)
        return reaction in (Reaction.AWAY, Reaction.BUSY, Reaction.CONFERENCE_LOST)

    def _lost(self, now: float) -> None:
        BRIDGES_REMOVED.inc()
        lost_again = self._lost_at is not None and now - self._lost_at < LOSS_INTERVAL_S
        self._lost_at = now
        self._forget()
        if not lost_again and not self._reachable:
            self._open(now)  # it answers again: that it has forgotten everything keeps nobody waiting
        elif lost_again or self._refusal is not None:
            self._away(now)
        self._listener.conference_lost(now)

    def _forget(self) -> None:
        """Begin anew, under a new name: what the bridge may still have under the old one disturbs nobody."""
        self._generation += 1
        self._meeting_id = self._new_id()
        self._created = False
        self._allocations.clear()
        self._uncertain.clear()
        self._expiring.clear()

    def _away(self, now: float) -> None:
        self._reachable = False
        self._place.doubt()
        self._refuse(Trouble.DOWN, now)

    def _busy(self, now: float) -> None:
        self._refuse(Trouble.DRAINING if self._place.is_draining else Trouble.FULL, now)

    def _refuse(self, trouble: Trouble, now: float) -> None:
        if self._retry_at is None:
            self._retry_at = now + self._retry_s
            self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
        if not any(allocation.exists for allocation in self._allocations.values()):
            # Nothing says that the conference exists at all.
            waiting = [allocation.session for allocation in self._allocations.values()]
            self._forget()
            for session in waiting:
                self._listener.allocation_failed(session, again=True)
        if self._refusal is not trouble:
            self._refusal = trouble
            self._listener.bridge_changed()

    def _answered(self, now: float) -> None:
        """A request about what exists was taken; that says nothing about new endpoints."""
        if not self._reachable:
            self._back(now)

    def _back(self, now: float) -> None:
        """The bridge takes new endpoints, or nothing speaks against it any more."""
        if self._refusal is not None and not self._is_down():
            self._open(now)

    def _is_down(self) -> bool:
        """Whether nothing can come of asking the bridge, whatever it answers."""
        return self._created and self._place.is_down

    def _open(self, now: float) -> None:
        """Begin to ask for endpoints, or go on."""
        self._retry_at = None
        self._retry_s = FIRST_RETRY_S
        self._refusal = None
        self._reachable = True
        self._check_at = now + CHECK_INTERVAL_S
        for nick in sorted(self._uncertain - self._allocations.keys()):
            self._expire_endpoint(nick)
        self._uncertain.clear()
        for allocation in self._allocations.values():
            self._bring_up_to_date(allocation)
        self._listener.bridge_changed()
        self._listener.bridge_back(now)
