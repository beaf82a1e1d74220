"""Rooms of bots and tabs in which people come and go while parts of carillon are killed: `make soak-rooms`.

A `carillon dev` of its own with two bridges. Every 30 seconds one process of a random part is killed, while
somebody leaves and somebody else comes. Each kill prints a line of JSON: how long until the part was back,
how long at most a tab got no sound, and who is without media afterwards. The last line has what every part
holds (memory, descriptors, tasks) and whether that stayed flat. The exit status is 1 when somebody was left
without media, or something grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser

from bench.figures import Line, spread
from carillon import settings
from tests.dev_server import DevServer
from tests.e2e.failures import Asker, asker, kill, replaced
from tests.e2e.harness import Meeting, chromium, eventually, library_pages, room_name
from tests.e2e.restarts import LIGHT, measured
from tests.e2e.watching import WATCH, Watch, now_ms
from tests.ports import free_port
from tests.soak.bot import Bot
from tests.soak.samples import Samples, grown

SECOND_BRIDGE = "second"
LOOK_S = 5.0
"""Between two samples of all processes."""
SETTLED_S = 20.0
"""So long after a kill everybody must have everybody's media again."""
SOUND = ("audio",)
"""What bots send."""
RECENT_MS = 2000.0
"""What has come since counts as coming."""


@dataclass(frozen=True)
class Plan:
    """How much of it."""

    minutes: float = 20.0
    rooms: int = 10
    tabs: int = 10
    """How many of the rooms have a real tab."""
    bots: int = 3
    """In each room."""
    every_s: float = 30.0
    """Between two kills."""
    server: str = "prosody"
    seed: int = 1
    """Of what is killed and who comes and goes."""
    warm_s: float = 60.0
    """What a process holds sooner after its start is not looked at."""


@dataclass
class Room:
    """One room and who is in it."""

    name: str
    bots: list[Bot] = field(default_factory=list)
    tab: Watch | None = None


class Soak:
    """One run of a plan in a deployment."""

    def __init__(self, plan: Plan, server: DevServer, meeting: Meeting) -> None:
        self._plan = plan
        self._server = server
        self._meeting = meeting
        self._settings = settings.load(Path(server.endpoints["config"]))
        self._random = random.Random(plan.seed)
        self._rooms: list[Room] = []
        self._samples = Samples()
        self._began = time.monotonic()
        self._to_kill: list[str] = []
        self.failures: list[str] = []

    async def lines(self) -> AsyncIterator[Line]:
        """Everything from the first one to come to the last line."""
        for number in range(self._plan.rooms):
            await self._open(number)
        await self._everybody_has_media("at the beginning")
        looks = asyncio.create_task(self._look())
        self._began = time.monotonic()
        try:
            async with asker(self._server, self._rooms[0].name) as somebody:
                while self._elapsed() < self._plan.minutes * 60:
                    next_at = self._elapsed() + self._plan.every_s
                    yield await self._kill(somebody)
                    await asyncio.sleep(max(0.0, next_at - self._elapsed()))
        finally:
            looks.cancel()
        yield self._summary()

    async def close(self) -> None:
        """Everybody leaves."""
        for room in self._rooms:
            for bot in room.bots:
                await bot.depart()
            if room.tab is not None:
                await room.tab.tab.close()

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    async def _open(self, number: int) -> None:
        room = Room(room_name())
        self._rooms.append(room)
        if number < self._plan.tabs:
            tab = await self._meeting.open("page", room.name, f"tab {number}", script=WATCH, **LIGHT)
            room.tab = Watch(tab, await tab.joined())
        for _ in range(self._plan.bots):
            room.bots.append(await Bot.arrive(self._settings, room.name))

    async def _kill(self, somebody: Asker) -> Line:
        """Kill a part while somebody leaves and somebody comes; what that did to everybody."""
        part = self._next_part()
        begin, at_s = now_ms(), self._elapsed()
        pid = kill(self._server, part)
        took = await measured(
            back_s=replaced(self._server, part, pid),
            answered_s=somebody.answered(),
            exchanged_s=self._exchange(),
        )
        took |= await measured(all_have_media_s=self._everybody_has_media(f"{part} killed at {at_s:.0f} s"))
        self.failures += [
            f"{part} killed at {at_s:.0f} s: {one}" for one in took.values() if isinstance(one, str)
        ]
        blackouts = [await room.tab.longest_blackout(begin, media=SOUND) for room in self._rooms if room.tab]
        return {
            "case": f"{part} killed",
            "at_s": round(at_s),
            **_rounded(took),
            "blackout_ms": spread(blackouts),
        }

    def _next_part(self) -> str:
        """A part in an order of chance: none again before all had their turn."""
        if not self._to_kill:
            pids = self._server.endpoints["pids"]
            self._to_kill = [name for name, pid in pids.items() if pid and name != "xmpp"]
            self._random.shuffle(self._to_kill)
        return self._to_kill.pop()

    async def _exchange(self) -> float:
        """Somebody leaves one room, somebody comes into another one."""
        began = time.monotonic()
        left, entered = self._random.choice(self._rooms), self._random.choice(self._rooms)
        await left.bots.pop(0).depart()
        entered.bots.append(await Bot.arrive(self._settings, entered.name))
        if not left.bots:  # one alone would be nobody's company
            left.bots.append(await Bot.arrive(self._settings, left.name))
        return time.monotonic() - began

    async def _everybody_has_media(self, when: str) -> float:
        """Wait until tabs hear all bots of their rooms, and bots something; the seconds that takes."""
        began = time.monotonic()

        async def nobody() -> bool:
            return not await self._without_media()

        try:
            await eventually("all have media", nobody, SETTLED_S)
        except AssertionError:
            without = await self._without_media()
            raise AssertionError(f"{when}: without media: {', '.join(without)}") from None
        return time.monotonic() - began

    async def _without_media(self) -> list[str]:
        """Who gets nothing, in words."""
        before = {bot.nick: bot.arrived for room in self._rooms for bot in room.bots}
        since = now_ms()
        await asyncio.sleep(RECENT_MS / 1000)
        found = []
        for room in self._rooms:
            alone = len(room.bots) + (room.tab is not None) < 2
            for bot in room.bots:
                if bot.failure() or (bot.arrived == before[bot.nick] and not alone):
                    found.append(f"bot {bot.nick} in {room.name} {bot.failure()}".strip())
            if room.tab is not None:
                found += [
                    f"the tab of {room.name} of {bot.nick}"
                    for bot in room.bots
                    if await room.tab.tab.evaluate(
                        "stream => window.watched.risen(...stream)", [f"{bot.nick} audio", since]
                    )
                    is None
                ]
        return found

    async def _look(self) -> None:
        """Take samples for ever."""
        while True:
            endpoints = self._server.endpoints
            for part, pid in {**endpoints["pids"], "supervisor": self._server.pid}.items():
                if pid:
                    await self._samples.take(self._elapsed(), part, pid, endpoints["control"].get(part))
            await asyncio.sleep(LOOK_S)

    def _summary(self) -> Line:
        parts = self._samples.summary(self._plan.warm_s)
        self.failures += grown(parts)
        journal = Path(self._settings.journal.store)
        return {
            "case": "summary",
            "minutes": round(self._elapsed() / 60, 1),
            "rooms": self._plan.rooms,
            "tabs": sum(room.tab is not None for room in self._rooms),
            "bots": sum(len(room.bots) for room in self._rooms),
            "parts": parts,
            "journal_kib": round(journal.stat().st_size / 1024) if journal.is_file() else None,
            "failures": self.failures,
        }


