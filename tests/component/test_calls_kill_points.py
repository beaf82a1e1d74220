"""The calls killed at any moment, again and again: what was accepted goes on, of all else nothing is left."""

from __future__ import annotations

import asyncio
import random

import pytest

from component.calls.records import CALL
from jingle.content import Action
from jingle.jmi import Step
from tests.component.calls_world import CallsWorld, WorldCaller
from tests.component.simulated_loop import simulated

SHORT = pytest.param(range(60), id="60")
LONG = pytest.param(range(60, 1000), id="1000", marks=[pytest.mark.soak, pytest.mark.timeout(1200)])
"""In how many worlds the calls are killed."""
ECHO, LOUNGE = "echo@calls.localhost/bridge", "lounge@calls.localhost/bridge"


async def scenario(seed: int) -> CallsWorld:
    """Random things happen, and the process dies at random points; then all come to rest."""
    rng = random.Random(seed)
    world = CallsWorld(rng)
    callers = [WorldCaller(world, name) for name in ("ann", "bob", "eve")]
    world.start(rng.randint(0, 60))
    deaths = rng.randint(1, 4)
    for number in range(rng.randint(5, 25)):
        await asyncio.sleep(rng.uniform(0.0, 0.4))
        _act(rng, world, rng.choice(callers), f"sid{number}")
        if world.process is not None and world.process.life.ended.is_set():
            world.kill()
            await asyncio.sleep(rng.choice((0.02, 0.5, 2.0)))
            deaths -= 1
            world.start(rng.choice((rng.randint(0, 15), rng.randint(0, 60))) if deaths > 0 else None)
    assert world.process is not None
    if world.process.life.ended.is_set():
        world.kill()
        world.start()
    else:
        world.process.life.spare()
    await asyncio.sleep(100.0)
    return world


def _act(rng: random.Random, world: CallsWorld, caller: WorldCaller, sid: str) -> None:
    """One of the callers, or the room, does something."""
    going_on = [sid for sid, call in caller.calls.items() if call.active]
    chance = rng.random()
    if chance < 0.4 and len(going_on) < 2:
        caller.call(rng.choice((ECHO, LOUNGE)), sid)
    elif chance < 0.6 and going_on:
        caller.direct(rng.choice(going_on), rng.choice(("both", "initiator", "none")))
    elif chance < 0.8 and going_on:
        caller.hang_up(rng.choice(going_on))
    elif chance < 0.85 and world.room.occupants:
        world.room.kick(rng.choice(sorted(world.room.occupants)))


@pytest.mark.parametrize("seeds", [SHORT, LONG])
def test_whenever_the_calls_are_killed_nobody_is_left_in_half_a_call(seeds: range) -> None:
    for seed in seeds:
        assert simulated(scenario(seed)).inconsistencies() == [], f"seed {seed}"


async def killed_once(called: str, deeds: int) -> tuple[CallsWorld, WorldCaller, bool]:
    """A call to a place, and a process that dies after so many deeds; whether it was accepted by then."""
    world = CallsWorld(random.Random(deeds))
    caller = WorldCaller(world, "ann")
    world.start(deeds)
    caller.call(called, "s1")
    await asyncio.sleep(2.0)
    accepted = bool(caller.calls["s1"].accepted)
    assert world.process is not None
    world.process.life.ended.set()
    world.kill()
    await asyncio.sleep(1.0)
    world.start()
    await asyncio.sleep(45.0)
    return world, caller, accepted


@pytest.mark.parametrize("called", [ECHO, LOUNGE], ids=["echo", "room"])
def test_a_call_survives_a_kill_after_any_deed(called: str) -> None:
    seen = set()
    for deeds in range(40):
        world, caller, accepted = simulated(killed_once(called, deeds))
        seen.add(accepted)
        call = caller.calls["s1"]
        assert call.active and call.accepted, f"after {deeds} deeds"
        assert Action.SESSION_TERMINATE not in call.words
        assert world.inconsistencies() == [], f"after {deeds} deeds"
    assert seen == {False, True}


async def with_candidates() -> WorldCaller:
    world = CallsWorld(random.Random(3))
    caller = WorldCaller(world, "ann")
    world.start()
    caller.call(ECHO, "s1")
    for _ in range(5):
        caller.trickle("s1")
    await asyncio.sleep(2.0)
    return caller


def test_a_call_begins_although_candidates_come_with_it() -> None:
    assert simulated(with_candidates()).calls["s1"].accepted


async def hung_up_at_once() -> CallsWorld:
    world = CallsWorld(random.Random(3))
    caller = WorldCaller(world, "ann")
    world.start()
    caller.call(ECHO, "s1")
    caller.hang_up("s1")
    await asyncio.sleep(2.0)
    return world


def test_nothing_is_left_of_a_call_that_is_hung_up_in_the_same_breath() -> None:
    assert simulated(hung_up_at_once()).inconsistencies() == []


async def in_another_session(called: str) -> tuple[CallsWorld, WorldCaller]:
    world = CallsWorld(random.Random(1))
    caller = WorldCaller(world, "ann")
    world.start()
    caller.call(called, "s1")
    await asyncio.sleep(2.0)
    world.kill()
    world.session = "another session of the server"
    world.room.occupants.clear()
    world.room.sessions.clear()
    world.start()
    await asyncio.sleep(45.0)
    return world, caller


