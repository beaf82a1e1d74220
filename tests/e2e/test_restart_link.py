"""The link to the XMPP server dies, hangs, or is cut off from it; the meeting hears nothing of it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser

from carillon.settings import load
from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.conversation import Conversation
from tests.e2e.failures import cut, kill
from tests.e2e.restarts import (
    BOTH_IN_SOAKS,
    LONGEST_SILENCE_MS,
    Watched,
    measured,
    meeting_of_its_own,
    ordered_mute,
    report,
    within,
)
from tests.e2e.watching import now_ms

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

PAIR = ("lyno", "page")
HUNG_S = CUT_S = 10.0
TIMES = [1, pytest.param(5, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
QUIET_S = 31.0
"""Between two kills: a supervisor takes its time with a program that keeps dying."""


@ON_BOTH_SERVERS
@pytest.mark.parametrize("times", TIMES)
async def test_a_link_that_is_killed_is_back_and_media_never_stop(
    tmp_path: Path, server: str, browser: Browser, library: str, times: int
) -> None:
    async with meeting_of_its_own(tmp_path, server, browser, library, kinds=PAIR) as watched:
        for number in range(times):
            await asyncio.sleep(QUIET_S if number else 0)
            begin = now_ms()
            kill(watched.server, "link")
            await _undisturbed(watched, begin, f"{server}: link killed, {number + 1} of {times}", 5)
            await watched.tabs[1].tab.mute("audio", False)


@BOTH_IN_SOAKS
async def test_a_link_that_hangs_costs_no_media(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    """The supervisor replaces it within these seconds: the room may see the focus go and come."""
    async with meeting_of_its_own(tmp_path, server, browser, library, kinds=PAIR) as watched:
        begin = now_ms()
        async with Conversation(watched.tabs[1], watched.tabs[:1]):
            kill(watched.server, "link", signal.SIGSTOP)
            try:
                await asyncio.sleep(HUNG_S)
            finally:
                kill(watched.server, "link", signal.SIGCONT)
            await watched.asker.answered()
        await _undisturbed(watched, begin, f"{server}: link stopped for {HUNG_S:g} s", 5)


@BOTH_IN_SOAKS
@pytest.mark.parametrize("times", TIMES)
async def test_a_link_that_was_cut_off_from_the_server_is_back_within_three_seconds(
    tmp_path: Path, server: str, browser: Browser, library: str, times: int
) -> None:
    async with meeting_of_its_own(tmp_path, server, browser, library, kinds=PAIR) as watched:
        port = load(Path(watched.server.endpoints["config"])).xmpp.component_port
        for number in range(times):
            begin = now_ms()
            with cut(port):
                await asyncio.sleep(CUT_S)
            await _undisturbed(
                watched, begin, f"{server}: link cut for {CUT_S:g} s, {number + 1} of {times}", 3
            )
            await watched.tabs[1].tab.mute("audio", False)


async def _undisturbed(watched: Watched, begin: float, case: str, back_s: float) -> None:
    """The focus answers again and acts in its room; media have never stopped, nobody was invited again."""
    took = await measured(
        answered_s=watched.asker.answered(), mute_ordered_s=ordered_mute(*watched.tabs, insist=True)
    )
    took["silence_ms"] = await watched.longest_silence(begin, muted=watched.tabs[1:])
    report(case, **took)
    within(took, answered_s=back_s, mute_ordered_s=2 * back_s, silence_ms=LONGEST_SILENCE_MS)
    for one in watched.tabs:
        assert not [word for word in await one.words(begin) if word.startswith(("jingle session", "stream"))]
