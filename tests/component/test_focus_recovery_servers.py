"""The focus killed and started again on real servers, without anything between it and them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from carillon.journal import Journal
from carillon.journal.memory_store import MemoryStore
from component.focus.service import Focus
from component.link import ComponentLink
from jingle.content import Action
from tests.component.guest import Guest
from tests.component.prosody import SECRET, SERVERS
from tests.component.test_focus_prosody import LIMITS, House, eventually, house_on

ON_BOTH = pytest.mark.parametrize("house", SERVERS, indirect=True)


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with house_on(SERVERS[request.param](tmp_path)) as house:
        yield house


async def protected(house: House) -> MemoryStore:
    """Have a focus with a journal in the place of the house's own."""
    store = MemoryStore()
    await house.focus.stop()
    await house.link.stop()
    await begin(house, store)
    return store


async def begin(house: House, store: MemoryStore) -> None:
    """Start a focus that goes on from this journal."""
    house.link = ComponentLink(
        "focus.localhost",
        SECRET,
        ("127.0.0.1", house.settings.xmpp.component_port),
        pinged="localhost",
        limits=LIMITS,
    )
    house.focus = Focus(house.settings, house.link, Journal(store, 3600.0))
    await house.start()


async def killed(house: House) -> None:
    """The focus is gone without a word."""
    house.focus.abandon()
    await house.focus.bridges.stop()
    shell = house.link._shell
    assert shell is not None
    shell.abort()
    await house.link.stop()


def told(guest: Guest) -> list[Action]:
    return [jingle.action for jingle in guest.told]


@ON_BOTH
async def test_nobody_in_a_meeting_sees_that_the_focus_was_killed(house: House) -> None:
    store = await protected(house)
    guests = await house.meeting("again", "aaaa1111", "bbbb2222")
    before = [told(guest) for guest in guests]
    seen: list[str] = []
    for guest in guests:
        guest.presences.clear()
    await killed(house)
    await begin(house, store)
    (conference,) = house.focus.conferences.values()
    await eventually(lambda: conference.settled and conference.state.value == "running")
    late = await house.guest("again", "cccc3333")
    await late.enter()
    assert (await late.accept(300)).get("type") == "result"
    for guest in guests:
        await guest.knows(2)
        shown = guest.presences.get("focus")
        seen += [] if shown is None else [shown.get("type") or "available"]
        assert shown is None or "bridge-count" in _properties(shown)
    assert set(seen) <= {"available"}
    assert [told(guest)[: len(actions)] for guest, actions in zip(guests, before, strict=True)] == before
    assert all(told(guest).count(Action.SESSION_INITIATE) == 1 for guest in guests)
    assert len(house.bridge.conferences) == 1


def _properties(presence: Element) -> set[str | None]:
    tag = "{http://jitsi.org/protocol/focus}property"
    return {one.get("key") for one in presence.iter(tag)}


@ON_BOTH
async def test_who_left_while_no_focus_was_there_is_not_waited_for(house: House) -> None:
    store = await protected(house)
    one, other = await house.meeting("gone", "aaaa1111", "bbbb2222")
    await killed(house)
    other.leave()
    await begin(house, store)
    (conference,) = house.focus.conferences.values()
    await eventually(lambda: set(conference.participants) == {"aaaa1111"})
    assert told(one).count(Action.SESSION_INITIATE) == 1
    (endpoints,) = house.bridge.conferences.values()
    await eventually(lambda: set(endpoints) == {"aaaa1111"})
