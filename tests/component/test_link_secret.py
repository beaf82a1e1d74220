"""A component whose secret the server refuses costs next to nothing, because it asks ever more rarely."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bench.processes import usage
from carillon.files import write_private
from component.loss import Backoff, LossKind
from tests.carillon.part_process import part
from tests.component.prosody import SERVERS, running

MINUTE_S = 60.0
SHORT_S = 12.0
"""Two of the shortest waits: more attempts than an average part of a minute has."""
ALLOWED_CPU_S = 0.2
"""In a minute."""
SLACK = 3
"""A test machine has other work."""
HOSTS = ("focus.localhost", "calls.localhost", "proxy.localhost")


def attempts_within(period_s: float, backoff: Backoff) -> int:
    """How often a link tries in a period in which every attempt fails at once."""
    now, count = 0.0, 0
    while now < period_s:
        count += 1
        now += backoff.delay_s(LossKind.NOT_AUTHORIZED, 0.0)
    return count


def test_a_minute_has_few_attempts() -> None:
    counts = [attempts_within(MINUTE_S, Backoff(random.Random(seed))) for seed in range(1000)]
    assert max(counts) <= 12, "a wait is 5 s at least"
    assert sum(counts) / len(counts) < 8


async def cost(directory: Path, server: str, period_s: float) -> float:
    """The seconds of CPU that a component process takes while a real server refuses all of its links."""
    async with running(SERVERS[server](directory)):
        write_private(directory / "secrets" / "component", "another")
        async with part("component", directory / "carillon.toml") as process:
            for host in HOSTS:
                assert "not-authorized" in await process.says(f"component={host}")
            before = usage({"component": process.pid})
            await asyncio.sleep(period_s)
            spent = usage({"component": process.pid}).since(before)["cpu_s"]["component"]
    print(f"{server}: {spent:.2f} s of CPU in {period_s:.0f} s of being refused")
    return spent


@pytest.mark.parametrize("server", SERVERS)
async def test_being_refused_for_some_seconds_costs_next_to_nothing(tmp_path: Path, server: str) -> None:
    assert await cost(tmp_path, server, SHORT_S) * MINUTE_S / SHORT_S < SLACK * ALLOWED_CPU_S


@pytest.mark.soak
@pytest.mark.parametrize("server", SERVERS)
async def test_being_refused_for_a_minute_costs_next_to_nothing(tmp_path: Path, server: str) -> None:
    assert await cost(tmp_path, server, MINUTE_S) < ALLOWED_CPU_S
