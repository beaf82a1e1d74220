"""The focus killed at any moment, again and again: its successor finds everything, and nobody notices."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
import structlog.testing

from component.focus.lifecycle import RoomState
from component.focus.session import SessionState
from tests.component.focus_room import MUC
from tests.component.focus_world import World
from tests.component.focus_world_client import WorldClient
from tests.component.simulated_loop import simulated

SHORT = [pytest.param(range(first, first + 50)) for first in range(0, 200, 50)]
LONG = [pytest.param(range(first, first + 100), marks=pytest.mark.soak) for first in range(200, 1200, 100)]
"""Worlds in which the focus is killed, most of them more than once."""


async def scenario(seed: int) -> World:
    """Random things happen, and the focus dies at random points; then all come to rest."""
    rng = random.Random(seed)
    world = World(rng)
    world.drops_answers = rng.random() < 0.2
    rooms = [f"room{number}@{MUC}" for number in range(rng.choice((1, 1, 2)))]
    clients = [WorldClient(world, rng.choice(rooms), f"n{number}") for number in range(rng.randint(2, 5))]
    world.start(rng.randint(0, 60))
    for client in clients[:-1]:
        world.soon(client.enter, within_s=0.5)
    world.soon(clients[-1].enter, within_s=3.0)
    deaths = rng.randint(1, 4)
    for _ in range(rng.randint(10, 40)):
        await asyncio.sleep(rng.uniform(0.0, 0.3))
        _act(rng, clients)
        if world.process is not None and world.process.life.ended.is_set():
            world.kill()
            await asyncio.sleep(rng.choice((0.02, 0.5, 2.0)))
            deaths -= 1
            world.start(rng.choice((rng.randint(0, 15), rng.randint(0, 80))) if deaths > 0 else None)
    await asyncio.sleep(0.1)
    if world.process is not None and world.process.life.ended.is_set():
        world.kill()
        await asyncio.sleep(0.02)
        world.start()
    elif world.process is not None:
        world.process.life.spare()
    await asyncio.sleep(15.0)
    return world


def _act(rng: random.Random, clients: list[WorldClient]) -> None:
    """One of the clients does something."""
    client, other = rng.choice(clients), rng.choice(clients)
    deeds: tuple[Callable[[], None], ...] = (
        client.add_source,
        client.add_source,
        client.remove_source,
        client.restart,
        client.restart_ice,
        client.unmute,
        lambda: client.mute(other) if other.room == client.room and other is not client else None,
        lambda: client.leave() if rng.random() < 0.3 else None,
    )
    if client.present:
        rng.choice(deeds)()


def inconsistencies(world: World) -> list[str]:
    """What the focus, the bridge and the clients do not agree about."""
    assert world.process is not None
    focus = world.process.focus
    found = list(world.faults)
    used: dict[str, set[str]] = {}
    for room in {client.room for client in world.clients.values()}:
        here = {
            client.nick: client for client in world.clients.values() if client.room == room and client.present
        }
        conference = focus.conferences.get(room)
        if conference is None:
            found += [f"{room}: nobody cares for {sorted(here)}"] if here else []
            continue
        if conference.state is not RoomState.RUNNING:
            found.append(f"{room}: {conference.state}")
        if set(conference.participants) != set(here):
            found.append(f"{room}: {sorted(conference.participants)} are not {sorted(here)}")
            continue
        endpoints = world.bridge.conferences.get(conference.bridge.meeting_id, {})
        used[conference.bridge.meeting_id] = set()
        for nick, client in here.items():
            participant = conference.participants[nick]
            session = participant.session
            sid = session.sid if session is not None and session.state is SessionState.ACTIVE else ""
            if sid != client.sid or (len(here) > 1 and not sid):
                found.append(f"{nick}: session {client.sid!r} is {sid!r} for the focus")
                continue
            if not sid:
                continue
            used[conference.bridge.meeting_id].add(nick)
            others = {ssrc: one.nick for one in here.values() if one is not client for ssrc in one.own}
            if client.known != others:
                found.append(f"{nick}: knows {client.known}, not {others}")
            endpoint = endpoints.get(nick)
            if endpoint is None:
                found.append(f"{nick}: no endpoint")
                continue
            ice = endpoint.transport.ice if endpoint.transport else None
            if ice is None or ice.ufrag != client.ufrag:
                found.append(f"{nick}: the bridge has the transport {ice and ice.ufrag}, not {client.ufrag}")
            ssrcs = {source.ssrc for one in endpoint.sources or () for source in one.sources}
            if ssrcs != set(client.own):
                found.append(f"{nick}: the bridge has the sources {ssrcs}, not {set(client.own)}")
            if bool(endpoint.force_mute_audio) != ("audio" in participant.muted):
                found.append(f"{nick}: muted is {participant.muted}, not so at the bridge")
            if client.ordered and "audio" not in participant.muted:
                found.append(f"{nick}: a mute is lost")
            if client.unmuted and "audio" in participant.muted:
                found.append(f"{nick}: an unmute is lost")
            if client.orders < client.orders_due:
                found.append(f"{nick}: an order to mute is lost")
    for meeting, endpoints in world.bridge.conferences.items():
        if set(endpoints) != used.get(meeting) and (endpoints or meeting not in used):
            found.append(f"the bridge has {meeting} {sorted(endpoints)}, used are {used}")
    return found


async def farewell(world: World) -> list[str]:
    """All leave; what then is still there."""
    assert world.process is not None
    for client in world.clients.values():
        client.leave()
    await asyncio.sleep(60.0)
    found = [f"not over: {room}" for room in world.process.focus.conferences]
    found += [f"still in the MUC: {room}" for room in world.muc.rooms]
    found += [f"still at the bridge: {meeting}" for meeting in world.bridge.conferences]
    found += [f"still in the journal: {name}" for name in world.store.rows if name[0] != "features"]
    return found


async def _live(seed: int) -> tuple[int, int]:
    world = await scenario(seed)
    found = inconsistencies(world)
    assert not found, (seed, found)
    twice = sum(client.told_twice for client in world.clients.values())
    # An answer that is lost, or that a second process has heard and died with, is no answer.
    assert not twice or world.drops_answers or world.processes > 2, (seed, "told twice", twice)
    gone = await farewell(world)
    assert not gone, (seed, gone)
    return world.processes, twice


@pytest.mark.parametrize("seeds", [*SHORT, *LONG], ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
@pytest.mark.timeout(600)
def test_whenever_the_focus_is_killed_everything_comes_to_rest(seeds: range) -> None:
    with structlog.testing.capture_logs():
        lived = [simulated(_live(seed)) for seed in seeds]
    processes, twice = (sum(figures) for figures in zip(*lived, strict=True))
    print(f"{len(seeds)} worlds: {processes} processes of the focus, {twice} sources told twice")
