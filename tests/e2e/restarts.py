"""Meetings under watch for tests of what restarts: three tabs in a room of a deployment of their own."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.dev_server import SERVERS, DevServer
from tests.e2e.conversation import open_chat
from tests.e2e.failures import Asker, asker
from tests.e2e.harness import Meeting, Tab, eventually, room_name
from tests.e2e.watching import WATCH, Watch, now_ms, uninvited

BOTH_IN_SOAKS = pytest.mark.parametrize(
    "server", [SERVERS[0], pytest.param(SERVERS[1], marks=pytest.mark.soak)], indirect=True
)
"""Has a test run on one XMPP server in `make test`, and on each of them in `make soak`."""
LONGEST_SILENCE_MS = 500
"""What nobody takes for an interruption."""
SLACK = 3
"""A test fails beyond so many times what is promised: the machine may have other things to do. The figures
are printed, and count where nothing else runs."""
DEV = (sys.executable, "-m", "carillon", "dev")
KINDS = ("lyno", "page", "page")
LIGHT = {"camera": "320x180", "p2p": "off"}
"""Options of tabs: pictures small enough for four tabs and a program that starts, on two processors."""


@dataclass
class Watched:
    """A meeting whose tabs all see and hear each other."""

    server: DevServer
    meeting: Meeting
    room: str
    tabs: list[Watch]
    asker: Asker
    _left: AsyncExitStack

    def others(self, one: Watch) -> set[str]:
        """The endpoint ids of everybody else."""
        return {other.id for other in self.tabs} - {one.id}

    async def load(self, name: str) -> Tab:
        """A page that is loaded and has not joined yet."""
        tab = await self.meeting.open_foyer(self.room, name, script=WATCH, **LIGHT)
        self._left.push_async_callback(tab.close)
        return tab

    async def longest_silence(
        self, begin: float, end: float | None = None, muted: Sequence[Watch] = ()
    ) -> int:
        """The longest time for which any tab got nothing of one of the others' streams (ms).

        The sound of who is in `muted` does not count: nothing is sent while somebody is muted.
        """
        silent = {one.id for one in muted}
        return max([await one.longest_silence(self.others(one), begin, end, silent) for one in self.tabs])

    async def uninvited(self, begin: float) -> dict[str, list[str]]:
        """What told tabs of a restart, by tab: invitations, ends, leaves, lost streams."""
        found = {one.id: uninvited(await one.words(begin)) for one in self.tabs}
        return {who: words for who, words in found.items() if words}


@asynccontextmanager
async def watched_meeting(
    server: DevServer, browser: Browser, library: str, kinds: Sequence[str] = KINDS
) -> AsyncIterator[Watched]:
    """Open tabs of these kinds in a new room; the first one is its moderator."""
    meeting = Meeting(browser, server.endpoints, library)
    room = room_name()
    async with AsyncExitStack() as left, asker(server, room) as somebody:
        tabs: list[Watch] = []
        for number, kind in enumerate(kinds):
            tab = await meeting.open(kind, room, f"p{number}", script=WATCH, **LIGHT)
            left.push_async_callback(tab.close)
            tabs.append(Watch(tab, await tab.joined()))
        watched = Watched(server, meeting, room, tabs, somebody, left)
        await asyncio.gather(*(one.tab.sees_and_hears(watched.others(one)) for one in tabs))
        await asyncio.gather(*(open_chat(one.tab) for one in tabs))
        yield watched


Figures = dict[str, float | str]
"""What was measured, by name; a text says why something was not."""


async def measured(**steps: Awaitable[float]) -> Figures:
    """Let steps happen at the same time; how long each took, or what kept it from happening."""
    results = await asyncio.gather(*steps.values(), return_exceptions=True)
    return {
        name: f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else result
        for name, result in zip(steps, results, strict=True)
    }


def report(case: str, **figures: float | str) -> None:
    """Print the figures of one case, and the machine's load, as a line of JSON: `make soak` shows them."""
    rounded = {name: round(one, 2) if isinstance(one, float) else one for name, one in figures.items()}
    print(json.dumps({"case": case, **rounded, "load": round(os.getloadavg()[0], 1)}), flush=True)


def within(figures: Figures, **limits: float) -> None:
    """Assert that all was measured, and stayed below what these limits are with their SLACK."""
    missed = {
        name: figure
        for name, figure in figures.items()
        if isinstance(figure, str) or figure >= SLACK * limits.get(name, math.inf)
    }
    assert not missed, f"{missed}: the limits are {limits}"


async def ordered_mute(chair: Watch, target: Watch, *, insist: bool = False) -> float:
    """Have the focus mute somebody, by its occupant in the room; the seconds until the chair sees it.

    The order is given once, or with `insist` again every second: what is sent while nobody holds the server's
    link is lost for good.
    """
    begin = now_ms()
    given = 0

    async def seen() -> bool:
        nonlocal given
        if not given or (insist and now_ms() - begin > given * 1000):
            given += 1
            await chair.tab.call("muteOther", target.id, "audio")
        return (await chair.mutes(target.id, begin))[-1:] == [True]

    await eventually("the order to mute is carried out", seen)
    return (now_ms() - begin) / 1000


@asynccontextmanager
async def own_deployment(
    directory: Path, server: str, *options: str, command: tuple[str, ...] = DEV
) -> AsyncIterator[DevServer]:
    """A `carillon dev` of this test alone: others do without its failures."""
    deployment = DevServer(directory / "dev", "--server", server, *options, command=command)
    await asyncio.to_thread(deployment.start)
    try:
        yield deployment
    finally:
        await asyncio.to_thread(deployment.stop)


@asynccontextmanager
async def meeting_of_its_own(
    directory: Path,
    server: str,
    browser: Browser,
    library: str,
    *,
    kinds: Sequence[str] = KINDS,
    options: Sequence[str] = (),
    command: tuple[str, ...] = DEV,
) -> AsyncIterator[Watched]:
    """A watched meeting in such a deployment."""
    async with (
        own_deployment(directory, server, *options, command=command) as deployment,
        watched_meeting(deployment, browser, library, kinds) as watched,
    ):
        yield watched
