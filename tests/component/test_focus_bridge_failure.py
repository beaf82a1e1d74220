"""The bridge goes away, forgets, comes back: what the room shows and who is invited again."""

from __future__ import annotations

from component.focus.effects import AskBridge, BridgeAnswer, BridgeUnreachable
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify
from jingle.content import Action, Content, Reason
from jingle.element import Jingle
from jingle.rtp import RtpDescription
from jingle.sources import Source
from tests.component.focus_room import (
    FIRST,
    RECORDED_ACCEPT,
    SECOND,
    THIRD,
    FocusRoom,
    allocate,
    recorded_jingle,
)

BRIDGE_DOWN = "{http://jitsi.org/protocol/focus}bridgeNotAvailable"
MOVING = Reason("success", "moving")


def unreachable(request: ConferenceModify) -> BridgeAnswer:
    return BridgeUnreachable("refused")


def shows_bridge_down(room: FocusRoom) -> bool:
    return room.stanzas[-1].find(BRIDGE_DOWN) is not None


def test_a_room_without_bridge_says_so_and_heals() -> None:
    room = FocusRoom()
    room.bridge = unreachable
    room.open().join(FIRST, SECOND)
    assert room.invited() == [] and shows_bridge_down(room)
    room.wait(5)
    assert room.invited() == []
    room.bridge = allocate
    room.wait(10)
    assert sorted(room.invited()) == sorted([FIRST, SECOND])
    assert not shows_bridge_down(room) and room.properties()["bridge-count"] == "1"


def test_a_bridge_that_is_away_is_asked_ever_more_rarely_and_by_one_participant_only() -> None:
    room = FocusRoom()
    room.bridge = unreachable
    room.open().join(FIRST, SECOND, THIRD)
    room.forget()
    room.wait(60)
    assert 5 <= len(room.requests) <= 12


def test_requests_in_flight_when_the_bridge_goes_are_made_again() -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.open().join(FIRST, SECOND)
    first, second = [one for one in room.unanswered if isinstance(one, AskBridge)]
    room.bridge = allocate
    for effect in (first, second):
        room.answer(effect, BridgeUnreachable("time-out"))
    room.wait(1)
    assert sorted(room.invited()) == sorted([FIRST, SECOND])
    creations = [request for request in room.requests if request.create]
    assert creations[0].meeting_id != creations[-1].meeting_id


def test_a_late_answer_for_a_forgotten_conference_means_nothing() -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.open().join(FIRST, SECOND)
    first, second = [one for one in room.unanswered if isinstance(one, AskBridge)]
    room.answer(first, BridgeUnreachable("time-out"))
    room.answer(second, allocate(second.request))
    assert room.invited() == []


def test_a_bridge_in_shutdown_is_waited_for() -> None:
    room = FocusRoom()
    room.bridge = lambda request: Colibri2Error("graceful_shutdown")
    room.open().join(FIRST, SECOND)
    assert shows_bridge_down(room)
    room.bridge = allocate
    room.wait(1)
    assert len(room.invited()) == 2


def test_a_restarted_bridge_is_noticed_and_everybody_is_moved() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    sids = {nick: room.sid(nick) for nick in (FIRST, SECOND)}
    known: set[str] = set()

    def forgetful(request: ConferenceModify) -> BridgeAnswer:
        if request.create:
            known.add(request.meeting_id)
        return allocate(request) if request.meeting_id in known else Colibri2Error("conference_not_found")

    room.bridge = forgetful
    room.wait(10)
    for nick in (FIRST, SECOND):
        terminate, offer = room.told(nick)
        assert (terminate.action, terminate.reason, terminate.sid) == (
            Action.SESSION_TERMINATE,
            MOVING,
            sids[nick],
        )
        assert offer.action is Action.SESSION_INITIATE and offer.sid not in sids.values()
    room.accept(FIRST, SECOND)
    assert room.conference.participants[FIRST].active


def test_a_bridge_that_always_forgets_is_not_asked_in_a_circle() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.bridge = lambda request: Colibri2Error("conference_not_found")
    room.wait(60)
    assert len(room.requests) < 40


def test_what_the_bridge_missed_is_told_when_it_is_back() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.bridge = unreachable
    room.wait(10)
    assert shows_bridge_down(room)
    room.jingle(FIRST, _remove_all(room, FIRST))
    room.bridge = allocate
    room.forget()
    room.wait(10)
    assert not shows_bridge_down(room)
    updates = room.endpoints()
    assert [(one.id, one.sources, one.transport) for one in updates] == [(FIRST, (), None)]


