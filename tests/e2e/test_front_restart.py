"""The front is killed and hangs in a meeting in which somebody speaks and mutes: nobody is to notice."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.failures import kill, replaced
from tests.e2e.restarts import LONGEST_SILENCE_MS, measured, meeting_of_its_own, report, within
from tests.e2e.talk import back, channel_back, talk, undisturbed
from tests.e2e.watching import now_ms

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

HANGS_S = 2.0
"""Not worth a word."""


@ON_BOTH_SERVERS
async def test_a_front_that_is_killed_costs_a_meeting_nothing(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    kinds = ("page", "page", "page")
    async with meeting_of_its_own(tmp_path, server, browser, library, kinds=kinds) as watched:
        speaker, *others = watched.tabs
        async with talk(speaker, others) as said:
            await asyncio.sleep(2)
            begin = now_ms()
            pid = kill(watched.server, "front")
            took = await measured(
                started_s=replaced(watched.server, "front", pid),
                **{f"resumed_{number}_s": back(one, begin) for number, one in enumerate(watched.tabs)},
                **{
                    f"channel_{number}_s": channel_back(one, begin) for number, one in enumerate(watched.tabs)
                },
            )
            await asyncio.sleep(1)
        took |= {"silence_ms": await watched.longest_silence(begin, muted=[speaker]), "words": len(said)}
        report(f"{server}: front killed", **took)
        await undisturbed(watched.tabs, begin)
        within(took, silence_ms=LONGEST_SILENCE_MS, **{f"resumed_{number}_s": 10 for number in range(3)})


@ON_BOTH_SERVERS
async def test_a_front_that_hangs_costs_a_meeting_nothing(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    kinds = ("page", "page", "page")
    async with meeting_of_its_own(tmp_path, server, browser, library, kinds=kinds) as watched:
        speaker, *others = watched.tabs
        async with talk(speaker, others) as said:
            stopped = now_ms()
            pid = kill(watched.server, "front", signal.SIGSTOP)
            await asyncio.sleep(HANGS_S)
            kill(watched.server, "front", signal.SIGCONT)
            await asyncio.sleep(1)
            for one in watched.tabs:
                assert "stream-closed" not in await one.words(stopped), "it was only slow"
            begin = now_ms()
            kill(watched.server, "front", signal.SIGSTOP)
            took = await measured(
                started_s=replaced(watched.server, "front", pid),
                **{f"resumed_{number}_s": back(one, begin) for number, one in enumerate(watched.tabs)},
            )
            await asyncio.sleep(1)
        took |= {"silence_ms": await watched.longest_silence(stopped, muted=[speaker]), "words": len(said)}
        report(f"{server}: front hangs", **took)
        await undisturbed(watched.tabs, stopped)
        within(took, silence_ms=LONGEST_SILENCE_MS, **{f"resumed_{number}_s": 20 for number in range(3)})
