"""A conference and two bridges: where it goes, when it moves, and what it says while there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from component.focus.bridge_health import Health, Sign
from component.focus.bridge_pool import Trouble
from component.focus.bridge_report import BridgeReport
from component.focus.effects import AskBridge, BridgeAnswer, BridgeUnreachable
from component.focus.metrics import BRIDGES_REMOVED, PARTICIPANTS_MOVED
from component.focus.sessions import MOVING
from jingle.colibri2 import Colibri2Error, ConferenceModify
from jingle.content import Action
from tests.component.focus_room import FIRST, SECOND, THIRD, FocusRoom, allocate

ONE, OTHER = "http://one", "http://other"
WELL = BridgeReport(instance="1", connected=2, unanswered_s=0.0)
DRAINING = replace(WELL, leaving=True)
DEAF = replace(WELL, unanswered_s=5.0)


class TwoBridges(FocusRoom):
    """A room with two bridges, both well, of which one is the less loaded."""

    def __init__(self) -> None:
        super().__init__(bridges=(ONE, OTHER))
        self.report(ONE, WELL)
        self.report(OTHER, replace(WELL, stress=0.5))

    def report(self, bridge: str, report: BridgeReport) -> None:
        """A bridge says this of itself."""
        self._tell(self.bridges.answered(bridge, report, self.now))

    def fail(self, bridge: str, sign: Sign = Sign.REFUSED) -> None:
        """A bridge does not answer."""
        self._tell(self.bridges.failed(bridge, sign))

    def _tell(self, changed: bool) -> None:
        if changed:
            self.run(self.conference.bridges_changed(self.now))

    def requests_to(self, bridge: str) -> list[ConferenceModify]:
        """What a bridge was asked."""
        asked = zip(self.bridge_asked, self.requests, strict=True)
        return [request for url, request in asked if url == bridge]

    @property
    def at(self) -> str:
        """The bridge that the conference is on."""
        return self.conference.bridge.bridge

    @property
    def trouble(self) -> str | None:
        """What the presence of the focus says of bridges."""
        return self.properties().get("bridge-trouble") if self.stanzas else None


@pytest.fixture
def room() -> TwoBridges:
    return TwoBridges()


def moved(room: TwoBridges, nick: str) -> bool:
    """Whether somebody was told to begin anew."""
    told = [(one.action, one.reason) for one in room.told(nick)]
    return [action for action, _ in told] == [Action.SESSION_TERMINATE, Action.SESSION_INITIATE] and (
        told[0][1] == MOVING
    )


def test_a_conference_is_on_one_bridge_alone(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND, THIRD)
    room.wait(60)
    assert set(room.bridge_asked) == {ONE} == {room.at}


def test_a_whole_conference_moves_from_a_bridge_that_fails(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    before = PARTICIPANTS_MOVED._value.get(), BRIDGES_REMOVED._value.get()
    room.fail(ONE)
    assert moved(room, FIRST) and moved(room, SECOND) and room.at == OTHER
    created, *rest = room.requests_to(OTHER)
    assert created.create and [one.endpoints[0].id for one in rest] == [SECOND]
    assert (PARTICIPANTS_MOVED._value.get(), BRIDGES_REMOVED._value.get()) == (before[0] + 2, before[1] + 1)
    room.accept(FIRST, SECOND)
    assert room.trouble is None


def test_a_doubt_moves_nobody(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.fail(ONE, Sign.SILENT)
    assert room.requests == [] and room.at == ONE
    room.fail(ONE, Sign.SILENT)
    assert room.at == OTHER


def test_nobody_moves_to_a_bridge_that_is_silent_as_well(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    for _ in range(2):
        room.fail(ONE, Sign.SILENT)
        if room.bridges.health(OTHER) is Health.UP:
            room.fail(OTHER, Sign.SILENT)
    assert room.told(FIRST) == [] and room.trouble == "down"
    room.report(OTHER, WELL)
    assert moved(room, FIRST) and room.at == OTHER


def test_the_bridge_that_was_left_is_told_that_its_conference_is_over(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    name = room.conference.bridge.meeting_id
    room.fail(ONE)
    assert room.requests_to(ONE) == [ConferenceModify(name, expire=True)]
    assert room.conference.bridge.meeting_id != name


def test_answers_of_the_bridge_that_was_left_mean_nothing(room: TwoBridges) -> None:
    room.bridge = lambda request: None
    room.open().join(FIRST, SECOND)
    waiting = [one for one in room.unanswered if isinstance(one, AskBridge)]
    room.bridge = allocate
    room.fail(ONE)
    assert sorted(room.invited()) == sorted([FIRST, SECOND])
    room.forget()
    for effect in waiting:
        room.answer(effect, allocate(effect.request))
    assert room.invited() == [] and room.at == OTHER


def test_a_conference_leaves_a_bridge_that_drains(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.report(ONE, DRAINING)
    assert moved(room, FIRST) and room.at == OTHER and room.requests_to(ONE)[0].expire


def test_a_conference_stays_on_the_only_bridge_that_drains_and_newcomers_are_let_in(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.fail(OTHER)
    room.report(ONE, DRAINING)
    assert room.told(FIRST) == [] and room.trouble is None
    room.join(THIRD)
    assert room.invited() == [THIRD]


def test_a_conference_leaves_a_bridge_that_gets_no_media_through(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.report(ONE, DEAF)
    assert moved(room, FIRST) and room.at == OTHER


def test_nobody_is_moved_back(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.fail(ONE)
    room.accept(FIRST, SECOND)
    room.forget()
    room.report(ONE, WELL)
    room.wait(60)
    assert room.told(FIRST) == [] and room.at == OTHER


def test_where_no_bridge_is_left_the_room_says_why_and_waits(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.fail(OTHER)
    room.fail(ONE)
    assert room.told(FIRST) == [] and room.trouble == "down"
    room.join(THIRD)
    assert room.invited() == []
    room.report(OTHER, WELL)
    assert moved(room, FIRST) and THIRD in room.invited() and room.trouble is None


def test_a_bridge_that_comes_back_and_has_forgotten_all_gets_everybody_anew(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.fail(OTHER)
    room.fail(ONE)
    known: set[str] = set()

    def forgetful(request: ConferenceModify) -> BridgeAnswer:
        if request.create:
            known.add(request.meeting_id)
        return allocate(request) if request.meeting_id in known else Colibri2Error("conference_not_found")

    room.bridge = forgetful
    room.report(ONE, replace(WELL, instance="2"))
    assert moved(room, FIRST) and moved(room, SECOND) and room.at == ONE and room.trouble is None


def test_a_bridge_that_only_hung_goes_on_with_everybody(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.fail(OTHER)
    room.fail(ONE)
    room.report(ONE, WELL)
    assert room.told(FIRST) == [] and room.trouble is None and room.at == ONE


def test_a_restart_between_two_questions_moves_nobody_to_another_bridge(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.bridge = lambda request: (
        Colibri2Error("conference_not_found")
        if not request.create and request.meeting_id == "id1"
        else allocate(request)
    )
    room.report(ONE, replace(WELL, instance="2"))
    assert moved(room, FIRST) and room.at == ONE


def test_a_room_that_begins_without_any_bridge_gets_one_as_soon_as_there_is(room: TwoBridges) -> None:
    room.fail(ONE)
    room.fail(OTHER)
    room.open().join(FIRST, SECOND)
    assert room.invited() == [] and room.trouble == "down"
    room.report(OTHER, DRAINING)
    assert room.invited() == [] and room.trouble == "draining"
    room.report(ONE, WELL)
    assert sorted(room.invited()) == sorted([FIRST, SECOND]) and room.trouble is None


def test_a_full_bridge_says_that_it_is_full(room: TwoBridges) -> None:
    room.meeting(FIRST, SECOND)
    room.bridge = lambda request: Colibri2Error("graceful_shutdown")
    room.join(THIRD)
    assert room.conference.bridge.trouble is Trouble.FULL and room.trouble == "full"


def test_a_request_without_an_answer_has_the_bridge_asked_how_it_is(room: TwoBridges) -> None:
    doubted: list[str] = []
    room.bridges.doubt = doubted.append
    room.meeting(FIRST, SECOND, THIRD)
    room.bridge = lambda request: BridgeUnreachable("time-out")
    room.leave(SECOND)
    assert doubted == [ONE]
    room.bridge = allocate
    room.fail(ONE)
    assert moved(room, FIRST) and room.at == OTHER


def test_an_empty_room_has_nothing_to_move(room: TwoBridges) -> None:
    room.open()
    room.fail(ONE)
    assert room.requests == []
    room.join(FIRST, SECOND)
    assert room.at == OTHER
