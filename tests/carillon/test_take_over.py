"""`--take-over`: a second process of a part takes over from the first, or leaves it as it was."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carillon.control import ask, listening_pid
from tests.carillon.part_process import STUB, Process, process, rewrite, stub

FAILED = 1


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "carillon.toml"
    file.write_text("[operation]\ndrain_s = 100\n")
    return file


@asynccontextmanager
async def successor(config: Path, *behaviour: str) -> AsyncIterator[Process]:
    async with process(
        sys.executable, STUB, "bridge", "--config", str(config), *behaviour, "--take-over"
    ) as one:
        yield one


def control(config: Path) -> str:
    return str(config.parent / "run" / "bridge.sock")


async def port(config: Path) -> int:
    return int((await ask(control(config), "/port"))[1])


async def times(port: int) -> int:
    """How often the work was handed over, says who listens there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = await reader.read()
    writer.close()
    return int(said)


async def test_the_work_goes_over_with_its_sockets(config: Path) -> None:
    async with stub(config) as old:
        where = await port(config)
        assert await times(where) == 0
        async with successor(config) as new:
            await new.says("has taken over")
            assert await old.ended() == 0
            assert await times(where) == 1
            assert await port(config) == where


async def test_the_control_socket_is_the_successors(config: Path) -> None:
    async with stub(config) as old, successor(config) as new:
        await new.says(" started")
        assert await old.ended() == 0
        assert listening_pid(control(config)) == new.pid
        _, version = await ask(control(config), "/about/version")
        assert json.loads(version)["pid"] == new.pid


async def test_the_successor_hands_over_in_its_turn(config: Path) -> None:
    async with stub(config), successor(config) as second:
        await second.says(" started")
        where = await port(config)
        async with successor(config) as third:
            await third.says(" started")
            assert await second.ended() == 0
            assert await times(where) == 2


async def test_what_could_not_be_handed_over_goes_on_in_the_old_one(config: Path, tmp_path: Path) -> None:
    async with stub(config, "busy") as old, successor(config) as new:
        await new.says(" started")
        assert 'left="1 things"' in await old.says("replaced: goes on beside its successor")
        (tmp_path / "done").touch()
        assert await old.ended() == 0
        assert listening_pid(control(config)) == new.pid


async def test_beside_its_successor_it_goes_on_for_no_longer_than_it_may(config: Path) -> None:
    rewrite(config, "[operation]\nbeside_s = 0.3\n")
    async with stub(config, "busy") as old, successor(config) as new:
        await new.says(" started")
        await old.says("the rest is ended")
        assert await old.ended() == 0


async def test_sigterm_beside_its_successor_leaves_it_the_time_to_drain(config: Path) -> None:
    rewrite(config, "[operation]\ndrain_s = 0.3\n")
    async with stub(config, "busy") as old, successor(config) as new:
        await new.says(" started")
        await old.says("replaced: goes on beside its successor")
        old.send(signal.SIGTERM)
        await old.says("the rest is ended")
        assert await old.ended() == 0


async def test_a_successor_that_fails_leaves_the_old_one_at_work(config: Path) -> None:
    async with stub(config) as old:
        where = await port(config)
        async with successor(config, "clumsy") as new:
            assert await new.ended() in {FAILED, -signal.SIGKILL}
        await old.says("goes on itself")
        assert await times(where) == 0
        assert listening_pid(control(config)) == old.pid


async def test_a_successor_that_hangs_is_ended_and_the_old_one_goes_on(config: Path) -> None:
    async with stub(config) as old:
        where = await port(config)
        async with successor(config, "slow") as new:
            assert await new.ended() == -signal.SIGKILL
        assert "within 0.5 s" in await old.says("goes on itself")
        assert await times(where) == 0


async def test_after_a_failure_the_next_successor_takes_over(config: Path) -> None:
    async with stub(config) as old:
        where = await port(config)
        async with successor(config, "clumsy") as clumsy:
            await clumsy.ended()
        await old.says("goes on itself")
        async with successor(config) as new:
            await new.says(" started")
            assert await old.ended() == 0
            assert await times(where) == 1


async def test_the_old_one_may_refuse(config: Path) -> None:
    async with stub(config, "firm") as old, successor(config) as new:
        assert "not now" in await new.says("has not taken over")
        assert await new.ended() == FAILED
        assert listening_pid(control(config)) == old.pid


async def test_with_nobody_to_take_over_from_it_starts(config: Path) -> None:
    async with successor(config) as new:
        await new.says("nobody to take over from")
        await new.says(" started")
        assert await times(await port(config)) == 0


async def test_after_an_orderly_end_nothing_is_left(config: Path) -> None:
    async with stub(config) as old, successor(config) as new:
        await new.says(" started")
        assert await old.ended() == 0
        new.send(signal.SIGTERM)
        assert await new.ended() == 0
    assert list((config.parent / "run").iterdir()) == []


async def test_one_that_drains_hands_nothing_over(config: Path) -> None:
    async with stub(config, "busy") as old:
        old.send(signal.SIGTERM)
        await old.says("drains: nothing new begins")
        async with successor(config) as new:
            assert "about to end" in await new.says("has not taken over")