@pytest.mark.parametrize("called", [ECHO, LOUNGE], ids=["echo", "room"])
def test_a_call_of_another_session_is_ended_towards_both(called: str) -> None:
    world, caller = simulated(in_another_session(called))
    assert caller.calls["s1"].words[-1] is Action.SESSION_TERMINATE
    assert not caller.calls["s1"].active
    assert world.inconsistencies() == []


async def hung_up_meanwhile(*, by_caller: bool) -> tuple[CallsWorld, WorldCaller]:
    world = CallsWorld(random.Random(1))
    caller = WorldCaller(world, "ann")
    world.start()
    caller.call(LOUNGE, "s1")
    await asyncio.sleep(2.0)
    world.kill()
    if by_caller:
        caller.hang_up("s1")
    else:
        world.room.kick(next(iter(world.room.occupants)))
    await asyncio.sleep(2.0)
    world.start()
    await asyncio.sleep(45.0)
    return world, caller


@pytest.mark.parametrize("by_caller", [True, False], ids=["caller", "room"])
def test_who_hangs_up_while_nobody_is_there_has_hung_up(by_caller: bool) -> None:
    world, caller = simulated(hung_up_meanwhile(by_caller=by_caller))
    assert not caller.calls["s1"].active
    assert world.inconsistencies() == []


async def gone_meanwhile() -> tuple[CallsWorld, WorldCaller]:
    """The caller forgets its call, and the stanza that says so is lost."""
    world = CallsWorld(random.Random(1))
    caller = WorldCaller(world, "ann")
    world.start()
    caller.call(LOUNGE, "s1")
    await asyncio.sleep(2.0)
    world.kill()
    caller.calls["s1"].active = False
    world.start()
    await asyncio.sleep(5.0)
    return world, caller


def test_a_caller_who_is_gone_is_noticed_at_once() -> None:
    world, _ = simulated(gone_meanwhile())
    assert world.inconsistencies() == []


async def pin_said_after(deeds: int) -> tuple[CallsWorld, WorldCaller]:
    """A call that waits for its PIN when the process dies."""
    world = CallsWorld(random.Random(deeds), pin="4711")
    caller = WorldCaller(world, "ann")
    world.start(deeds)
    caller.call(LOUNGE, "s1")
    await asyncio.sleep(2.0)
    world.kill()
    world.start()
    await asyncio.sleep(1.0)
    assert not caller.calls["s1"].accepted
    caller.say(LOUNGE, "pin 4711")
    await asyncio.sleep(45.0)
    return world, caller


@pytest.mark.parametrize("deeds", range(5))
def test_a_call_that_waits_for_its_pin_waits_on(deeds: int) -> None:
    world, caller = simulated(pin_said_after(deeds))
    assert caller.calls["s1"].active and caller.calls["s1"].accepted
    assert world.inconsistencies() == []


async def pin_said_before() -> tuple[CallsWorld, WorldCaller]:
    world = CallsWorld(random.Random(1), pin="4711")
    caller = WorldCaller(world, "ann")
    world.start()
    caller.say(LOUNGE, "pin 4711")
    await asyncio.sleep(1.0)
    world.kill()
    world.start()
    caller.call(LOUNGE, "s1")
    await asyncio.sleep(5.0)
    return world, caller


def test_who_has_said_the_pin_need_not_say_it_again() -> None:
    world, caller = simulated(pin_said_before())
    assert caller.calls["s1"].active and caller.calls["s1"].accepted
    assert world.inconsistencies() == []


async def proposed(deeds: int) -> WorldCaller:
    world = CallsWorld(random.Random(deeds))
    caller = WorldCaller(world, "ann")
    world.start(deeds)
    caller.propose(ECHO, "p1")
    await asyncio.sleep(1.0)
    world.kill()
    world.start()
    await asyncio.sleep(1.0)
    caller.propose(ECHO, "p1")
    caller.call(ECHO, "p1")
    await asyncio.sleep(2.0)
    caller.hang_up("p1")
    await asyncio.sleep(2.0)
    return caller


@pytest.mark.parametrize("deeds", range(8))
def test_a_proposal_is_answered_once_and_finished_whenever_the_process_dies(deeds: int) -> None:
    steps = simulated(proposed(deeds)).steps
    assert steps.count(Step.PROCEED) <= 1
    assert steps.count(Step.FINISH) == 1


async def damaged() -> CallsWorld:
    world = CallsWorld(random.Random(1))
    caller = WorldCaller(world, "ann")
    world.start()
    caller.call(ECHO, "s1")
    await asyncio.sleep(2.0)
    world.kill()
    for name in world.store.rows:
        if name[0] == CALL:
            world.store.rows[name] = b'{"call":1}'
    world.start()
    await asyncio.sleep(1.0)
    return world


def test_a_row_that_cannot_be_read_is_given_up() -> None:
    world = simulated(damaged())
    assert not [name for name in world.store.rows if name[0] == CALL]
