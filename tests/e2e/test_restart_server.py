"""The XMPP server restarts in a running meeting: everybody's stream is lost, and everybody comes back."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser

from carillon.settings import load
from tests.dev_server import DevServer
from tests.e2e.failures import asker, kill, listens, replaced
from tests.e2e.restarts import Watched, measured, meeting_of_its_own, report, within
from tests.e2e.watching import Watch, now_ms

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

BLACKOUT_MS = 10_000
"""Nobody's stream outlives its server: from the last packet of one session to the first of the next."""
CASES = [
    pytest.param(server, number, id=f"{server}-{number.name}", marks=[pytest.mark.soak] if long else [])
    for server, number, long in (
        ("prosody", signal.SIGTERM, False),
        ("ejabberd", signal.SIGKILL, False),
        ("prosody", signal.SIGKILL, True),
        ("ejabberd", signal.SIGTERM, True),
    )
]


@pytest.mark.parametrize(("server", "number"), CASES, indirect=["server"])
async def test_a_meeting_goes_on_when_the_server_restarts(
    tmp_path: Path, server: str, browser: Browser, library: str, number: signal.Signals
) -> None:
    async with meeting_of_its_own(tmp_path, server, browser, library, kinds=("page", "page")) as watched:
        begin = now_ms()
        pid = kill(watched.server, "xmpp", number)
        took = await measured(
            started_s=replaced(watched.server, "xmpp", pid),
            answered_after_port_s=_answered_after_port(watched.server, watched.room),
            everybody_back_s=_everybody_back(watched),
        )
        took["silence_until_back_ms"] = max([await _until_back(one, begin) for one in watched.tabs])
        took["longest_blackout_ms"] = max([await one.longest_blackout(begin) for one in watched.tabs])
        report(f"{server}: XMPP server restarted by {number.name}", **took)
        within(took, answered_after_port_s=3, everybody_back_s=20, longest_blackout_ms=BLACKOUT_MS)


async def _until_back(watch: Watch, begin: float) -> int:
    """For how long at most nothing came until a tab was in the room again (ms)."""
    joined = min(note[0] for note in await watch.notes(begin) if note[1] == "joined")
    return await watch.longest_blackout(begin, joined)


async def _answered_after_port(server: DevServer, room: str) -> float:
    """The seconds from the moment when components can connect to the focus's first answer."""
    xmpp = load(Path(server.endpoints["config"])).xmpp
    await asyncio.sleep(0.5)  # the old one has closed its port
    await listens((xmpp.server, xmpp.component_port))
    began = time.monotonic()
    await listens((xmpp.server, xmpp.c2s_port))
    async with asker(server, room) as somebody:
        await somebody.answered()
    return time.monotonic() - began


async def _everybody_back(watched: Watched) -> float:
    """Wait until all are in the room anew and see and hear each other; the seconds that takes."""
    began = time.monotonic()
    tabs = [one.tab for one in watched.tabs]
    ids = await asyncio.gather(
        *(tab.joined_again(one.id) for tab, one in zip(tabs, watched.tabs, strict=True))
    )
    await asyncio.gather(*(tab.sees_and_hears(set(ids) - {own}) for tab, own in zip(tabs, ids, strict=True)))
    return time.monotonic() - began