def test_changes_that_come_faster_than_the_bridge_answers_are_told_together() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.bridge = lambda request: None
    room.jingle(FIRST, _remove_all(room, FIRST))
    for number in range(50):
        _change(room, Action.SOURCE_ADD, FIRST, 5000 + number)
        _change(room, Action.SOURCE_REMOVE, FIRST, 5000 + number)
    _change(room, Action.SOURCE_ADD, FIRST, 6000)
    (first,) = room.unanswered
    assert isinstance(first, AskBridge)
    room.bridge = allocate
    room.answer(first, ConferenceModified())
    assert [[one.id for one in endpoint.sources or ()] for endpoint in room.endpoints()] == [
        [],
        [f"{FIRST}-v1"],
    ]


def _remove_all(room: FocusRoom, nick: str) -> Jingle:
    accept = recorded_jingle(RECORDED_ACCEPT[nick])
    return Jingle(Action.SOURCE_REMOVE, room.sid(nick), contents=accept.contents)


def _change(room: FocusRoom, action: Action, nick: str, ssrc: int) -> None:
    source = Source(ssrc, name=f"{nick}-v1", msid=f"s{ssrc} t{ssrc}")
    contents = (Content("video", description=RtpDescription("video", sources=(source,))),)
    assert room.jingle(nick, Jingle(action, room.sid(nick), contents=contents)) is None


def test_one_forgotten_endpoint_moves_one_participant() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    room.accept(FIRST)
    room.forget()

    def forgot_second(request: ConferenceModify) -> BridgeAnswer:
        updates = [one for one in request.endpoints if one.id == SECOND and not one.create]
        return Colibri2Error("unknown_endpoint") if updates else allocate(request)

    room.bridge = forgot_second
    room.accept(SECOND)
    actions = [told.action for told in room.told(SECOND)]
    assert actions == [Action.SESSION_TERMINATE, Action.SESSION_INITIATE]
    assert room.told(FIRST, Action.SESSION_TERMINATE) == []


def test_an_endpoint_that_is_forgotten_again_and_again_is_given_up() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    room.bridge = lambda request: (
        allocate(request)
        if request.create or request.endpoints[0].create
        else Colibri2Error("unknown_endpoint")
    )
    room.accept(FIRST)
    room.accept(FIRST)
    assert room.conference.participants[FIRST].declined
    assert room.told(FIRST)[-1].reason == Reason("general-error", "jingle session failed")


def test_a_request_that_the_bridge_does_not_understand_is_not_repeated() -> None:
    room = FocusRoom()
    room.bridge = lambda request: Colibri2Error("unspecified", "no")
    room.open().join(FIRST, SECOND)
    room.forget()
    room.wait(60)
    assert room.requests == [] and not room.ended


def test_an_answer_without_transport_invites_nobody() -> None:
    room = FocusRoom()
    room.bridge = lambda request: ConferenceModified()
    room.open().join(FIRST, SECOND)
    assert room.invited() == []


def test_a_participant_who_left_before_its_endpoint_was_made_leaves_nothing_behind() -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.open().join(FIRST, SECOND, THIRD)
    room.leave(SECOND)
    assert [(one.id, one.expire) for one in room.endpoints()][-1] == (SECOND, True)
    room.bridge = allocate
    for effect in list(room.unanswered):
        assert isinstance(effect, AskBridge)
        room.answer(effect, allocate(effect.request))
    assert room.invited() == [FIRST, THIRD]


def test_an_expiry_that_the_bridge_missed_is_made_up_for() -> None:
    room = FocusRoom().meeting(FIRST, SECOND, THIRD)
    room.bridge = unreachable
    room.leave(THIRD)
    room.bridge = allocate
    room.forget()
    room.wait(1)
    assert [(one.id, one.expire) for one in room.endpoints()] == [(THIRD, True)]


def test_a_full_bridge_serves_those_it_has_and_lets_the_next_one_wait() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)

    def full(request: ConferenceModify) -> BridgeAnswer:
        creates = any(endpoint.create for endpoint in request.endpoints)
        return Colibri2Error("graceful_shutdown") if creates else allocate(request)

    room.bridge = full
    room.join(THIRD)
    assert room.invited() == [] and shows_bridge_down(room)
    room.jingle(FIRST, _remove_all(room, FIRST))
    assert room.endpoints()[-1].sources == ()
    assert room.told(SECOND, Action.SOURCE_REMOVE)
    room.wait(30)
    assert room.invited() == [] and shows_bridge_down(room)
    room.bridge = allocate
    room.wait(10)
    assert room.invited() == [THIRD] and not shows_bridge_down(room)
