"""Two bridges without media, focus and calls on a real Prosody: what people see when a bridge dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jingle.content import Action
from jingle.element import Jingle
from tests.component.call_under_test import STANZA_JS
from tests.component.calls_house import ECHO, House, running
from tests.component.guest import Guest
from tests.component.stub_bridge import StubBridge
from tests.component.test_focus_prosody import in_session

FOCUS = "{http://jitsi.org/protocol/focus}"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(tmp_path, bridges=2) as house:
        yield house


async def meeting(house: House, room: str, *nicks: str) -> list[Guest]:
    """Guests in session."""
    guests = [await house.guest(room, nick) for nick in nicks]
    for guest in guests:
        await guest.enter()
    await in_session(guests)
    return guests


def used_and_unused(house: House) -> tuple[StubBridge, StubBridge]:
    """The bridge that has a conference, and the other one."""
    (used,) = [one for one in house.bridges if one.conferences]
    (unused,) = [one for one in house.bridges if one is not used]
    return used, unused


def invitations(guest: Guest) -> list[Jingle]:
    """All session-initiates."""
    return guest.of(Action.SESSION_INITIATE)


async def invited_again(guest: Guest) -> None:
    """Wait for a second session-initiate."""
    await guest.until(lambda: len(invitations(guest)) == 2)


async def test_a_meeting_goes_on_at_the_other_bridge(house: House) -> None:
    guests = await meeting(house, "moving", "aaaa1111", "bbbb2222")
    used, unused = used_and_unused(house)
    await used.stop()
    for guest in guests:
        await invited_again(guest)
        (end,) = guest.of(Action.SESSION_TERMINATE)
        assert end.reason is not None and (end.reason.condition, end.reason.text) == ("success", "moving")
    await in_session(guests)
    (endpoints,) = unused.conferences.values()
    assert set(endpoints) == {"aaaa1111", "bbbb2222"}


async def test_without_any_bridge_the_room_says_why_and_heals_by_itself(house: House) -> None:
    guests = await meeting(house, "waiting", "aaaa1111", "bbbb2222")
    port = int(house.bridges[0].url.rpartition(":")[2])
    for bridge in house.bridges:
        await bridge.stop()

    def trouble() -> list[str]:
        properties = guests[0].presences["focus"].iter(f"{FOCUS}property")
        return [one.get("value", "") for one in properties if one.get("key") == "bridge-trouble"]

    await guests[0].until(lambda: trouble() == ["down"])
    assert guests[0].presences["focus"].find(f"{FOCUS}bridgeNotAvailable") is not None
    late = await house.guest("waiting", "cccc3333")
    await late.enter()
    again = StubBridge(says={"instance": "another", "healthy": True})
    await again.start(port)
    try:
        await late.offered()
        await guests[0].until(lambda: len(invitations(guests[0])) == 2 and trouble() == [])
    finally:
        await again.stop()


async def test_an_echo_call_on_a_bridge_that_dies_is_ended_in_words(house: House) -> None:
    caller = await house.caller()
    await caller.ask(ECHO, STANZA_JS)
    await caller.get(Action.SESSION_ACCEPT)
    used, _ = used_and_unused(house)
    await used.stop()
    end = await caller.get(Action.SESSION_TERMINATE)
    assert end.reason is not None and "call again" in end.reason.text
    await caller.until(lambda: any("media bridge was lost" in words for words in caller.words()))


async def test_a_caller_in_a_room_whose_bridge_dies_is_told_to_call_again(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    await caller.ask("lounge@calls.localhost/bridge", STANZA_JS)
    await guest.accept(100)
    await caller.get(Action.SESSION_ACCEPT)
    used, _ = used_and_unused(house)
    await used.stop()
    end = await caller.get(Action.SESSION_TERMINATE)
    assert end.reason is not None and "call again" in end.reason.text
