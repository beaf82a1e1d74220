"""The focus and its room: joining, answering requests, owners, full rooms, ends."""

from __future__ import annotations

import pytest

from component.focus.lifecycle import RoomEvent, RoomState, WrongRoomState, following
from component.focus.stay import JOIN_TIMEOUT_S
from tests.component.focus_room import FIRST, OWN_JID, ROOM, SECOND, THIRD, FocusRoom, presence, recorded

BRIDGE_DOWN = "{http://jitsi.org/protocol/focus}bridgeNotAvailable"


def test_the_focus_joins_under_the_name_that_clients_expect() -> None:
    room = FocusRoom()
    (join,) = room.stanzas
    assert (join.get("to"), join.get("from")) == (f"{ROOM}/focus", OWN_JID)
    assert join.find("{http://jabber.org/protocol/muc}x") is not None


def test_a_request_is_answered_when_the_room_is_configured() -> None:
    room = FocusRoom()
    room.request(1)
    room.request(2, "another@guest.meet.lab/r")
    assert room.answers == {}
    room.open()
    assert room.forms_sent() == 1
    assert room.answers == {1: None, 2: None}


def test_a_request_for_a_running_conference_is_answered_at_once() -> None:
    room = FocusRoom().open()
    room.request(7)
    assert room.answers[7] is None


def test_the_recorded_presence_of_the_focus_means_joined() -> None:
    room = FocusRoom()
    room.request()
    room.receive(recorded("0048-focus-from-server-presence.xml"))
    assert room.conference.state is RoomState.RUNNING


def test_only_the_first_presence_asks_to_join() -> None:
    room = FocusRoom().open()
    shown = room.stanzas[-1]
    assert shown.find("{http://jabber.org/protocol/muc}x") is None
    assert room.properties() == {
        "support-terminate-restart": "true",
        "bridge-count": "0",
        "visitor-codecs": "vp8",
    }


def test_a_muc_that_never_answers_fails_the_request() -> None:
    room = FocusRoom()
    room.request()
    room.wait(JOIN_TIMEOUT_S)
    error = room.answers[1]
    assert error is not None and error.condition == "service-unavailable"
    assert room.ended


@pytest.mark.parametrize("condition", ["conflict", "registration-required", "not-authorized", "forbidden"])
def test_a_muc_that_refuses_the_focus_never_sends_the_client_to_a_login(condition: str) -> None:
    room = FocusRoom()
    room.request()
    refusal = presence("focus", type="error")
    error = refusal.makeelement("{jabber:component:accept}error", {})
    error.append(error.makeelement(f"{{urn:ietf:params:xml:ns:xmpp-stanzas}}{condition}", {}))
    refusal.append(error)
    room.receive(refusal)
    answer = room.answers[1]
    assert answer is not None and answer.condition == "service-unavailable"
    assert room.ended


def test_a_focus_without_rights_does_not_stay() -> None:
    room = FocusRoom()
    room.request()
    room.receive(presence("focus", affiliation="none", codes=(110,)))
    assert room.answers[1] is not None
    assert room.ended and room.stanzas[-1].get("type") == "unavailable"


def test_an_empty_room_is_left_after_the_initial_timeout_and_a_request_renews_it() -> None:
    room = FocusRoom(initial_timeout_s=15.0)
    room.request()
    room.open()
    room.wait(10)
    room.request(2)
    room.wait(10)
    assert not room.ended
    room.wait(5)
    assert room.ended and room.stanzas[-1].get("type") == "unavailable"


def test_the_last_one_who_leaves_ends_the_conference() -> None:
    room = FocusRoom()
    room.request(sender="uxd_friotixvvn0r4w5hrp_3@meet.lab/c-7GaoesK2kY")
    room.open().join(FIRST)
    room.leave(FIRST)
    assert room.ended


def test_a_room_waits_for_somebody_who_was_told_to_come() -> None:
    room = FocusRoom(initial_timeout_s=15.0).open()
    room.join(FIRST)
    room.request(2, "late@guest.meet.lab/r")
    room.wait(3)
    room.leave(FIRST)
    assert not room.ended
    room.wait(12)
    assert room.ended


def test_a_destroyed_room_ends_the_conference_without_a_farewell() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    gone = presence("focus", type="unavailable", role="none", codes=(110,))
    gone[0].append(gone.makeelement("{http://jabber.org/protocol/muc#user}destroy", {}))
    room.receive(gone)
    assert room.ended and room.stanzas == []
    assert room.requests[-1].expire


