"""The focus with its shell, ended and started again in a world of simulated time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from xml.etree.ElementTree import Element

import pytest

from component.focus import metrics, recovery
from component.focus.conference import Conference
from component.focus.session import SessionState
from jingle.element import JINGLE_TAG
from tests.component.focus_room import MUC
from tests.component.focus_world import World
from tests.component.focus_world_client import WorldClient
from tests.component.simulated_loop import simulated
from tests.component.test_focus_kill_points import inconsistencies

ROOM, OTHER = f"room@{MUC}", f"other@{MUC}"


def in_world(test: Callable[[World], Awaitable[None]], **focus: object) -> None:
    async def main() -> None:
        await test(World(random.Random(1), **focus))

    simulated(main())


async def meeting(world: World, room: str = ROOM, nicks: str = "ab") -> list[WorldClient]:
    """A process, if there is none, and people in a meeting."""
    if world.process is None:
        world.start()
    clients = [WorldClient(world, room, nick) for nick in nicks]
    for client in clients:
        client.enter()
    await asyncio.sleep(5)
    assert all(client.accepted for client in clients)
    return clients


async def again(world: World) -> None:
    """The process is killed, and the next one has time to come to rest."""
    world.kill()
    await asyncio.sleep(1)
    world.start()
    await asyncio.sleep(5)


def lives(world: World) -> set[str]:
    assert world.process is not None
    return set(world.process.focus.conferences)


def test_a_planned_end_leaves_nothing_in_the_journal() -> None:
    async def test(world: World) -> None:
        await meeting(world)
        assert world.process is not None
        await world.process.focus.stop()
        assert [name for name in world.store.rows if name[0] != "features"] == []
        assert world.bridge.conferences == {}

    in_world(test)


def test_a_damaged_conference_is_left_and_the_other_goes_on() -> None:
    async def test(world: World) -> None:
        await meeting(world)
        others = await meeting(world, OTHER, "cd")
        sids = [client.sid for client in others]
        for row in [row for row in world.store.load() if row.kind == "session" and row.scope == ROOM]:
            world.store.rows[row.name] = b"{}"
        damaged = metrics.RECOVERED.labels("damaged")._value.get()
        await again(world)
        assert lives(world) == {OTHER}
        assert metrics.RECOVERED.labels("damaged")._value.get() == damaged + 1
        assert "focus" not in world.muc.rooms[ROOM]
        assert "focus" in world.muc.rooms[OTHER]
        assert [client.sid for client in others] == sids
        assert len(world.bridge.conferences) == 1
        assert {row.scope for row in world.store.load()} <= {OTHER, ""}

    in_world(test)


def test_a_conference_that_cannot_go_on_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await meeting(world)
        await meeting(world, OTHER, "cd")
        world.kill()
        take_up = recovery.take_up

        def failing(conference: Conference, restored: recovery.Restored, epoch: float, now: float) -> None:
            if conference.jid == ROOM:
                raise RuntimeError("a mistake")
            take_up(conference, restored, epoch, now)

        monkeypatch.setattr(recovery, "take_up", failing)
        world.start()
        await asyncio.sleep(1)
        assert lives(world) == {OTHER}
        assert {row.scope for row in world.store.load()} <= {OTHER, ""}

    in_world(test)


def test_without_a_journal_that_works_meetings_go_on() -> None:
    async def test(world: World) -> None:
        world.start()
        world.store.fails = "the disk is full"
        await meeting(world)
        assert inconsistencies(world) == []
        assert world.process is not None and world.process.journal.trouble() is not None

    in_world(test)


def test_what_was_not_written_while_the_journal_failed_is_written_when_it_works_again() -> None:
    async def test(world: World) -> None:
        await meeting(world, nicks="ab")
        world.store.fails = "the disk is full"
        await meeting(world, OTHER, "cd")
        world.store.fails = None
        assert world.process is not None
        loop = asyncio.get_running_loop()
        world.process.journal.tick(loop.time() + 60)
        await again(world)
        assert lives(world) == {ROOM, OTHER}
        assert inconsistencies(world) == []

    in_world(test)


def test_who_has_started_a_meeting_is_known_afterwards() -> None:
    async def test(world: World) -> None:
        await meeting(world)
        await again(world)
        late = WorldClient(world, OTHER, "a")
        late.enter()
        await asyncio.sleep(5)
        assert world.faults and "too many conferences" in world.faults[0]

    in_world(test, max_rooms_per_user=1)


def test_a_meeting_whose_people_have_all_left_meanwhile_ends() -> None:
    async def test(world: World) -> None:
        clients = await meeting(world)
        world.kill()
        for client in clients:
            client.leave()
        await asyncio.sleep(1)
        world.start()
        await asyncio.sleep(60)
        assert lives(world) == set()
        assert world.bridge.conferences == {} and world.muc.rooms == {}
        assert [row.kind for row in world.store.load() if row.scope] == []

    in_world(test)


def test_who_asked_for_the_meeting_before_the_end_is_waited_for_after_it() -> None:
    async def test(world: World) -> None:
        world.start()
        WorldClient(world, ROOM, "a").enter()
        await asyncio.sleep(0.02)
        await again(world)
        assert lives(world) == {ROOM}

    in_world(test)


def test_a_session_that_ends_alone_ends_after_a_restart_too() -> None:
    async def test(world: World) -> None:
        one, other = await meeting(world)
        other.leave()
        await asyncio.sleep(1)
        await again(world)
        assert one.sid
        await asyncio.sleep(30)
        assert not one.sid

    in_world(test)


def test_a_new_session_with_the_server_after_a_recovery_invites_nobody() -> None:
    async def test(world: World) -> None:
        clients = await meeting(world, nicks="abc")
        sids = [client.sid for client in clients]
        await again(world)
        assert world.process is not None
        world.process.link.lose_session()
        await asyncio.sleep(5)
        assert [client.sid for client in clients] == sids
        assert inconsistencies(world) == []

    in_world(test)


def test_rows_are_written_before_anybody_is_told() -> None:
    async def test(world: World) -> None:
        known: list[bool] = []
        receive = world.muc.receive

        def told(stanza: Element) -> None:
            jingle = stanza.find(JINGLE_TAG)
            if jingle is not None and jingle.get("action") == "session-initiate":
                sid = jingle.get("sid", "").encode()
                known.append(any(sid in (row.value or b"") for row in world.store.load()))
            receive(stanza)

        world.muc.receive = told  # type: ignore[method-assign]
        await meeting(world)
        assert known == [True, True]

    in_world(test)


def test_a_row_of_a_stranger_kind_is_nobodys_business() -> None:
    async def test(world: World) -> None:
        world.store.rows["call", "x", "y"] = b"{}"
        await meeting(world)
        await again(world)
        assert lives(world) == {ROOM}
        assert world.process is not None
        states = [
            one.session.state
            for one in world.process.focus.conferences[ROOM].participants.values()
            if one.session is not None
        ]
        assert states == [SessionState.ACTIVE] * 2

    in_world(test)
