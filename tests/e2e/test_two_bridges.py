"""A bridge is killed, hangs, is drained or gets no media any more while three meet: they go on."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from carillon.control import ask
from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.failures import cut, kill
from tests.e2e.harness import eventually
from tests.e2e.restarts import SLACK, Watched, meeting_of_its_own, report
from tests.e2e.watching import now_ms
from tests.ports import free_port

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

PARTS = {"default": "bridge", "two": "bridge-two"}
"""The process of each bridge."""
NOTICED_S = 5.0
MOVED_S = 8.0
"""What may pass until a failure is known, and until everybody sees and hears everybody again."""


def two_bridges() -> list[str]:
    """Options of `carillon dev` for a second bridge."""
    sets = (f'bridges.two.rest="127.0.0.1:{free_port()}"', f"bridges.two.port={free_port()}")
    return [word for one in sets for word in ("--set", one)]


@asynccontextmanager
async def meeting(
    directory: Path, server: str, browser: Browser, library: str, *, bridges: int = 2
) -> AsyncIterator[Watched]:
    """Three tabs, one of them of lib-jitsi-meet, in a deployment with one bridge or two."""
    options = two_bridges() if bridges == 2 else []
    async with meeting_of_its_own(directory, server, browser, library, options=options) as watched:
        yield watched


async def row(watched: Watched) -> dict[str, Any]:
    """What the component says of the room."""
    status, text = await ask(watched.server.endpoints["control"]["component"], "/rooms")
    assert status == 200, text
    rooms = {one["room"].partition("@")[0]: one for one in json.loads(text)["rooms"]}
    found: dict[str, Any] = rooms[watched.room]
    return found


async def bridge_of(watched: Watched) -> str:
    """Which bridge the meeting is on."""
    return str((await row(watched))["bridge"])


async def moved(watched: Watched, before: str) -> str:
    """Wait until the meeting is on another bridge; which."""

    async def other() -> str:
        now = await bridge_of(watched)
        return now if now not in ("", before) else ""

    return str(await eventually(f"the meeting leaves the bridge {before}", other, 20))


async def again(watched: Watched, begin: float, timeout_s: float = 40.0) -> float:
    """Wait until all get everybody's sound and picture again after a break; the longest one's seconds.

    A break is told by the invitation that follows: what came before that does not count.
    """

    async def one(number: int) -> float:
        watch = watched.tabs[number]

        async def invited() -> float:
            notes = await watch.notes(begin)
            return float(
                max((note[0] for note in notes if note[1:3] == ["jingle", "session-initiate"]), default=0)
            )

        since = await eventually(f"{watch.id} is invited again", invited, timeout_s)

        async def opened() -> bool:
            return "channel-open" in await watch.words(float(since))

        await eventually(f"the bridge channel of {watch.id} is open again", opened, timeout_s)
        times = [await watch.gets(who, since, timeout_s) for who in watched.others(watch)]
        return max(times) + (float(since) - begin) / 1000

    return max(await asyncio.gather(*map(one, range(len(watched.tabs)))))


async def noticed(watched: Watched, bridge: str, begin: float) -> float:
    """Wait until the log says that a bridge is down; the seconds since `begin`."""

    async def said() -> float:
        pattern = rf"^(\S+) WARNING component a bridge is down .*\bbridge={bridge}\b"
        found = re.findall(pattern, watched.server.log(), re.MULTILINE | re.IGNORECASE)
        return _seconds(found[-1]) if found else 0.0

    return float(await eventually(f"the bridge {bridge} is found down", said, 20)) - begin / 1000


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def on(server: str, *, soak: bool = True, **case: Any) -> Any:
    """A case on an XMPP server; `make test` does without those of the soak."""
    marks = [pytest.mark.soak] if soak else []
    return pytest.param(server, *case.values(), id=f"{server}-{'-'.join(case)}", marks=marks)


@pytest.mark.parametrize(
    ("server", "number"),
    [
        on("prosody", stopped=signal.SIGSTOP, soak=False),
        on("ejabberd", killed=signal.SIGKILL, soak=False),
        on("prosody", killed=signal.SIGKILL),
        on("ejabberd", stopped=signal.SIGSTOP),
    ],
    indirect=["server"],
)
async def test_one_of_two_bridges_fails(
    tmp_path: Path, server: str, browser: Browser, library: str, number: signal.Signals
) -> None:
    async with meeting(tmp_path, server, browser, library) as watched:
        bridge = await bridge_of(watched)
        begin = now_ms()
        pid = kill(watched.server, PARTS[bridge], number)
        try:
            figures = {
                "noticed_s": await noticed(watched, bridge, begin),
                "everybody_again_s": await again(watched, begin),
            }
            assert await moved(watched, bridge) != bridge
        finally:
            if number is signal.SIGSTOP:
                os.killpg(pid, signal.SIGCONT)
        report(f"{server}: {number.name} to one of two bridges", **figures)
        assert figures["noticed_s"] < SLACK * NOTICED_S and figures["everybody_again_s"] < SLACK * MOVED_S
        after = now_ms()
        await asyncio.sleep(3)  # the other one comes back, and must not disturb
        assert await watched.uninvited(after) == {}
        assert await conferences(watched.server, bridge) == 0
        await asyncio.gather(*(one.tab.sees_and_hears(watched.others(one)) for one in watched.tabs))


async def conferences(server: DevServer, bridge: str) -> int:
    """How many a bridge has, by its own statistics; waits until it answers."""

    async def counted() -> list[int]:
        try:
            status, text = await ask(server.endpoints["control"][PARTS[bridge]], "/colibri/stats", 1.0)
        except Exception:
            return []
        return [json.loads(text)["conferences"]] if status == 200 else []

    found: list[int] = await eventually(f"the bridge {bridge} answers", counted)
    return found[0]


@pytest.mark.soak
async def test_a_bridge_that_is_to_end_hands_its_meeting_over_before_its_deadline(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    options = [*two_bridges(), "--set", "operation.drain_s=30"]
    async with meeting_of_its_own(tmp_path, server, browser, library, options=options) as watched:
        bridge = await bridge_of(watched)
        begin = now_ms()
        os.kill(watched.server.endpoints["pids"][PARTS[bridge]], signal.SIGTERM)
        again_s = await again(watched, begin)
        assert await moved(watched, bridge) != bridge
        silence_s = max([await one.longest_blackout(begin) for one in watched.tabs]) / 1000
        report(f"{server}: one of two bridges drains", everybody_again_s=again_s, silence_s=silence_s)
        assert again_s < SLACK * MOVED_S


async def test_a_bridge_that_gets_no_media_any_more_is_left(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    async with meeting(tmp_path, server, browser, library) as watched:
        bridge = await bridge_of(watched)
        places = watched.server.endpoints
        place = places["bridge"] if bridge == "default" else places["bridges"][bridge]
        begin = now_ms()
        with cut(place["media"][1], "udp, tcp"):
            figures = {
                "noticed_s": await noticed(watched, bridge, begin),
                "everybody_again_s": await again(watched, begin),
            }
            assert await moved(watched, bridge) != bridge
        report(f"{server}: one of two bridges gets no media", **figures)
        assert figures["noticed_s"] < SLACK * NOTICED_S and figures["everybody_again_s"] < SLACK * MOVED_S


@pytest.mark.soak
@pytest.mark.parametrize("muted", [False, True], ids=["speaking", "muted"])
async def test_a_meeting_in_which_nobody_sends_stays_where_it_is(
    tmp_path: Path, browser: Browser, library: str, muted: bool
) -> None:
    async with meeting(tmp_path, "prosody", browser, library) as watched:
        bridge, begin = await bridge_of(watched), now_ms()
        if muted:
            for one in watched.tabs:
                await one.tab.mute("audio", True)
                await one.tab.mute("video", True)
        await asyncio.sleep(20)
        assert await watched.uninvited(begin) == {}
        assert await bridge_of(watched) == bridge


@pytest.mark.soak
@ON_BOTH_SERVERS
async def test_the_only_bridge_is_killed_and_starts_anew(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    async with meeting(tmp_path, server, browser, library, bridges=1) as watched:
        begin = now_ms()
        kill(watched.server, "bridge")
        figures = {
            "noticed_s": await noticed(watched, "default", begin),
            "everybody_again_s": await again(watched, begin),
        }
        report(f"{server}: the only bridge killed", **figures)
        assert figures["noticed_s"] < SLACK * NOTICED_S and figures["everybody_again_s"] < SLACK * MOVED_S


async def test_the_only_bridge_hangs_for_a_while_and_the_page_says_so(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    async with meeting(tmp_path, server, browser, library, bridges=1) as watched:
        page = watched.tabs[1].tab
        newcomer = await watched.load("late")
        begin = now_ms()
        pid = kill(watched.server, "bridge", signal.SIGSTOP)
        try:
            noticed_s = await noticed(watched, "default", begin)
            await newcomer.press("Join")
            late = await newcomer.joined()
            await eventually("the page says why nothing comes", lambda: said(page, "does not answer"), 10)
            assert (await row(watched))["bridge_trouble"] == "down"
        finally:
            os.killpg(pid, signal.SIGCONT)
        woken = now_ms()
        await asyncio.gather(
            newcomer.sees_and_hears({one.id for one in watched.tabs}),
            *(one.tab.sees_and_hears({*watched.others(one), late}) for one in watched.tabs),
        )
        again_s = (now_ms() - woken) / 1000
        assert not await said(page, "does not answer")
        invited = {
            one.id: [word for word in await one.words(begin) if "initiate" in word] for one in watched.tabs
        }
        report(f"{server}: the only bridge hangs", noticed_s=noticed_s, again_s=again_s)
        assert invited == {one.id: [] for one in watched.tabs}
        assert noticed_s < SLACK * NOTICED_S


async def said(page: Any, words: str) -> bool:
    """Whether the page shows a problem in these words."""
    return bool(
        await page.evaluate("words => document.body.innerText.toLowerCase().includes(words)", words.lower())
    )
