"""Two bridges die, hang, drain and come back in any order: in the end everybody is on one of them alone."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from component.focus.bridge_health import Health, Sign
from component.focus.bridge_report import BridgeReport
from component.focus.effects import BridgeAnswer, BridgeUnreachable
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify
from tests.component.focus_room import FocusRoom, allocate

URLS = ("http://one", "http://other")
NICKS = st.sampled_from("abcd")
BRIDGES = st.sampled_from(range(2))


class FakeBridge:
    """A bridge with a memory."""

    def __init__(self) -> None:
        self.answers = True
        self.draining = False
        self.instance = 0
        self.conferences: dict[str, set[str]] = {}

    def report(self) -> BridgeReport:
        return BridgeReport(instance=str(self.instance), leaving=self.draining)

    def ask(self, request: ConferenceModify) -> BridgeAnswer:
        known = self.conferences.get(request.meeting_id)
        if request.create:
            if self.draining:
                return Colibri2Error("graceful_shutdown")
            known = self.conferences.setdefault(request.meeting_id, set())
        if known is None:
            return Colibri2Error("conference_not_found")
        for endpoint in request.endpoints:
            if endpoint.expire:
                known.discard(endpoint.id)
            elif endpoint.create:
                known.add(endpoint.id)
            elif endpoint.id not in known:
                return Colibri2Error("unknown_endpoint")
        if request.expire or not known:
            del self.conferences[request.meeting_id]
        return allocate(request) if any(one.create for one in request.endpoints) else ConferenceModified()


class AnyOrder(RuleBasedStateMachine):
    """One room; what the shell around it does, the machine does."""

    @initialize()
    def begin(self) -> None:
        self.fakes = [FakeBridge(), FakeBridge()]
        self.room = FocusRoom(bridges=URLS)
        self.room.bridge = self.ask
        self.room.open().join("a")
        self.present = {"a"}

    def ask(self, request: ConferenceModify) -> BridgeAnswer:
        """As component.focus.bridge_watch: nothing goes to who is known not to answer."""
        url = self.room.bridge_asked[-1]
        fake = self.fakes[URLS.index(url)]
        if fake.answers and self.room.bridges.health(url) is not Health.DOWN:
            return fake.ask(request)
        if request.expire:
            self.room.bridges.owe(url, request.meeting_id)
        return BridgeUnreachable("no answer")

    def look(self, number: int) -> None:
        """Ask a bridge how it is."""
        fake, url = self.fakes[number], URLS[number]
        if fake.answers:
            changed = self.room.bridges.answered(url, fake.report(), self.room.now)
        else:
            changed = self.room.bridges.failed(url, Sign.REFUSED if not fake.conferences else Sign.SILENT)
        for meeting_id in self.room.bridges.settle(url):
            fake.conferences.pop(meeting_id, None)
        if changed:
            self.room.run(self.room.conference.bridges_changed(self.room.now))

    @rule(nick=NICKS)
    def join(self, nick: str) -> None:
        self.present.add(nick)
        self.room.join(nick)

    @rule(nick=NICKS)
    def leave(self, nick: str) -> None:
        if nick in self.present and len(self.present) > 1:  # the last one would end the room
            self.present.remove(nick)
            self.room.leave(nick)

    @rule(number=BRIDGES)
    def die(self, number: int) -> None:
        self.fakes[number].answers = False
        self.fakes[number].conferences.clear()
        self.fakes[number].instance += 1

    @rule(number=BRIDGES)
    def hang(self, number: int) -> None:
        self.fakes[number].answers = False

    @rule(number=BRIDGES, draining=st.booleans())
    def come_back(self, number: int, draining: bool) -> None:
        self.fakes[number].answers, self.fakes[number].draining = True, draining

    @rule(number=BRIDGES)
    def is_asked(self, number: int) -> None:
        self.look(number)

    @rule(seconds=st.sampled_from([0.1, 3.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.room.wait(seconds)

    def teardown(self) -> None:
        """Left in peace, all have a session at the one bridge that knows of them, and nothing else."""
        for number in range(2):
            self.fakes[number].answers, self.fakes[number].draining = True, False
        for _ in range(4):
            for number in range(2):
                self.look(number)
            self.room.wait(20)
        participants = self.room.conference.participants
        assert set(participants) == self.present
        conferences = [fake.conferences for fake in self.fakes]
        if len(participants) < 2:
            return
        for nick, participant in participants.items():
            assert participant.session is not None and participant.session.open, nick
        at = conferences.pop(URLS.index(self.room.conference.bridge.bridge))
        assert at == {self.room.conference.bridge.meeting_id: self.present}
        assert conferences == [{}]
        assert self.room.conference.bridge.available


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
