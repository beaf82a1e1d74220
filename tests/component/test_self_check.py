"""What the component sees of itself on real servers, and that nobody notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.settings.rules import Urls
from component.link import LossKind
from component.links import link_of
from component.main import Component
from component.rooms_probe import RoomsSeen
from component.self_check import LinkSeen, Observation, SelfCheck
from tests.component.fake_server import until
from tests.component.guest import Guest
from tests.component.prosody import SERVERS, running
from tests.component.stub_bridge import StubBridge

Edit = Callable[[str], str]

ON_BOTH = pytest.mark.parametrize("kind", SERVERS)


@asynccontextmanager
async def check_on(
    kind: str, directory: Path, edit: Edit = lambda text: text, muc: str = "conference.localhost"
) -> AsyncIterator[SelfCheck]:
    """A check over one link to a server whose configuration was edited."""
    server = SERVERS[kind](directory)
    server.edit = edit
    async with running(server):
        link = link_of(server.settings, "focus.localhost")
        check = SelfCheck([link], muc, "localhost")
        await link.start()
        try:
            await until(lambda: link.up)
            yield check
        finally:
            await link.stop()


async def rooms_on(kind: str, directory: Path, edit: Edit) -> RoomsSeen:
    """What is seen of rooms on such a server."""
    async with check_on(kind, directory, edit) as check:
        rooms = (await check.look()).rooms
        assert rooms is not None
        return rooms


def without(*pieces: str) -> Edit:
    """Takes pieces out of a configuration, that must be there."""

    def edit(text: str) -> str:
        for piece in pieces:
            assert piece in text
            text = text.replace(piece, "")
        return text

    return edit


def instead(before: str, after: str) -> Edit:
    """Puts something else in the place of a piece that must be there."""

    def edit(text: str) -> str:
        assert before in text
        return text.replace(before, after)

    return edit


@ON_BOTH
async def test_all_is_well_on_the_servers_as_they_are_shipped(kind: str, tmp_path: Path) -> None:
    async with check_on(kind, tmp_path) as check:
        seen = await check.look()
    assert seen.links == (LinkSeen("focus.localhost", up=True),)
    assert seen.rooms is not None
    assert seen.rooms.stranger_affiliation == seen.rooms.affiliation == "owner"
    assert not seen.rooms.locked
    assert seen.rooms.real_jid
    assert seen.utc


async def test_an_administrator_only_by_having_made_the_room_is_none_on_prosody(tmp_path: Path) -> None:
    seen = await rooms_on(
        "prosody",
        tmp_path,
        without('admins = { "focus@focus.localhost" }', "restrict_room_creation = true"),
    )
    assert seen.affiliation == "owner"
    assert seen.stranger_affiliation == "none"


async def test_an_administrator_only_by_having_made_the_room_is_none_on_ejabberd(tmp_path: Path) -> None:
    seen = await rooms_on("ejabberd", tmp_path, instead("access_admin: focus", "access_admin: none"))
    assert seen.affiliation == "owner"
    assert seen.stranger_affiliation == "none"


async def test_a_locked_room_of_somebody_else_is_unlocked_to_see_the_rest(tmp_path: Path) -> None:
    seen = await rooms_on(
        "prosody", tmp_path, without("muc_room_locking = false", "restrict_room_creation = true")
    )
    assert seen.locked
    assert seen.stranger_affiliation == "owner"


@ON_BOTH
@pytest.mark.parametrize("muc", ["rooms.localhost", "localhost"])
async def test_a_muc_service_that_is_not_there_is_seen(kind: str, muc: str, tmp_path: Path) -> None:
    async with check_on(kind, tmp_path, muc=muc) as check:
        rooms = (await check.look()).rooms
    assert rooms is not None
    assert rooms.no_service
    assert not rooms.creates


async def test_members_only_rooms_are_seen(tmp_path: Path) -> None:
    seen = await rooms_on(
        "prosody",
        tmp_path,
        instead("muc_room_locking = false", "muc_room_locking = false; muc_room_default_members_only = true"),
    )
    assert seen.enters == "registration-required"


async def test_rooms_that_would_stay_are_destroyed(tmp_path: Path) -> None:
    stay = instead("muc_room_locking = false", "muc_room_locking = false; muc_room_default_persistent = true")
    async with check_on("prosody", tmp_path, stay) as check:
        await check.look()
        await asyncio.sleep(0.1)  # what Prosody keeps, it writes when the last one has left
    kept = [path for path in (tmp_path / "data").rglob("*") if "carillon" in path.name]
    assert kept == []


@asynccontextmanager
async def meeting(kind: str, directory: Path) -> AsyncIterator[tuple[Component, list[Guest]]]:
    """A component whose focus leads a meeting of two."""
    server, bridge = SERVERS[kind](directory), StubBridge()
    await bridge.start()
    settings = replace(server.settings, focus=replace(server.settings.focus, bridge=Urls((bridge.url,))))
    guests: list[Guest] = []
    async with running(server):
        component = Component(settings)
        await component.start()
        try:
            await until(lambda: component._link.up)
            for nick in ("ann", "bob"):
                guests.append(await Guest.login(settings, "standup", nick))
                await guests[-1].enter()
            for number, guest in enumerate(guests):
                await guest.accept(100 * (number + 1))
            for guest in guests:
                await guest.knows(1)
            yield component, guests
        finally:
            for guest in guests:
                await guest.client.close()
            await component.stop()
            await bridge.stop()


@ON_BOTH
async def test_a_check_in_a_running_meeting_disturbs_nobody(kind: str, tmp_path: Path) -> None:
    async with meeting(kind, tmp_path) as (component, guests):
        for guest in guests:
            await guest.client.ping()  # behind everything that was on its way
        before = [len(guest.client.received) for guest in guests]
        seen = await component._check.look()
        for guest in guests:
            await guest.client.ping()
        told = [guest.client.received[count:] for guest, count in zip(guests, before, strict=True)]
        assert told == [[], []]
        assert all(link.up for link in component._links)
    assert seen.rooms is not None
    assert seen.rooms.real_jid


async def test_without_a_session_only_the_links_are_told(tmp_path: Path) -> None:
    server = SERVERS["prosody"](tmp_path)
    link = link_of(server.settings, "focus.localhost")
    check = SelfCheck([link], "conference.localhost", "localhost")
    await link.start()
    try:
        await until(lambda: link.loss is not None)
        seen = await check.look()
    finally:
        await link.stop()
    assert seen.rooms is None
    assert seen.links[0].loss is LossKind.REFUSED


def test_an_observation_survives_json() -> None:
    links = (LinkSeen("a", up=True), LinkSeen("b", up=False, loss=LossKind.CONFLICT, detail="conflict"))
    seen = Observation(links, RoomsSeen(locked=True), "2026-01-01T00:00:00Z", 1.5)
    assert Observation.from_json(json.loads(json.dumps(seen.to_json()))) == seen


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["links", "rooms", "utc", "age_s", "domain", "up", "loss", "detail", "locked"]),
            inner,
            max_size=5,
        )
    ),
)


@given(ANY_JSON)
def test_any_json_is_an_observation_or_refused(value: object) -> None:
    try:
        seen = Observation.from_json(value)
    except ValueError:
        return
    assert seen.links
