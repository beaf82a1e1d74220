"""What administrators are told of meetings, and that what they do is done and logged."""

from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree.ElementTree import Element

import pytest
import structlog

from component.focus.oversight import MAX_REASON_CHARS, UnknownParticipant, UnknownRoom
from component.focus.roles import MUC_ADMIN
from component.stanza import COMPONENT_NS
from jingle.jitsi.mute import Mute
from tests.component.focus_room import presence
from tests.component.oversight_house import MUC, WALL_CLOCK, AnsweringBridge, House
from tests.component.test_focus_quality import figures


def house_with_two() -> House:
    house = House("weekly", "daily")
    house.room("weekly").join("ann", "bob")
    return house


async def test_rooms_are_told_the_oldest_first_with_the_wall_clock() -> None:
    house = house_with_two()
    house.room("daily").conference.created_at = 940.0
    house.time = 1003.0
    daily, weekly = await house.oversight.rooms()
    assert (daily.room, daily.seconds, daily.since) == (f"daily@{MUC}", 63, WALL_CLOCK - 63)
    assert (weekly.room, weekly.state, weekly.participants) == (f"weekly@{MUC}", "running", 2)
    assert (weekly.bridge, weekly.bridge_version) == ("bridge", "9.9")
    assert weekly.bridge_available and weekly.meeting_id and not weekly.full
    assert (daily.bridge, daily.bridge_version, daily.meeting_id) == ("", None, "")


async def test_participants_are_told_with_what_they_send_and_may() -> None:
    house = house_with_two()
    shown = presence("ann", affiliation="owner", role="moderator")
    shown.append(_element("SourceInfo", json.dumps({"ann-a0": {"muted": False}, "ann-v0": {"muted": True}})))
    shown.append(_element("videomuted", "true"))
    house.room("weekly").receive(shown)
    assert isinstance(house.bridge, AnsweringBridge)
    house.bridge.told = figures()
    house.time = 1012.0
    found = await house.oversight.participants("weekly")
    ann, bob = found.participants
    assert (ann.nick, ann.jid, ann.seconds) == ("ann", "ann@guest.meet.lab", 12)
    assert (ann.role, ann.affiliation, ann.kind) == ("moderator", "owner", "browser")
    assert (ann.session, ann.sends, ann.muted) == ("inviting", ("audio",), ())
    assert ann.quality is not None and ann.quality.rtt_ms == 34.5
    assert bob.sends == () and not found.direct
    assert (found.room.audio, found.room.cameras, found.room.screens) == (1, 0, 0)
    assert json.loads(json.dumps(asdict(found)))["participants"][0]["quality"]["way"]["kind"] == "host"


async def test_a_bridge_that_tells_nothing_leaves_quality_out() -> None:
    found = await house_with_two().oversight.participants(f"weekly@{MUC}")
    assert [one.quality for one in found.participants] == [None, None]


@pytest.mark.parametrize("name", ["weekly", "WEEKLY", f"weekly@{MUC}", f" Weekly@{MUC} "])
async def test_a_room_is_named_by_its_jid_or_its_local_part(name: str) -> None:
    assert (await house_with_two().oversight.participants(name)).room.room == f"weekly@{MUC}"


async def test_an_unknown_room_is_an_error_that_knows_the_others() -> None:
    house = house_with_two()
    with pytest.raises(UnknownRoom) as caught:
        await house.oversight.participants("weekley")
    assert caught.value.rooms == (f"daily@{MUC}", f"weekly@{MUC}")
    for order in (house.oversight.remove("x", "ann", "", "me"), house.oversight.end("x", "", "me")):
        with pytest.raises(UnknownRoom):
            await order


async def test_an_unknown_participant_is_an_error_that_knows_the_others() -> None:
    house = house_with_two()
    with pytest.raises(UnknownParticipant) as caught:
        house.oversight.mute("weekly", "anna", "audio", "me")
    assert caught.value.nicks == ("ann", "bob")
    with pytest.raises(UnknownParticipant):
        await house.oversight.remove("weekly", "focus", "", "me")


async def test_a_muted_participant_is_told_as_muted() -> None:
    house = house_with_two()
    house.oversight.mute("weekly", "bob", "audio", "me")
    (order,) = house.room("weekly").muted()
    assert order == ("bob", Mute("audio", True, actor=f"weekly@{MUC}/focus"))
    found = await house.oversight.participants("weekly")
    assert [one.muted for one in found.participants] == [(), ("audio",)]


async def test_who_did_what_is_logged() -> None:
    house = house_with_two()
    with structlog.testing.capture_logs() as log:
        house.oversight.mute("weekly", "bob", "video", "root@meet.lab")
        await house.oversight.remove("weekly", "bob", "why not", "root@meet.lab")
        await house.oversight.end("weekly", "late", "the operator")
    deeds = [entry for entry in log if entry["event"] == "an administrator has acted"]
    assert [(one["deed"], one["by"]) for one in deeds] == [
        ("mute", "root@meet.lab"),
        ("remove", "root@meet.lab"),
        ("end", "the operator"),
    ]
    assert deeds[1]["nick"] == "bob" and deeds[1]["reason"] == "why not" and deeds[2]["participants"] == 2


async def test_a_reason_becomes_one_short_line_that_can_be_shown() -> None:
    house = house_with_two()
    await house.oversight.remove("weekly", "bob", "so\n\n  much\x00\x1b noise " + "x" * 999, "me")
    kicks = [iq for iq in house.room("weekly").iqs if iq[0].tag == f"{{{MUC_ADMIN}}}query"]
    reason = kicks[-1].findtext(f".//{{{MUC_ADMIN}}}reason") or ""
    assert reason.startswith("so much noise xxx") and len(reason) == MAX_REASON_CHARS


def _element(name: str, text: str) -> Element:
    element = Element(f"{{{COMPONENT_NS}}}{name}")
    element.text = text
    return element
