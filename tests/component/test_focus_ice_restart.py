"""ICE restarted in place: what passes between participant, focus and bridge, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from component.focus.effects import BridgeAnswer, BridgeUnreachable
from component.stanza_error import StanzaError
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify, Endpoint, Transport
from jingle.content import Action, Content
from jingle.element import Jingle
from jingle.ice import IceTransport
from jingle.jitsi.session import BridgeSession
from tests.component.focus_room import FIRST, SECOND, FocusRoom, allocate, bridge_transport


def bridge(restarted: Callable[[int], BridgeAnswer]) -> Callable[[ConferenceModify], BridgeAnswer]:
    """A bridge whose answer to the n-th restart is `restarted(n)`."""
    restarts = 0

    def answer(request: ConferenceModify) -> BridgeAnswer:
        nonlocal restarts
        if any(one.transport and one.transport.ice_restart for one in request.endpoints):
            restarts += 1
            return restarted(restarts)
        return allocate(request)

    return answer


def fresh(generation: int) -> BridgeAnswer:
    ice = replace(bridge_transport(FIRST), ufrag=f"fresh{generation}", ice_generation=generation)
    return ConferenceModified((Endpoint(FIRST, transport=Transport(ice=ice)),))


def meeting(restarted: Callable[[int], BridgeAnswer] = fresh) -> FocusRoom:
    room = FocusRoom()
    room.bridge = bridge(restarted)
    return room.meeting(FIRST, SECOND)


def ask(room: FocusRoom, bridge_session: str | None = None) -> StanzaError | None:
    session = BridgeSession(bridge_session or room.bridge_session(FIRST), ice_restart=True)
    return room.jingle(FIRST, Jingle(Action.SESSION_INFO, room.sid(FIRST), bridge_session=session))


def answer(room: FocusRoom, generation: int, ufrag: str) -> StanzaError | None:
    transport = IceTransport(ufrag, "password-of-the-client-1", ice_generation=generation)
    contents = tuple(Content(name, transport=transport) for name in ("audio", "video"))
    return room.jingle(FIRST, Jingle(Action.TRANSPORT_INFO, room.sid(FIRST), contents=contents))


def test_the_participant_is_told_the_new_transport_and_the_bridge_its_answer() -> None:
    room = meeting()
    accepted = room.conference.participants[FIRST].session
    assert accepted is not None and accepted.transport is not None
    fingerprints = accepted.transport.fingerprints
    assert ask(room) is None
    (asked,) = room.endpoints()
    assert asked == Endpoint(FIRST, transport=Transport(ice_restart=True))
    (told,) = room.told(FIRST)
    assert (told.action, told.sid) == (Action.TRANSPORT_INFO, room.sid(FIRST))
    (content,) = told.contents
    assert content.name == "audio" and content.transport is not None
    assert (content.transport.ufrag, content.transport.ice_generation) == ("fresh1", 1)
    assert content.transport.candidates == bridge_transport(FIRST).candidates
    room.forget()
    assert answer(room, 1, "answer") is None
    (update,) = room.endpoints()
    assert update.transport is not None
    assert update.transport.ice == IceTransport(
        "answer", "password-of-the-client-1", fingerprints=fingerprints, rtcp_mux=True
    )
    assert room.told(FIRST) == [] and room.told(SECOND) == []


@pytest.mark.parametrize("generation", [0, 1, 3])
def test_an_answer_to_another_generation_than_the_newest_changes_nothing(generation: int) -> None:
    room = meeting()
    ask(room)
    room.wait(6)
    ask(room)
    room.forget()
    assert answer(room, generation, "stale") is None
    assert room.requests == []


def test_a_transport_info_before_any_restart_changes_nothing() -> None:
    room = meeting()
    assert answer(room, 0, "early") is None
    assert room.requests == []


def test_a_generation_that_is_not_newer_is_not_told() -> None:
    room = meeting(lambda number: fresh(1))
    ask(room)
    room.wait(6)
    room.forget()
    assert ask(room) is None
    assert room.told(FIRST) == []


def test_the_budget_is_one_of_its_own() -> None:
    room = meeting()
    assert ask(room) is None
    refused = ask(room)
    assert refused is not None and refused.condition == "resource-constraint"
    restart = Jingle(
        Action.SESSION_TERMINATE,
        room.sid(FIRST),
        bridge_session=BridgeSession(room.bridge_session(FIRST), restart=True),
    )
    assert room.jingle(FIRST, restart) is None
    assert room.invited() == [FIRST]


def test_an_old_bridge_session_is_not_found() -> None:
    room = meeting()
    refused = ask(room, "old")
    assert refused is not None and refused.condition == "item-not-found"
    assert room.requests == []


def test_before_the_session_is_accepted_there_is_nothing_to_restart() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    refused = ask(room)
    assert refused is not None and refused.condition == "unexpected-request"


@pytest.mark.parametrize(
    "kept", [ConferenceModified((Endpoint(FIRST),)), ConferenceModified(()), Colibri2Error("unspecified")]
)
def test_a_bridge_that_does_not_restart_makes_a_new_session_necessary(kept: BridgeAnswer) -> None:
    room = meeting(lambda number: kept)
    assert ask(room) is None
    assert [one.action for one in room.told(FIRST)] == [Action.SESSION_TERMINATE, Action.SESSION_INITIATE]


def test_a_bridge_that_is_away_changes_nothing() -> None:
    room = meeting(lambda number: BridgeUnreachable("no answer"))
    assert ask(room) is None
    assert room.told(FIRST) == []
