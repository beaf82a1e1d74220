"""One conference out of a journal: what goes on, what is asked or told again, what does no harm twice."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.journal import Row
from component.focus import records
from component.focus.effects import AskPeer, BridgeUnreachable
from component.focus.lifecycle import RoomState
from component.focus.own_presence import MUC
from component.focus.recovery import ACCEPT_S, TOLD_S, features, features_row, read
from component.focus.roles import MUC_ADMIN
from component.focus.session import SessionState
from component.focus.sessions import MOVING
from component.stanza import COMPONENT_NS
from jingle.content import Action, Content
from jingle.element import Jingle
from jingle.jitsi.mute import Mute
from jingle.jitsi.session import BridgeSession
from jingle.rtp import RtpDescription
from jingle.sources import Source
from tests.component.focus_room import (
    FIRST,
    RECORDED_ACCEPT,
    ROOM,
    SECOND,
    THIRD,
    FocusRoom,
    presence,
    recorded_jingle,
)

RESULT = Element(f"{{{COMPONENT_NS}}}iq", {"type": "result"})


def back(room: FocusRoom, *nicks: str) -> FocusRoom:
    """The room lists these occupants to the focus that has joined again."""
    return room.join(*nicks).open()


def source(nick: str, ssrc: int) -> Content:
    one = Source(ssrc, name=f"{nick}-v{ssrc}", msid=f"{nick}-{ssrc} t")
    return Content("video", description=RtpDescription("video", sources=(one,)))


class Holding(FocusRoom):
    """A room whose participants do not answer what begins a session or changes sources."""

    def _answer_peer(self, effect: AskPeer) -> None:
        if effect.iq[0].get("action") in ("session-initiate", "source-add", "transport-info"):
            self.unanswered.append(effect)
        else:
            super()._answer_peer(effect)


def test_a_meeting_that_goes_on_is_not_told_of_it() -> None:
    before = FocusRoom().meeting(FIRST, SECOND, THIRD)
    sids = {nick: before.sid(nick) for nick in (FIRST, SECOND, THIRD)}
    after = back(before.killed(), FIRST, SECOND, THIRD)
    after.wait(30)
    assert {nick: after.sid(nick) for nick in sids} == sids
    assert after.conference.state is RoomState.RUNNING
    assert [one for nick in sids for one in after.told(nick)] == []
    assert not [one for one in after.requests if one.endpoints or one.create or one.expire]


def test_what_is_restored_is_what_was_recorded() -> None:
    before = FocusRoom().meeting(FIRST, SECOND, THIRD)
    before.run(before.conference.order_mute(SECOND, "audio"))
    after = before.killed()
    assert after.rows == {name: value for name, value in before.rows.items() if value is not None}


def test_times_are_those_of_the_wall() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    before.wait(100)
    after = before.killed(after_s=20.0)
    joined = before.conference.participants[FIRST].joined_at
    assert after.now - after.conference.participants[FIRST].joined_at == pytest.approx(
        before.now - joined + 20.0
    )
    assert after.now - after.conference.created_at == pytest.approx(
        before.now - before.conference.created_at + 20.0
    )


def test_the_room_sees_the_presence_that_it_knows() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    after = before.killed()
    (join,) = after.stanzas
    assert join.find(f"{{{MUC}}}x") is not None
    assert after.properties()["bridge-count"] == "1"
    back(after, FIRST, SECOND)
    assert len(after.stanzas) == 1


def test_nothing_that_was_said_before_counts_for_who_is_in_the_room() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    after = Catching.of(before)
    after.open()  # an earlier presence of the focus, shown to itself
    assert set(after.conference.participants) == {FIRST, SECOND}
    after.caught_up()
    back(after, FIRST, SECOND)
    assert set(after.conference.participants) == {FIRST, SECOND}


class Catching(FocusRoom):
    """A room that has not yet answered the focus that goes on."""

    def _answer_peer(self, effect: AskPeer) -> None:
        if effect.iq.get("to") == ROOM and effect.iq.get("type") == "get":
            self.unanswered.append(effect)
        else:
            super()._answer_peer(effect)

    @classmethod
    def of(cls, before: FocusRoom) -> Catching:
        (restored,) = read(Row(*name, value) for name, value in before.rows.items() if value is not None)
        return cls(restored=restored, now=before.now)

    def caught_up(self) -> None:
        """The room answers."""
        self.answer(self.unanswered.pop(), RESULT)


def test_who_left_meanwhile_is_gone_and_who_came_is_invited() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    after = back(before.killed(), SECOND, THIRD)
    assert set(after.conference.participants) == {SECOND, THIRD}
    assert after.invited() == [THIRD]
    assert [one.id for one in after.endpoints() if one.expire] == [FIRST]


def test_who_left_and_came_back_meanwhile_gets_a_new_session() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    after = Catching.of(before)
    after.leave(SECOND)
    after.join(SECOND)
    after.caught_up()
    back(after, FIRST, SECOND)
    assert after.invited() == [SECOND]


def test_somebody_else_of_the_same_name_gets_a_session_of_its_own() -> None:
    before = FocusRoom().open().join("a", "b")
    after = before.killed()
    other = presence("b")
    other[0][0].set("jid", "somebody@else/r")
    after.join("a")
    after.receive(other)
    after.open()
    assert after.invited() == ["b"]


def test_who_was_about_to_get_an_endpoint_is_invited_anew() -> None:
    before = FocusRoom()
    before.request()
    before.open()
    before.bridge = lambda request: None
    before.join(FIRST, SECOND)
    after = back(before.killed(), FIRST, SECOND)
    assert sorted(after.invited()) == sorted([FIRST, SECOND])
    assert [one.meeting_id for one in after.requests if one.expire] == [before.requests[0].meeting_id]


def test_an_offer_that_was_answered_is_waited_for() -> None:
    before = FocusRoom()
    before.request()
    before.open().join(FIRST, SECOND)
    after = back(before.killed(), FIRST, SECOND)
    after.wait(60)
    assert after.expected == []
    assert after.invited() == []
    after.accept(FIRST, SECOND)


def test_an_offer_that_nobody_answers_is_made_again() -> None:
    before = Holding()
    before.request()
    before.open().join(FIRST, SECOND)
    after = back(before.killed(), FIRST, SECOND)
    assert [one.timeout_s for one in after.expected] == [ACCEPT_S, ACCEPT_S]
    for one in list(after.expected):
        after.answer(one, None)
    assert after.invited() == [FIRST, SECOND]
    assert next(one.action for one in after.told(FIRST)) is Action.SESSION_TERMINATE


def test_an_offer_whose_answer_still_comes_is_not_made_again() -> None:
    before = Holding()
    before.request()
    before.open().join(FIRST, SECOND)
    after = back(before.killed(), FIRST, SECOND)
    for one in list(after.expected):
        after.answer(one, RESULT)
    after.accept(FIRST, SECOND)
    assert after.invited() == []


@pytest.mark.parametrize("answered", [True, False], ids=["heard", "lost"])
def test_a_change_of_sources_is_told_again_only_if_nobody_has_heard_it(answered: bool) -> None:
    before = Holding()
    before.meeting(FIRST, SECOND)
    before.jingle(FIRST, Jingle(Action.SOURCE_ADD, before.sid(FIRST), contents=(source(FIRST, 77),)))
    before.wait(1)
    after = back(before.killed(), FIRST, SECOND)
    for one in list(after.expected):
        assert one.timeout_s == TOLD_S
        after.answer(one, RESULT if answered else None)
    after.wait(1)
    assert len(after.told(SECOND, Action.SOURCE_ADD)) == (not answered)


def test_a_change_of_sources_that_was_not_told_yet_is_told() -> None:
    before = FocusRoom(room=ROOM)
    before.meeting(FIRST, SECOND)
    effects, refusal = before.conference.jingle(
        FIRST, Jingle(Action.SOURCE_ADD, before.sid(FIRST), contents=(source(FIRST, 77),)), before.now
    )
    before.run(effects)
    assert refusal is None
    after = back(before.killed(), FIRST, SECOND)
    after.wait(1)
    assert len(after.told(SECOND, Action.SOURCE_ADD)) == 1


def test_the_end_of_a_session_that_was_not_confirmed_is_told_again() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    ended = before.sid(FIRST)
    before.conference.sessions.end(before.conference.participants[FIRST], before.now, reason=MOVING)
    before.run([])
    after = back(before.killed(), FIRST, SECOND)
    assert (after.told(FIRST)[0].action, after.told(FIRST)[0].sid) == (Action.SESSION_TERMINATE, ended)


def test_a_restart_of_ice_goes_on() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    before.bridge = lambda request: None
    session = BridgeSession(before.bridge_session(FIRST), ice_restart=True)
    before.jingle(FIRST, Jingle(Action.SESSION_INFO, before.sid(FIRST), bridge_session=session))
    after = back(before.killed(), FIRST, SECOND)
    asked = [one.id for one in after.endpoints() if one.transport and one.transport.ice_restart]
    assert asked == [FIRST]


def test_a_mute_that_nobody_has_obeyed_is_ordered_again() -> None:
    before = FocusRoom().open().join("a", "b")
    before.receive(shown("b", muted=False))
    before.run(before.conference.order_mute("b", "audio"))
    after = before.killed().join("a")
    after.receive(shown("b", muted=False))
    after.open()
    assert after.conference.participants["b"].muted == {"audio"}
    assert [(nick, mute.media) for nick, mute in after.muted()] == [("b", "audio")]


def test_an_older_presence_does_not_lift_a_mute() -> None:
    before = FocusRoom().open().join("a", "b")
    before.receive(shown("b", muted=False))
    before.run(before.conference.order_mute("b", "audio"))
    before.receive(shown("b", muted=True))
    after = Catching.of(before)
    after.receive(shown("b", muted=False))
    after.receive(shown("b", muted=True))
    after.caught_up()
    after.join("a")
    after.receive(shown("b", muted=True))
    after.open()
    assert after.conference.participants["b"].muted == {"audio"}


def shown(nick: str, *, muted: bool) -> Element:
    stanza = presence(nick)
    flag = Element(f"{{{COMPONENT_NS}}}audiomuted")
    flag.text = str(muted).lower()
    stanza.append(flag)
    return stanza


def test_what_the_bridge_has_not_confirmed_it_is_told_again() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    before.run(before.conference.order_mute(SECOND, "audio"))
    before.bridge = lambda request: None
    before.mute(SECOND, Mute("audio", False, f"{ROOM}/{SECOND}"))
    after = back(before.killed(), FIRST, SECOND)
    (told,) = after.endpoints()
    assert (told.id, told.force_mute_audio, told.force_mute_video) == (SECOND, False, False)
    assert told.sources and told.transport is not None


def test_an_endpoint_whose_expiry_is_not_confirmed_is_expired_again() -> None:
    before = FocusRoom().meeting(FIRST, SECOND, THIRD)
    before.bridge = lambda request: None
    before.leave(THIRD)
    after = back(before.killed(), FIRST, SECOND)
    assert [(one.id, one.expire) for one in after.endpoints()] == [(THIRD, True)]


class Demoting(FocusRoom):
    """A room that is there to stay, whose MUC takes a demotion and answers no removal."""

    def _answer_peer(self, effect: AskPeer) -> None:
        item = effect.iq[0].find(f"{{{MUC_ADMIN}}}item")
        if item is not None and item.get("role") == "none":
            self.unanswered.append(effect)
        else:
            super()._answer_peer(effect)


def _administered(room: FocusRoom) -> list[tuple[str | None, str | None]]:
    items = [iq[0].find(f"{{{MUC_ADMIN}}}item") for iq in room.iqs if iq.get("to") == ROOM]
    return [
        (one.get("nick") or one.get("jid"), one.get("role") or one.get("affiliation"))
        for one in items
        if one is not None
    ]


def _being_removed() -> FocusRoom:
    """An owner that was demoted and is about to be removed."""
    before = Demoting(auto_owner=False).open().join("a")
    before.receive(presence("b", affiliation="owner"))
    before.run(before.conference.remove(7, "b", "enough"))
    assert _administered(before) == [
        ("b@guest.meet.lab", "none"),
        ("b", "none"),
        ("b@guest.meet.lab", "owner"),
    ]
    return before


def test_a_removal_that_was_under_way_goes_on() -> None:
    after = _being_removed().killed().join("a", "b").open()
    assert ("b", "none") in _administered(after)
    assert ("b@guest.meet.lab", "owner") in _administered(after)


def test_who_was_removed_gets_back_what_was_taken_for_that() -> None:
    after = _being_removed().killed().join("a").open()
    assert ("b@guest.meet.lab", "owner") in _administered(after)
    assert ("b", "none") not in _administered(after)


def test_the_end_of_a_meeting_that_was_under_way_goes_on() -> None:
    before = Demoting(auto_owner=False).open().join("a", "b")
    before.run(before.conference.end(7, "enough"))
    after = before.killed().join("a", "b").open()
    assert {("a", "none"), ("b", "none")} <= set(_administered(after))
    assert after.conference.state is RoomState.CLOSING


# Repeated requests


def test_an_accept_that_comes_again_is_answered_as_before() -> None:
    before = FocusRoom()
    before.request()
    before.open().join(FIRST, SECOND)
    accept = replace(recorded_jingle(RECORDED_ACCEPT[FIRST]), sid=before.sid(FIRST))
    effects, refusal = before.conference.jingle(FIRST, accept, before.now, "7")
    before.run(effects)
    assert refusal is None
    after = Catching.of(before)
    assert after.conference.jingle(FIRST, accept, after.now, "7") == ([], None)
    after.caught_up()
    _, refusal = after.conference.jingle(FIRST, accept, after.now, "7")
    assert refusal is not None and refusal.condition == "unexpected-request"


@pytest.mark.parametrize("action", [Action.SOURCE_ADD, Action.SOURCE_REMOVE])
def test_a_change_of_sources_that_comes_again_is_answered_as_before(action: Action) -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    requests = [
        Jingle(one, before.sid(FIRST), contents=(source(FIRST, 77),))
        for one in (Action.SOURCE_ADD, Action.SOURCE_REMOVE)
    ]
    for number, one in enumerate(requests[: 1 + (action is Action.SOURCE_REMOVE)]):
        effects, refusal = before.conference.jingle(FIRST, one, before.now, f"id{number}")
        before.run(effects)
        assert refusal is None
    after = Catching.of(before)
    for number, one in enumerate(requests[: 1 + (action is Action.SOURCE_REMOVE)]):
        assert after.conference.jingle(FIRST, one, after.now, f"id{number}") == ([], None)


def test_a_refused_request_that_comes_again_is_refused_again() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    remove = Jingle(Action.SOURCE_REMOVE, before.sid(FIRST), contents=(source(FIRST, 99),))
    _, refusal = before.conference.jingle(FIRST, remove, before.now, "7")
    before.run([])
    after = Catching.of(before)
    _, again = after.conference.jingle(FIRST, remove, after.now, "7")
    assert refusal is not None and again is not None and again.condition == refusal.condition


# Rows


def _rows(room: FocusRoom) -> list[Row]:
    return [Row(*name, value) for name, value in room.rows.items() if value is not None]


def test_a_row_that_cannot_be_read_costs_its_conference_and_no_other() -> None:
    one, other = FocusRoom().meeting(FIRST, SECOND), FocusRoom(room="other@conference.meet.lab").open()
    other.join("a", "b")
    rows = [replace(row, value=b"{") if row.kind == records.SESSION else row for row in _rows(one)]
    found = {restored.room: restored for restored in read([*rows, *_rows(other)])}
    assert found[ROOM].damaged and found[ROOM].over
    assert not found[other.room].over
    assert set(found[other.room].participants) == {"a", "b"}


@given(
    st.lists(st.tuples(st.sampled_from(records.KINDS), st.sampled_from(["", "a"]), st.binary() | st.none()))
)
def test_whatever_stands_in_a_row_nothing_is_raised(found: list[tuple[str, str, bytes | None]]) -> None:
    read(Row(kind, ROOM, key, value) for kind, key, value in found)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.data())
def test_whatever_value_stands_in_a_field_nothing_is_raised(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(_ROWS))
    value = json.loads(row.value or b"null")
    if isinstance(value, dict) and value:
        value[data.draw(st.sampled_from(sorted(value)))] = data.draw(_json)
    read([replace(row, value=json.dumps(value).encode())])


_ROWS = _rows(FocusRoom().meeting(FIRST, SECOND))


def test_a_row_of_another_version_is_read() -> None:
    rows = []
    for row in _ROWS:
        value = json.loads(row.value or b"null")
        if isinstance(value, dict):
            value["invented_later"] = {"a": 1}
            value = {key: one for key, one in value.items() if key not in ("handled", "heard", "ended")}
        rows.append(replace(row, value=json.dumps(value).encode()))
    (restored,) = read(rows)
    assert not restored.over


def test_features_that_a_hash_proves_are_remembered() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    for caps, known in room.features.known.items():
        assert features(features_row(caps, known)) == (caps, known)
    assert room.features.known


def test_the_bridge_that_is_away_when_the_focus_comes_back_is_told_later() -> None:
    before = FocusRoom().meeting(FIRST, SECOND)
    before.bridge = lambda request: None
    before.run(before.conference.order_mute(SECOND, "audio"))
    after = before.killed()
    after.bridge = lambda request: BridgeUnreachable("away")
    back(after, FIRST, SECOND)
    after.wait(5)
    session = after.conference.participants[SECOND].session
    assert session is not None and session.state is SessionState.ACTIVE
