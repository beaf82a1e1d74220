"""Whatever happens in whatever order, a conference raises nothing and, left in peace, comes to rest."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from component.focus.effects import AskBridge, BridgeAnswer, BridgeUnreachable
from component.focus.lifecycle import RoomState
from component.link import LinkDown
from component.stanza_error import StanzaError
from jingle.colibri2 import Colibri2Error, ConferenceModify
from jingle.content import Action, Content, Reason
from jingle.element import Jingle
from jingle.ice import Fingerprint, IceTransport
from jingle.jitsi.mute import Mute
from jingle.jitsi.session import BridgeSession
from jingle.rtp import RtpDescription
from jingle.sources import Source
from tests.component.focus_room import ROOM, FocusRoom, allocate, presence

NICKS = ["a", "b", "c", "d"]
nicks = st.sampled_from(NICKS)
TRANSPORT = IceTransport("ufrag", "x" * 24, (Fingerprint("sha-256", ":".join(["CD"] * 32), setup="active"),))


class Bridge:
    """Knows its conferences and endpoints as the real one does, and fails as it is told."""

    def __init__(self) -> None:
        self.known: dict[str, set[str]] = {}
        self.fails: str | None = None
        self.silent = False

    def __call__(self, request: ConferenceModify) -> BridgeAnswer | None:
        return None if self.silent else self.answer(request)

    def answer(self, request: ConferenceModify) -> BridgeAnswer:
        if self.fails == "unreachable":
            return BridgeUnreachable("dead")
        if self.fails is not None:
            return Colibri2Error(self.fails)
        if request.create:
            assert request.meeting_id not in self.known, "a conference is created twice"
            self.known[request.meeting_id] = set()
        if request.meeting_id not in self.known:
            return Colibri2Error("conference_not_found")
        endpoints = self.known[request.meeting_id]
        for endpoint in request.endpoints:
            if endpoint.expire:
                endpoints.discard(endpoint.id)
            elif endpoint.create:
                assert endpoint.id not in endpoints, "an endpoint is created twice"
                endpoints.add(endpoint.id)
            elif endpoint.id not in endpoints:
                return Colibri2Error("unknown_endpoint")
        if request.expire:
            del self.known[request.meeting_id]
        return allocate(request)


class AnyOrder(RuleBasedStateMachine):
    """One room."""

    def __init__(self) -> None:
        super().__init__()
        self.bridge = Bridge()
        self.room = FocusRoom(restart_interval_s=0.0, restarts_per_minute=1000, initial_timeout_s=1e6)
        self.room.bridge = self.bridge
        self.present: set[str] = set()
        self.ssrc = 0

    @initialize()
    def begin(self) -> None:
        self.room.request()
        self.room.open()

    @property
    def running(self) -> bool:
        return self.room.conference.state is RoomState.RUNNING

    @rule(nick=nicks)
    def join(self, nick: str) -> None:
        self.present.add(nick)
        self.room.join(nick)

    @rule(nick=nicks)
    def leave(self, nick: str) -> None:
        self.present.discard(nick)
        self.room.leave(nick)

    @rule(nick=nicks, audio=st.booleans())
    def accept(self, nick: str, audio: bool) -> None:
        participant = self.room.conference.participants.get(nick)
        if participant is None or participant.session is None:
            return
        self.ssrc += 1
        media = "audio" if audio else "video"
        source = Source(self.ssrc, name=f"{nick}-{media[0]}{self.ssrc}", msid=f"s{self.ssrc} t")
        description = RtpDescription(media, sources=(source,))
        content = Content(media, description=description, transport=TRANSPORT)
        for action in (Action.SESSION_ACCEPT, Action.SOURCE_ADD):
            self.room.jingle(nick, Jingle(action, participant.session.sid, contents=(content,)))
            if participant.session is None:
                return

    @rule(nick=nicks, restart=st.booleans())
    def terminate(self, nick: str, restart: bool) -> None:
        participant = self.room.conference.participants.get(nick)
        if participant is not None and participant.session is not None:
            session = BridgeSession(participant.session.bridge_session, restart=True) if restart else None
            jingle = Jingle(Action.SESSION_TERMINATE, participant.session.sid, bridge_session=session)
            self.room.jingle(nick, replace(jingle, reason=Reason("gone")))

    @rule(nick=nicks, other=nicks, muted=st.booleans())
    def mute(self, nick: str, other: str, muted: bool) -> None:
        self.room.mute(nick, Mute("audio", muted, f"{ROOM}/{other}"))

    @rule(seconds=st.sampled_from([0.0, 0.3, 3.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.room.wait(seconds)

    @rule()
    def bridge_restarts(self) -> None:
        self.bridge.known.clear()

    @rule(fails=st.sampled_from([None, "unreachable", "graceful_shutdown", "conference_not_found"]))
    def bridge_fails(self, fails: str | None) -> None:
        self.bridge.fails = fails

    @rule(silent=st.booleans())
    def bridge_is_slow(self, silent: bool) -> None:
        self.answer_late()
        self.bridge.silent = silent

    @rule()
    def answer_late(self) -> None:
        """The bridge answers everything in order; until then it took nothing."""
        while self.room.unanswered:
            effect = self.room.unanswered.pop(0)
            assert isinstance(effect, AskBridge)
            self.room.answer(effect, self.bridge.answer(effect.request))

    @rule(answer=st.sampled_from([None, LinkDown("x"), StanzaError("service-unavailable")]))
    def peers_answer(self, answer: LinkDown | StanzaError | None) -> None:
        self.room.session_answer = answer

    @precondition(lambda self: self.running)
    @rule(kicked=st.booleans())
    def removed(self, kicked: bool) -> None:
        if kicked:
            self.room.receive(presence("focus", type="unavailable", role="none", codes=(110, 333)))
            self.room.stanzas.clear()
            while not any(
                one.find("{http://jabber.org/protocol/muc}x") is not None for one in self.room.stanzas
            ):
                self.room.wait(0.5)
        else:
            self.room.run(self.room.conference.link_restored(self.room.now))
        self.room.join(*sorted(self.present))
        self.room.open()

    @invariant()
    def participants_are_those_present(self) -> None:
        if self.running:
            assert set(self.room.conference.participants) == self.present

    def teardown(self) -> None:
        """Left in peace with a healthy bridge and healthy clients, everybody who wants a session has one."""
        self.bridge.fails, self.bridge.silent, self.room.session_answer = None, False, None
        self.answer_late()
        self.room.run(self.room.conference.link_restored(self.room.now))
        self.room.join(*sorted(self.present))
        self.room.open()
        self.room.wait(60)
        participants = self.room.conference.participants
        assert set(participants) == self.present
        if len(participants) >= 2:
            for nick, participant in participants.items():
                assert participant.declined or (
                    participant.session is not None and participant.session.open
                ), nick
        with_session = {nick for nick, one in participants.items() if one.session is not None}
        known = [endpoints for endpoints in self.bridge.known.values() if endpoints]
        assert self.room.conference.state is RoomState.RUNNING
        if with_session:
            assert with_session in known, (with_session, known)


AnyOrder.TestCase.settings = settings(stateful_step_count=30)
TestAnyOrder = AnyOrder.TestCase
