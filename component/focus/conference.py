"""One conference: the core of the focus for one room. No I/O.

Every method takes one event and the time and gives back what the shell is to do. Methods run one after the
other and never wait: that is the room's queue. What takes time (the bridge, a participant's features) is
asked for by an effect and comes back through `answered`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar
from xml.etree.ElementTree import Element

from carillon.settings import FocusSettings
from component.focus import own_presence, requests
from component.focus.bridge_conference import BridgeConference
from component.focus.bridge_pool import BridgePool
from component.focus.discovery import Discovery
from component.focus.effects import AnswerRequest, Effect, Ended, PeerAnswer, Send
from component.focus.features import FeatureCache
from component.focus.lifecycle import RoomState
from component.focus.metrics import ENDPOINT_SECONDS, PARTICIPANTS, PARTICIPANTS_CURRENT
from component.focus.muting import Muting
from component.focus.occupant import SELF_PRESENCE, RoomPresence
from component.focus.outbox import Outbox
from component.focus.participant import Participant
from component.focus.records import ConferenceRecord
from component.focus.removal import Removal
from component.focus.restarts import RestartLimit
from component.focus.roles import AutoOwner, owner_query
from component.focus.sessions import IDLE, Sessions
from component.focus.stay import Stay
from component.stanza import COMPONENT_NS, bare, iq, message
from component.stanza_error import StanzaError
from jingle.element import Jingle
from jingle.jitsi.mute import Mute
from jingle.source_map import SourceMap

MAX_EXPECTED = 1000

A = TypeVar("A")
_OVER = "the conference is over"


class Conference:
    """The conference in the room `jid`; `own_jid` is the focus's own, `new_id` makes unguessable names."""

    def __init__(
        self,
        jid: str,
        settings: FocusSettings,
        *,
        own_jid: str,
        features: FeatureCache,
        bridges: BridgePool,
        new_id: Callable[[], str],
        now: float,
        continued: ConferenceRecord | None = None,
    ) -> None:
        """`continued` is what a process before this one wrote; component.focus.recovery takes up the rest."""
        self.jid = jid
        self.own_jid = own_jid
        self.created_at = now
        self.participants: dict[str, Participant] = {}
        """By nick, in the order in which they joined."""
        self._settings = settings
        self._outbox = Outbox()
        max_sources = continued.max_sources if continued is not None else settings.max_sources
        sources = SourceMap(max_sources, max_sources)
        self.sessions = Sessions(self._outbox, self, sources, new_id, bridges)
        self.discovery = Discovery(self._outbox, own_jid, features, self.sessions.invite_waiting)
        self._owners = AutoOwner()
        self.muting = Muting(self._outbox, self, self.sessions.muting_changed)
        self.removal = Removal(self._outbox, self)
        self._requests: list[int] = []
        self.expected: dict[str, float] = {}
        """Who was told to come, by real JID, and until when the room waits for them."""
        self._idle_at: float | None = None
        self._alone_at: float | None = None
        self.stay = Stay(
            self._outbox,
            jid,
            own_jid,
            self,
            now=now,
            shown=continued.shown if continued is not None else None,
            continued=continued is not None,
        )
        self.settle: Callable[[float], None] | None = None
        """What is to be done, once, as soon as the room is ready: of a conference that continues."""

    @property
    def state(self) -> RoomState:
        """Where the focus is with the room."""
        return self.stay.state

    @property
    def bridge(self) -> BridgeConference:
        """The conference at the bridge."""
        return self.sessions.bridge

    @property
    def full(self) -> bool:
        """Whether nobody else may come."""
        return len(self.participants) >= self._settings.max_participants

    def reload(self, settings: FocusSettings) -> None:
        """Take other limits, for what happens from now on; that of sources is for the next conferences."""
        self._settings = settings

    # Events

    def begin(self) -> list[Effect]:
        """The effects of a new conference."""
        return self._outbox.take()

    def request(self, ticket: int, sender: str, now: float) -> list[Effect]:
        """`sender` asks for the conference; the answer, named by `ticket`, comes when the room is ready."""
        if self.full and not self._is_here(sender):
            self._outbox.put(AnswerRequest(ticket, StanzaError("resource-constraint", "room is full")))
            return self._outbox.take()
        self.expected = {jid: until for jid, until in self.expected.items() if until > now}
        if len(self.expected) < MAX_EXPECTED:
            self.expected[sender] = now + self._settings.initial_timeout_s
        if self.state is RoomState.RUNNING:
            self._wait_for_expected(now)
            self._outbox.put(AnswerRequest(ticket))
        else:
            self._requests.append(ticket)
        return self._outbox.take()

    def presence(self, presence: RoomPresence, now: float) -> list[Effect]:
        """A presence from the room."""
        own = SELF_PRESENCE in presence.codes or presence.nick == own_presence.NICK
        if self.state is not RoomState.CLOSING and presence.nick:
            if own:
                self.stay.own_presence(presence, now)
            elif presence.kind == "available":
                self._available(presence, now)
            elif presence.kind == "unavailable":
                self._unavailable(presence.nick, now)
        return self._outbox.take()

    def jingle(
        self, nick: str, jingle: Jingle, now: float, id: str = ""
    ) -> tuple[list[Effect], StanzaError | None]:
        """A Jingle request of the occupant `nick`; the error to answer with, None for an empty result.

        `id` names the request: a process before this one may have carried it out and died with the answer.
        """

        def handle() -> None:
            participant = self._participant(nick)
            if self.stay.catching_up and id in participant.handled:
                return
            requests.handle(self.sessions, participant, jingle, now)
            if id:
                participant.carried_out(id)

        return self._judged(handle)

    def mute(self, nick: str, mute: Mute) -> tuple[list[Effect], StanzaError | None]:
        """The occupant `nick` wants to mute somebody, or to say that it is not muted any more."""
        return self._judged(lambda: self.muting.request(self._participant(nick), mute))

    # Orders of an administrator

    def order_mute(self, nick: str, media: str) -> list[Effect]:
        """Mute a participant's "audio", "video" or "desktop". Raises StanzaError."""
        self.muting.order(self._participant(nick), media)
        return self._outbox.take()

    def remove(self, ticket: int, nick: str, reason: str) -> list[Effect]:
        """Remove a participant; `ticket` names the answer. Raises StanzaError."""
        self.removal.remove(ticket, self._participant(nick), reason)
        return self._outbox.take()

    def end(self, ticket: int, reason: str) -> list[Effect]:
        """End the meeting for everybody; `ticket` names the answer."""
        self.removal.end(ticket, reason)
        return self._outbox.take()

    def bridges_changed(self, now: float) -> list[Effect]:
        """The health of a bridge is another than before."""
        if self.state is not RoomState.CLOSING:
            self.sessions.bridge.bridges_changed(now)
        return self._outbox.take()

    def link_restored(self, now: float) -> list[Effect]:
        """There is a new session with the server: whatever happened meanwhile is learned by joining again."""
        if self.state is not RoomState.CLOSING:
            self.stay.rejoin(now)
            self.sessions.link_restored(now)
        return self._outbox.take()

    def answered(self, done: Callable[[A, float], None], answer: A, now: float) -> list[Effect]:
        """The answer to an AskPeer or AskBridge."""
        if self.state is not RoomState.CLOSING:
            done(answer, now)
        return self._outbox.take()

    def expect(self, iq: Element, done: Callable[[PeerAnswer, float], None], timeout_s: float) -> None:
        """Wait for the answer to a request that a process before this one has sent."""
        self._outbox.expect(iq, done, timeout_s)

    def close(self) -> list[Effect]:
        """Leave the room, whoever is in it."""
        self.removal.close(StanzaError("service-unavailable", "the focus is being stopped"))
        self._close("the focus is being stopped")
        return self._outbox.take()

    # Time

    def next_time(self) -> float | None:
        """When `tick` has something to do."""
        if self.state is RoomState.CLOSING:
            return None
        times = (self.stay.next_time(), self._idle_at, self._alone_at, self.sessions.next_time())
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        for due in (self.stay.tick, self._end_alone, self._end_idle, self.sessions.tick):
            if self.state is not RoomState.CLOSING:
                due(now)
        return self._outbox.take()

    def _end_alone(self, now: float) -> None:
        if self._alone_at is not None and now >= self._alone_at:
            self._alone_at = None
            for participant in self.participants.values():
                if not participant.single_stream:  # a caller would take it for the end of the call
                    self.sessions.end(participant, now, reason=IDLE)

    def _end_idle(self, now: float) -> None:
        if self._idle_at is not None and now >= self._idle_at:
            self._close(_OVER)

    # The room as its sessions see it

    @property
    def settled(self) -> bool:
        """Whether it is known who is there: not while a conference that continues has not joined again."""
        return self.settle is None

    def may_invite(self, participant: Participant) -> bool:
        """Whether there are enough participants for a session, and not too many before this one."""
        enough = len(self.participants) >= self._settings.min_participants or participant.single_stream
        if self.state is not RoomState.RUNNING or not enough:
            return False
        return participant.nick in list(self.participants)[: self._settings.max_participants]

    def show(self) -> None:
        """Send the presence of the focus if it says something new."""
        self.stay.show(
            own_presence.Shown(
                bridges=1 if self.sessions.bridge.in_use else 0,
                bridge_trouble=trouble.value if (trouble := self.sessions.bridge.trouble) else "",
                full=len(self.participants) > self._settings.max_participants,
            )
        )

    # The stay in the room

    def occupants_known(self, present: frozenset[str], now: float) -> None:
        """Who is not named any more has left while the focus was away."""
        for nick in [nick for nick in self.participants if nick not in present]:
            self._unavailable(nick, now)

    def entered(self, now: float) -> None:
        """The room is ready: answer who waited, invite who is there."""
        if self.settle is not None:
            settle, self.settle = self.settle, None
            settle(now)
        self.show()
        for ticket in self._requests:
            self._outbox.put(AnswerRequest(ticket))
        self._requests.clear()
        self._wait_for_expected(now)
        self._room_changed(now)

    def join_failed(self, why: str) -> bool:
        """A room that nobody uses is given up."""
        if not self.participants:
            self._close(why)
            return False
        self._refuse_requests(why)
        return True

    def removed(self, why: str) -> None:
        """The room is closed."""
        self._close(why, leave=False)

    def over(self) -> None:
        """An administrator has ended the meeting."""
        self._close(_OVER)

    def _refuse_requests(self, why: str) -> None:
        # Never the MUC's own condition: clients take not-authorized for the wish that they log in.
        for ticket in self._requests:
            self._outbox.put(AnswerRequest(ticket, StanzaError("service-unavailable", why)))
        self._requests.clear()

    def _close(self, why: str, *, leave: bool = True) -> None:
        if self.state is RoomState.CLOSING:
            return
        self.stay.close(leave=leave)
        self._refuse_requests(why)
        self.removal.close()
        PARTICIPANTS_CURRENT.dec(len(self.participants))
        self.sessions.bridge.expire_all()
        self._outbox.put(Ended())

    # Participants

    def _available(self, presence: RoomPresence, now: float) -> None:
        self.stay.see(presence.nick)
        if self.stay.catching_up:
            return  # it may be older than what is known: the list of occupants will have the latest
        participant = self.participants.get(presence.nick)
        if participant is not None and self.state is RoomState.JOINING and not _same(participant, presence):
            self._unavailable(presence.nick, now)  # somebody else has the name now
            participant = None
        if participant is not None:
            muted = participant.muted
            participant.update(presence)
            if participant.muted != muted:
                self.sessions.muting_changed(participant)
            self._elect_owner()
            return
        participant = Participant(presence, now, restarts=self.limit(), ice_restarts=self.limit())
        self.participants[presence.nick] = participant
        PARTICIPANTS.inc()
        PARTICIPANTS_CURRENT.inc()
        self.expected.pop(presence.real_jid, None)
        self.discovery.look_up(participant)
        self._room_changed(now)

    def limit(self, granted: Iterable[float] = ()) -> RestartLimit:
        """A participant's limit of restarts; `granted` are times of those it has had."""
        return RestartLimit(self._settings.restart_interval_s, self._settings.restarts_per_minute, granted)

    def _unavailable(self, nick: str, now: float) -> None:
        participant = self.participants.pop(nick, None)
        if participant is None:
            return
        PARTICIPANTS_CURRENT.dec()
        ENDPOINT_SECONDS.inc(now - participant.joined_at)
        self.sessions.leave(participant, now)
        self._room_changed(now)

    def _room_changed(self, now: float) -> None:
        """Somebody came or went, or the room has just become ready."""
        if self.state is not RoomState.RUNNING:
            return
        if not self.participants:
            self._wait_for_expected(now)
            return
        self._idle_at = None
        if len(self.participants) >= self._settings.min_participants:
            self._alone_at = None
        elif self._alone_at is None and any(one.session for one in self.participants.values()):
            self._alone_at = now + self._settings.single_participant_timeout_s
        self._elect_owner()
        self.show()
        self._tell_uninvited()
        self.sessions.invite_waiting(now)

    def _wait_for_expected(self, now: float) -> None:
        """An empty room stays as long as somebody who was told to come may still come."""
        if self.participants:
            return
        self.expected = {jid: until for jid, until in self.expected.items() if until > now}
        if self.expected:
            self._idle_at = max(self.expected.values())
        else:
            self._close(_OVER)

    def _elect_owner(self) -> None:
        if not self._settings.auto_owner or self.state is not RoomState.RUNNING:
            return
        chosen = self._owners.elect(one.occupant for one in self.participants.values() if not one.leaving)
        if chosen is not None:
            self._outbox.ask(iq("set", self.jid, self.own_jid, owner_query(chosen)), self._owner_made)

    def _owner_made(self, answer: PeerAnswer, now: float) -> None:
        if not isinstance(answer, Element):
            self._owners.refused()

    # Limits

    def _is_here(self, real_jid: str) -> bool:
        """Whether somebody with this account is in the room: it is about to replace a lost connection."""
        return any(bare(one.occupant.real_jid) == bare(real_jid) for one in self.participants.values())

    def _tell_uninvited(self) -> None:
        for participant in list(self.participants.values())[self._settings.max_participants :]:
            if not participant.told_full:
                participant.told_full = True
                body = Element(f"{{{COMPONENT_NS}}}body")
                body.text = f"The room is full: it takes {self._settings.max_participants} participants."
                self._outbox.put(Send(message("chat", participant.jid, self.own_jid, body)))

    # Requests of participants

    def _judged(self, handle: Callable[[], None]) -> tuple[list[Effect], StanzaError | None]:
        try:
            handle()
        except StanzaError as error:
            return self._outbox.take(), error
        return self._outbox.take(), None

    def _participant(self, nick: str) -> Participant:
        participant = self.participants.get(nick)
        if participant is None or self.state is RoomState.CLOSING:
            raise StanzaError("item-not-found", "not a participant of the conference")
        return participant


def _same(participant: Participant, presence: RoomPresence) -> bool:
    """Whether the occupant is still the same user."""
    known, shown = participant.occupant.real_jid, presence.real_jid
    return not known or not shown or bare(known) == bare(shown)
