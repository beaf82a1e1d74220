"""SIGTERM: nothing new begins, and what runs may go on for a while."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from carillon.control import ask
from carillon.part_process import SAME_SIGNAL_S
from tests.carillon.notify_socket import notify_socket
from tests.carillon.part_process import rewrite, stub

LONG = "[operation]\ndrain_s = 100\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "carillon.toml"
    file.write_text(LONG)
    return file


async def test_what_runs_ends_before_the_part(config: Path, tmp_path: Path) -> None:
    async with stub(config, "busy") as part:
        part.send(signal.SIGTERM)
        await part.says("begins nothing new")
        assert 'left="1 things"' in await part.says("drains: nothing new begins")
        health = await ask(str(tmp_path / "run" / "bridge.sock"), "/about/health")
        assert health == (503, "draining: 1 things")
        (tmp_path / "done").touch()
        assert await part.ended() == 0
    assert not any("the time to drain is over" in line for line in part.lines)


async def test_with_nothing_to_wait_for_it_ends_at_once(config: Path) -> None:
    async with stub(config) as part:
        part.send(signal.SIGTERM)
        assert await part.ended() == 0


async def test_at_the_deadline_the_rest_is_ended(config: Path) -> None:
    rewrite(config, "[operation]\ndrain_s = 0.5\n")
    async with stub(config, "busy") as part:
        told = time.monotonic()
        part.send(signal.SIGTERM)
        assert 'left="1 things"' in await part.says("the time to drain is over: the rest is ended")
        assert await part.ended() == 0
        assert time.monotonic() - told >= 0.5


async def test_without_time_to_drain_it_ends_at_once(config: Path) -> None:
    rewrite(config, "[operation]\ndrain_s = 0\n")
    async with stub(config, "busy") as part:
        part.send(signal.SIGTERM)
        assert await part.ended() == 0
    assert not any("drains" in line for line in part.lines)


async def test_sigint_does_not_wait(config: Path) -> None:
    async with stub(config, "busy") as part:
        part.send(signal.SIGINT)
        assert await part.ended() == 0
    assert not any("drains" in line for line in part.lines)


async def test_a_second_sigterm_does_not_wait_any_more(config: Path) -> None:
    async with stub(config, "busy") as part:
        part.send(signal.SIGTERM)
        await part.says("drains: nothing new begins")
        await asyncio.sleep(SAME_SIGNAL_S + 0.2)
        part.send(signal.SIGTERM)
        assert await part.ended() == 0


async def test_the_same_sigterm_from_two_sides_is_one(config: Path, tmp_path: Path) -> None:
    """As when systemd signals every process of a service and the supervisor passes it on."""
    async with stub(config, "busy") as part:
        part.send(signal.SIGTERM)
        part.send(signal.SIGTERM)
        await part.says("drains: nothing new begins")
        assert (await ask(str(tmp_path / "run" / "bridge.sock"), "/about/health"))[0] == 503
        (tmp_path / "done").touch()
        assert await part.ended() == 0


async def test_systemd_is_asked_for_the_time_and_sees_what_is_left(config: Path, tmp_path: Path) -> None:
    with notify_socket(str(tmp_path / "notify")) as systemd:
        environment = {**systemd.environment, "WATCHDOG_USEC": "200000"}
        async with stub(config, "busy", environment=environment) as part:
            part.send(signal.SIGTERM)
            stopping = await systemd.until_has(STOPPING="1", STATUS="draining: 1 things")
            assert int(stopping["EXTEND_TIMEOUT_USEC"]) >= 100_000_000
            await systemd.until_has(WATCHDOG="1", STATUS="draining: 1 things")
            (tmp_path / "done").touch()
            assert await part.ended() == 0
