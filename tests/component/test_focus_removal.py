"""What an administrator orders in a room: mute, remove, end; and what the MUC and the room make of it."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

import pytest

from component.focus.effects import AskPeer, Effect
from component.focus.features import DISCO_INFO
from component.focus.lifecycle import RoomState
from component.focus.own_presence import MUC_OWNER
from component.focus.roles import MUC_ADMIN
from component.stanza import COMPONENT_NS
from component.stanza_error import StanzaError
from jingle.jitsi.mute import Mute
from tests.component.focus_room import FIRST, ROOM, SECOND, THIRD, FocusRoom, presence

TICKET = 77


class Muc(FocusRoom):
    """A room whose MUC answers administration as it is told."""

    def __init__(self, *, temporary: bool = True) -> None:
        super().__init__()
        self.temporary = temporary
        self.refused: dict[str, StanzaError] = {}
        """What it refuses, by what `orders` calls it."""

    def _answer_peer(self, effect: AskPeer) -> None:
        if effect.iq.get("to") != ROOM:
            super()._answer_peer(effect)
            return
        answer = Element(f"{{{COMPONENT_NS}}}iq", {"type": "result"})
        if effect.iq[0].tag == f"{{{DISCO_INFO}}}query":
            query = SubElement(answer, f"{{{DISCO_INFO}}}query")
            kind = "muc_temporary" if self.temporary else "muc_persistent"
            SubElement(query, f"{{{DISCO_INFO}}}feature", {"var": kind})
        self.answer(effect, self.refused.get(order(effect.iq) or "", answer))

    def orders(self) -> list[str]:
        """What the MUC was asked to do with people and the room, in order."""
        return [found for iq in self.iqs if (found := order(iq))]


def order(iq: Element) -> str | None:
    """A request to the MUC in short."""
    item = iq[0].find(f"{{{MUC_ADMIN}}}item")
    if item is not None:
        reason = item.findtext(f"{{{MUC_ADMIN}}}reason")
        whom = item.get("nick") or item.get("jid")
        return f"{whom} {item.get('role') or item.get('affiliation')}" + (f": {reason}" if reason else "")
    destroy = iq[0].find(f"{{{MUC_OWNER}}}destroy")
    if destroy is not None:
        return f"destroy: {destroy.findtext(f'{{{MUC_OWNER}}}reason')}"
    return None


def meeting(room: Muc, *nicks: str) -> Muc:
    """Nobody is owner, and nobody is to become one."""
    room.meeting(*nicks)
    return room


def run(room: Muc, effects: list[Effect]) -> None:
    room.run(effects)
    room.wait(0)


@pytest.mark.parametrize("media", ["audio", "video"])
def test_an_administrator_mutes_and_the_bridge_holds_it(media: str) -> None:
    room = meeting(Muc(), FIRST, SECOND)
    run(room, room.conference.order_mute(SECOND, media))
    assert room.muted() == [(SECOND, Mute(media, True, actor=f"{ROOM}/focus"))]
    (endpoint,) = room.endpoints()
    forced = (endpoint.force_mute_audio, endpoint.force_mute_video)
    assert (endpoint.id, forced) == (SECOND, (media == "audio", media == "video"))


def test_a_muted_screen_leaves_the_camera_alone() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    run(room, room.conference.order_mute(SECOND, "desktop"))
    assert [mute.media for _, mute in room.muted()] == ["desktop"] and room.requests == []


def test_nobody_mutes_who_is_not_there_or_is_silent_anyway() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    room.receive(presence("visitor", role="visitor"))
    for nick, condition in (("nobody", "item-not-found"), ("visitor", "not-allowed")):
        with pytest.raises(StanzaError, match=condition):
            room.conference.order_mute(nick, "audio")


def test_a_participant_is_removed_with_a_reason() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    run(room, room.conference.remove(TICKET, SECOND, "noise"))
    assert room.orders() == [f"{SECOND} none: noise"]
    assert room.answers[TICKET] is None


def test_without_a_reason_none_is_made_up() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    run(room, room.conference.remove(TICKET, SECOND, ""))
    assert room.orders() == [f"{SECOND} none"]


@pytest.mark.parametrize("affiliation", ["owner", "admin"])
@pytest.mark.parametrize("temporary", [True, False])
def test_an_owner_loses_that_first_and_gets_it_back_where_the_room_stays(
    affiliation: str, temporary: bool
) -> None:
    room = meeting(Muc(temporary=temporary), FIRST, SECOND)
    room.receive(presence(FIRST, affiliation=affiliation, role="moderator"))
    room.forget()
    run(room, room.conference.remove(TICKET, FIRST, "bye"))
    jid = f"{FIRST}@guest.meet.lab"
    restored = [] if temporary else [f"{jid} {affiliation}"]
    assert room.orders() == [f"{jid} none", f"{FIRST} none: bye", *restored]
    assert room.answers[TICKET] is None


def test_who_is_being_removed_is_not_made_owner_again() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    room.receive(presence(FIRST, affiliation="owner", role="moderator"))
    room.receive(presence(SECOND))
    room.forget()
    unanswered: list[AskPeer] = []
    room._answer_peer = (  # type: ignore[method-assign]
        lambda effect: (
            unanswered.append(effect)
            if order(effect.iq) == f"{FIRST} none"
            else Muc._answer_peer(room, effect)
        )
    )
    run(room, room.conference.remove(TICKET, FIRST, ""))
    room.receive(presence(FIRST))
    assert len(unanswered) == 1
    assert room.owners_made()[-1] == f"{SECOND}@guest.meet.lab"


@pytest.mark.parametrize("refused", [f"{FIRST}@guest.meet.lab none", f"{FIRST} none"])
def test_what_the_muc_refuses_is_what_the_administrator_is_told(refused: str) -> None:
    room = meeting(Muc(), FIRST, SECOND)
    room.receive(presence(FIRST, affiliation="owner", role="moderator"))
    room.refused[refused] = StanzaError("not-allowed")
    run(room, room.conference.remove(TICKET, FIRST, ""))
    error = room.answers[TICKET]
    assert error is not None and error.condition == "not-allowed"
    assert not room.conference.participants[FIRST].leaving


def test_a_temporary_room_is_ended_by_destroying_it() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    run(room, room.conference.end(TICKET, "maintenance"))
    assert room.orders() == ["destroy: maintenance"]
    assert room.answers[TICKET] is None and room.ended
    assert room.conference.state is RoomState.CLOSING
    assert any(request.expire for request in room.requests)


def test_a_room_that_stays_is_ended_by_removing_everybody() -> None:
    room = meeting(Muc(temporary=False), FIRST, SECOND, THIRD)
    room.receive(presence(FIRST, affiliation="owner", role="moderator"))
    room.forget()
    run(room, room.conference.end(TICKET, "maintenance"))
    jid = f"{FIRST}@guest.meet.lab"
    assert room.orders() == [
        f"{jid} none",
        f"{SECOND} none: maintenance",
        f"{THIRD} none: maintenance",
        f"{FIRST} none: maintenance",
        f"{jid} owner",
    ]
    assert room.answers[TICKET] is None and room.ended


def test_a_muc_that_does_not_say_what_a_room_is_has_it_kept() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    room.temporary = False
    run(room, room.conference.end(TICKET, ""))
    assert not any(one.startswith("destroy") for one in room.orders())


def test_a_refused_end_leaves_the_meeting_as_it_is() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    room.refused["destroy: no"] = StanzaError("forbidden")
    run(room, room.conference.end(TICKET, "no"))
    error = room.answers[TICKET]
    assert error is not None and error.condition == "forbidden"
    assert not room.ended and room.conference.state is RoomState.RUNNING


def test_a_room_that_is_over_before_the_answer_answers_who_waits() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    room._answer_peer = lambda effect: None  # type: ignore[method-assign]
    run(room, room.conference.remove(TICKET, SECOND, ""))
    run(room, room.conference.remove(TICKET + 1, FIRST, ""))
    assert room.answers == {1: None}
    room.leave(FIRST)
    room.leave(SECOND)
    room.wait(20)
    assert room.ended and (room.answers[TICKET], room.answers[TICKET + 1]) == (None, None)


def test_a_focus_that_stops_does_not_claim_to_have_done_it() -> None:
    room = meeting(Muc(), FIRST, SECOND)
    room._answer_peer = lambda effect: None  # type: ignore[method-assign]
    run(room, room.conference.remove(TICKET, SECOND, ""))
    run(room, room.conference.close())
    error = room.answers[TICKET]
    assert error is not None and error.condition == "service-unavailable"