def test_the_end_of_an_earlier_stay_disturbs_no_join() -> None:
    room = FocusRoom()
    room.request()
    room.receive(presence("focus", type="unavailable", role="none", codes=(110,)))
    room.open()
    assert room.answers == {1: None}


def test_a_kicked_focus_comes_back_and_nobody_is_invited_again() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.receive(presence("focus", type="unavailable", role="none", codes=(110, 333)))
    assert not room.ended
    room.wait(1)
    room.join(FIRST, SECOND).open()
    assert room.conference.state is RoomState.RUNNING
    assert room.invited() == [] and room.requests == []


def test_after_an_outage_the_focus_learns_who_left_meanwhile() -> None:
    room = FocusRoom().meeting(FIRST, SECOND, THIRD)
    room.run(room.conference.link_restored(room.now))
    room.join(FIRST, THIRD).open()
    assert list(room.conference.participants) == [FIRST, THIRD]
    assert [(one.id, one.expire) for one in room.endpoints()] == [(SECOND, True)]


def test_a_request_during_the_outage_waits_for_the_room() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.run(room.conference.link_restored(room.now))
    room.request(9, "new@guest.meet.lab/r")
    assert 9 not in room.answers
    room.join(FIRST, SECOND).open()
    assert room.answers[9] is None


def test_a_room_in_use_is_joined_again_until_the_muc_answers() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.run(room.conference.link_restored(room.now))
    room.wait(60)
    joins = [one for one in room.stanzas if one.find("{http://jabber.org/protocol/muc}x") is not None]
    assert len(joins) >= 3 and not room.ended


def test_the_first_participant_becomes_owner() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    assert room.owners_made() == ["uxd_friotixvvn0r4w5hrp_3@meet.lab"]


def test_the_recorded_owner_needs_no_successor_until_it_leaves() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    room.receive(recorded("0057-focus-from-server-presence.xml"))
    room.forget()
    room.join(THIRD)
    assert room.owners_made() == []
    room.leave(FIRST)
    assert room.owners_made() == ["svppkhc-xib7zkimsaubbpgq@meet.lab"]


def test_nobody_is_made_owner_where_that_is_switched_off() -> None:
    assert FocusRoom(auto_owner=False).open().join(FIRST).owners_made() == []


def test_a_visitor_is_never_made_owner() -> None:
    room = FocusRoom().open()
    room.receive(presence("guest", role="visitor"))
    assert room.owners_made() == []


def test_a_full_room_refuses_requests_and_says_so() -> None:
    room = FocusRoom(max_participants=2).open().join(FIRST, SECOND)
    room.request(3, "late@guest.meet.lab/r")
    error = room.answers[3]
    assert error is not None and (error.condition, error.text) == ("resource-constraint", "room is full")


def test_who_replaces_a_lost_connection_gets_into_a_full_room() -> None:
    room = FocusRoom(max_participants=2).open().join(FIRST, SECOND)
    room.request(3, "uxd_friotixvvn0r4w5hrp_3@meet.lab/new")
    assert room.answers[3] is None


def test_one_too_many_is_told_and_invited_as_soon_as_there_is_room() -> None:
    room = FocusRoom(max_participants=2).open().join(FIRST, SECOND, THIRD)
    assert room.invited() == [FIRST, SECOND]
    (notice,) = [one for one in room.stanzas if one.get("to") == f"{ROOM}/{THIRD}"]
    assert "full" in (notice[0].text or "")
    shown = [one for one in room.stanzas if one.get("to") == f"{ROOM}/focus"][-1]
    assert "participant-limit-reached" in [one.get("key") for one in shown.iter()]
    room.leave(FIRST)
    assert room.invited() == [FIRST, SECOND, THIRD]
    assert "participant-limit-reached" not in room.properties()


def test_stopping_leaves_the_room_and_refuses_who_waits() -> None:
    room = FocusRoom()
    room.request()
    room.run(room.conference.close())
    assert room.ended and room.answers[1] is not None
    room.open().join(FIRST)
    assert room.iqs == []


def test_events_that_have_no_place_are_errors() -> None:
    with pytest.raises(WrongRoomState, match="configured while joining"):
        following(RoomState.JOINING, RoomEvent.CONFIGURED)
