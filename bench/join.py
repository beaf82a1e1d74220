"""How long joining takes, and what it costs: `make bench-join`.

A `carillon dev` of its own, real Chromium tabs at 640x360 in it: our page and an unchanged lib-jitsi-meet.
Every case prints one line of JSON with its goals. Times are taken inside the tabs: clock.js names the steps.

* "staggered": three join 1.5 s apart. "late" is the third of them alone, the one that finds a meeting.
* "simultaneous": three join in the same instant.
* "first-room": the second one to join in the first room of a fresh deployment, the first the bridge is asked
  for, beside the second one in the tenth room (scripted rooms between); several times.
* "idle", "scripted": memory after the start, and after 100 rooms of three scripted participants.

Memory is in MB as `ps` and `top` count them (2^20 bytes), CPU in seconds for the whole case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from bench.figures import Goal, Line, finished, spread
from bench.processes import Usage, usage
from bench.scripted import scripted_rooms
from bench.tabs import INTERVALS, Marks, intervals, measured_room
from carillon import settings
from tests.dev_server import DevServer
from tests.e2e.harness import Meeting, chromium, library_pages

KINDS = ("page", "lyno")
TABS = 3
APART_S = 1.5
BETWEEN = 8
"""Scripted rooms between the first and the tenth."""
QUIET_S = 3.0
"""After a start, before its memory is looked at: the first health checks have passed."""

ALONE = ("connect_ms", "request_answer_ms", "connect_joined_ms")
"""What there is to say of the first one in a room: nobody is invited before the second."""

LATE_GOALS = (Goal("late.joined_offer_ms.median", 106), Goal("late.join_frame_ms.median", 515))
SIMULTANEOUS_GOALS = (Goal("join_frame_ms.median", 1000),)
FIRST_ROOM_GOALS = (Goal("first_by_tenth.join_frame_ms", 1.2),)
IDLE_GOALS = (Goal("focus_and_bridge_mb", 120),)
SCRIPTED_GOALS = (Goal("focus_and_bridge_mb", 160),)


@dataclass(frozen=True)
class Plan:
    """How much of each."""

    rooms: int = 20
    """Rooms of tabs per case and kind."""
    starts: int = 5
    """Fresh deployments whose first and tenth room are compared."""
    scripted: int = 100
    """Rooms of scripted participants."""
    kinds: tuple[str, ...] = KINDS


@dataclass(frozen=True)
class Bench:
    """The browser and a scratch directory for all deployments of one run."""

    plan: Plan
    browser: Browser
    library: str
    directory: Path

    @asynccontextmanager
    async def deployment(self, name: str) -> AsyncIterator[DevServer]:
        """A fresh `carillon dev`."""
        server = DevServer(self.directory / name)
        await asyncio.to_thread(server.start)
        try:
            yield server
        finally:
            await asyncio.to_thread(server.stop)

    async def lines(self) -> AsyncIterator[Line]:
        """Every case, one after the other."""
        async with self.deployment("dev") as server:
            await asyncio.sleep(QUIET_S)
            yield self._idle(server)
            meeting = Meeting(self.browser, server.endpoints, self.library)
            for kind in self.plan.kinds:
                await measured_room(meeting, kind, tabs=2, apart_s=0)  # warms the browser, not the deployment
                yield await self._staggered(server, meeting, kind)
                yield await self._simultaneous(server, meeting, kind)
        for kind in self.plan.kinds:
            yield await self._first_room(kind)
        async with self.deployment("scripted") as server:
            yield await self._scripted(server)

    def _idle(self, server: DevServer) -> Line:
        now = _usage(server)
        line = {
            "case": "idle",
            "rss_mb": now.since(now)["rss_mb"],
            "focus_and_bridge_mb": now.focus_and_bridge_mb(),
        }
        return finished(line, IDLE_GOALS)

    async def _staggered(self, server: DevServer, meeting: Meeting, kind: str) -> Line:
        before = _usage(server)
        rooms = await self._rooms(meeting, kind, APART_S)
        line = {
            **self._case("staggered", kind),
            "first": _spreads([room[0] for room in rooms], ALONE),
            "second": _spreads([room[1] for room in rooms]),
            "late": _spreads([room[2] for room in rooms]),
            **_usage(server).since(before),
        }
        return finished(line, LATE_GOALS)

    async def _simultaneous(self, server: DevServer, meeting: Meeting, kind: str) -> Line:
        before = _usage(server)
        everyone = [marks for room in await self._rooms(meeting, kind, 0.0) for marks in room]
        line = {
            **self._case("simultaneous", kind),
            **_spreads(everyone),
            **_usage(server).since(before),
        }
        return finished(line, SIMULTANEOUS_GOALS)

    async def _rooms(self, meeting: Meeting, kind: str, apart_s: float) -> list[list[Marks]]:
        return [
            await measured_room(meeting, kind, tabs=TABS, apart_s=apart_s) for _ in range(self.plan.rooms)
        ]

    def _case(self, name: str, kind: str) -> Line:
        return {"case": name, "kind": kind, "rooms": self.plan.rooms, "tabs": TABS}

    async def _first_room(self, kind: str) -> Line:
        first: list[Marks] = []
        tenth: list[Marks] = []
        for number in range(self.plan.starts):
            async with self.deployment(f"fresh-{kind}-{number}") as server:
                meeting = Meeting(self.browser, server.endpoints, self.library)
                first.append((await measured_room(meeting, kind, tabs=TABS, apart_s=APART_S))[1])
                await scripted_rooms(_settings(server), BETWEEN, at_once=1)
                tenth.append((await measured_room(meeting, kind, tabs=TABS, apart_s=APART_S))[1])
        of_first, of_tenth = _spreads(first), _spreads(tenth)
        compared = ("joined_offer_ms", "join_frame_ms")
        line = {
            "case": "first-room",
            "kind": kind,
            "starts": self.plan.starts,
            "first": of_first,
            "tenth": of_tenth,
            "first_by_tenth": {name: _ratio(of_first[name], of_tenth[name]) for name in compared},
        }
        return finished(line, FIRST_ROOM_GOALS)

    async def _scripted(self, server: DevServer) -> Line:
        before = _usage(server)
        load = await scripted_rooms(_settings(server), self.plan.scripted)
        await asyncio.sleep(QUIET_S)
        after = _usage(server)
        line = {
            "case": "scripted",
            **load.line(),
            **after.since(before),
            "focus_and_bridge_mb": after.focus_and_bridge_mb(),
        }
        return finished(line, SCRIPTED_GOALS)


def _usage(server: DevServer) -> Usage:
    return usage(server.endpoints["pids"])


def _settings(server: DevServer) -> settings.Settings:
    return settings.load(Path(server.endpoints["config"]))


def _spreads(tabs: list[Marks], names: Iterable[str] = INTERVALS) -> dict[str, Any]:
    return {name: spread(intervals(tabs, name)) for name in names}


def _ratio(one: dict[str, float], other: dict[str, float]) -> float:
    return round(one["median"] / other["median"], 2)


async def run(plan: Plan) -> AsyncIterator[Line]:
    """Run the plan; gives each case's line when it is done."""
    with tempfile.TemporaryDirectory(prefix="carillon-bench-") as directory:
        async with chromium() as browser, library_pages() as library:
            async for line in Bench(plan, browser, library, Path(directory)).lines():
                yield line


async def _print(plan: Plan) -> None:
    async for line in run(plan):
        print(json.dumps(line), flush=True)


def main() -> None:
    """The command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="bench.join", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rooms", type=int, default=plan.rooms, help="rooms of tabs per case (default: 20)")
    parser.add_argument(
        "--starts", type=int, default=plan.starts, help="fresh deployments for first-room (default: 5)"
    )
    parser.add_argument(
        "--scripted", type=int, default=plan.scripted, help="rooms without browsers (default: 100)"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=plan.kinds)
    given = parser.parse_args()
    asyncio.run(_print(Plan(given.rooms, given.starts, given.scripted, tuple(given.kinds))))


if __name__ == "__main__":
    main()