def _rounded(figures: dict[str, float | str]) -> Line:
    return {name: round(one, 2) if isinstance(one, float) else one for name, one in figures.items()}


@asynccontextmanager
async def soak(plan: Plan, browser: Browser, library: str, directory: Path) -> AsyncIterator[Soak]:
    """A run in a deployment of its own, which ends with it."""
    bridge = [f'rest="127.0.0.1:{free_port()}"', f"port={free_port()}"]
    options = [word for one in bridge for word in ("--set", f"bridges.{SECOND_BRIDGE}.{one}")]
    server = DevServer(directory / "dev", "--server", plan.server, *options)
    async with AsyncExitStack() as left:
        await asyncio.to_thread(server.start)
        left.push_async_callback(asyncio.to_thread, server.stop)
        running = Soak(plan, server, Meeting(browser, server.endpoints, library))
        left.push_async_callback(running.close)
        yield running


async def _print(plan: Plan) -> int:
    with tempfile.TemporaryDirectory(prefix="carillon-soak-") as directory:
        async with (
            chromium() as browser,
            library_pages() as library,
            soak(plan, browser, library, Path(directory)) as running,
        ):
            async for line in running.lines():
                print(json.dumps(line), flush=True)
            return 1 if running.failures else 0


def main() -> None:
    """The command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="tests.soak.rooms", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--minutes", type=float, default=plan.minutes, help="how long (default: 20)")
    add("--rooms", type=int, default=plan.rooms, help="how many rooms (default: 10)")
    add("--tabs", type=int, default=plan.tabs, help="how many of them have a real tab (default: 10)")
    add("--bots", type=int, default=plan.bots, help="bots in each room (default: 3)")
    add("--server", choices=("prosody", "ejabberd"), default=plan.server)
    add("--seed", type=int, default=plan.seed, help="what is killed, and who comes and goes (default: 1)")
    given = parser.parse_args()
    sys.exit(asyncio.run(_print(Plan(**vars(given)))))


if __name__ == "__main__":
    main()
