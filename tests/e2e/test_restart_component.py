"""The component is killed in a meeting in which somebody speaks and mutes, and a fourth joins meanwhile."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.conversation import Conversation
from tests.e2e.failures import kill, replaced
from tests.e2e.harness import Tab
from tests.e2e.restarts import (
    LONGEST_SILENCE_MS,
    Watched,
    measured,
    meeting_of_its_own,
    ordered_mute,
    report,
    within,
)
from tests.e2e.watching import MEDIA, Watch, now_ms

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

SHORT = pytest.param(2, marks=pytest.mark.timeout(240))
LONG = pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(2400)])

QUIET_S = 31.0
"""Between two kills of the long form: a supervisor takes its time with a program that keeps dying."""


@ON_BOTH_SERVERS
@pytest.mark.parametrize("times", [SHORT, LONG])
async def test_a_component_that_is_killed_costs_a_meeting_nothing(
    tmp_path: Path, server: str, browser: Browser, library: str, times: int
) -> None:
    async with meeting_of_its_own(tmp_path, server, browser, library) as watched:
        failures = []
        for number in range(times):
            began = time.monotonic()
            try:
                await _kill_and_join(watched, f"{server}: component killed, {number + 1} of {times}")
            except AssertionError as error:
                failures.append(f"{number + 1} of {times}: {error}")
            if number + 1 < times and times > 2:
                await asyncio.sleep(max(0.0, QUIET_S - (time.monotonic() - began)))
        assert not failures, "\n".join(failures)


async def _kill_and_join(watched: Watched, case: str) -> None:
    chair, speaker, target = watched.tabs
    newcomer = await watched.load("late")
    async with Conversation(speaker, [chair, target]) as conversation:
        await asyncio.sleep(2)
        begin = now_ms()
        pid = kill(watched.server, "component")
        took = await measured(
            answered_s=watched.asker.answered(),
            started_s=replaced(watched.server, "component", pid),
            mute_ordered_s=ordered_mute(chair, target),
            fourth_sees_and_is_seen_s=_arrives(newcomer, watched, begin, muted=target),
        )
        await asyncio.sleep(1)
    took |= {
        "silence_ms": await watched.longest_silence(begin, muted=[speaker, target]),
        "words": conversation.words,
    }
    report(case, **took)
    disturbed = await watched.uninvited(begin)
    if not isinstance(took["mute_ordered_s"], str):
        await target.tab.mute("audio", False)
    await newcomer.close()
    await asyncio.gather(*(one.tab.sees_and_hears(watched.others(one)) for one in watched.tabs))
    assert disturbed == {}
    within(took, silence_ms=LONGEST_SILENCE_MS, answered_s=5, mute_ordered_s=10, fourth_sees_and_is_seen_s=10)


async def _arrives(newcomer: Tab, watched: Watched, begin: float, muted: Watch) -> float:
    """Let a page that is loaded join; the seconds until it gets everybody's media and they get its."""
    await newcomer.press("Join")
    late = Watch(newcomer, await newcomer.joined())
    times = await asyncio.gather(
        *(late.gets(one.id, begin, 30, ("video",) if one is muted else MEDIA) for one in watched.tabs),
        *(one.gets(late.id, begin, 30) for one in watched.tabs),
    )
    return max(times)
