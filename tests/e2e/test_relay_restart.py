"""The relay dies, hangs, drains or is replaced while people meet whose only way out it is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser

from carillon.control import ask
from carillon.settings import load
from tests.carillon.part_process import process
from tests.dev_server import DevServer
from tests.e2e.failures import kill, replaced
from tests.e2e.harness import Meeting, eventually, room_name
from tests.e2e.restarts import LIGHT, LONGEST_SILENCE_MS, SLACK, own_deployment, report
from tests.e2e.watching import MEDIA, WATCH, Watch, now_ms, uninvited

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

BACK_WITHIN_S = 10.0
"""What somebody may miss when the only way breaks."""
AFTER_A_HANG_S = 20.0
"""The same with the time in which the supervisor sees that the relay stands still."""
STEADY_S = 1.5
"""Who has been back so long is back."""


@dataclass(frozen=True)
class Relayed:
    """Somebody who can only relay, seen from both sides."""

    name: str
    own: Watch
    free: Watch
    """Somebody who need not, in the same room."""

    async def misses_s(self, begin: float) -> float:
        """How long one of the two went without a stream of the other since (seconds)."""
        silences = [
            (await one.silences(begin))[f"{other.id} {media}"]
            for one, other in ((self.own, self.free), (self.free, self.own))
            for media in MEDIA
        ]
        return max(silences) / 1000

    async def back(self, begin: float) -> float:
        """Wait until media have gone both ways for a while; how long they did not since `begin` (seconds)."""

        async def steady() -> bool:
            since = now_ms() - STEADY_S * 1000
            return since > begin and await self.misses_s(since) < STEADY_S / 2

        try:
            await eventually(f"{self.name} is back", steady, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.own.tab.story()}") from None
        return await self.misses_s(begin)


@dataclass(frozen=True)
class World:
    """A deployment of its own with a meeting of people who relay and one who does not."""

    server: DevServer
    relayed: Sequence[Relayed]

    @property
    def control(self) -> str:
        """The control socket of the relay."""
        return load(Path(self.server.endpoints["config"])).turn.control

    async def all_back(self, begin: float) -> dict[str, float]:
        """How long each went without media, once all have them again (seconds)."""
        missed = await asyncio.gather(*(one.back(begin) for one in self.relayed))
        return {one.name: seconds for one, seconds in zip(self.relayed, missed, strict=True)}


@asynccontextmanager
async def world(
    directory: Path, browser: Browser, library: str, ways: Sequence[tuple[str, str]], *options: str
) -> AsyncIterator[World]:
    """`ways` are kind and transport of each tab that relays, `options` those of `carillon dev`."""
    async with own_deployment(directory, "prosody", *options) as server:
        meeting, room = Meeting(browser, server.endpoints, library), room_name()
        tabs = [
            await meeting.open(kind, room, f"{kind}-{transport}", WATCH, ice=f"relay-{transport}", **LIGHT)
            for kind, transport in ways
        ]
        tabs.append(await meeting.open("page", room, "free", WATCH, **LIGHT))
        watches = [Watch(tab, await tab.joined()) for tab in tabs]
        ids = {one.id for one in watches}
        await asyncio.gather(*(one.tab.sees_and_hears(ids - {one.id}) for one in watches))
        relayed = []
        for (kind, transport), own in zip(ways, watches, strict=False):
            sending = await own.tab.sending()
            assert (sending["candidate"], sending["relayProtocol"]) == ("relay", transport)
            relayed.append(Relayed(f"{kind}_by_{transport}", own, watches[-1]))
        await asyncio.sleep(2)  # what was left for the next relay is complete, and nobody just arrives
        try:
            yield World(server, relayed)
        finally:
            for tab in tabs:
                await tab.close()


async def test_who_can_only_relay_is_back_after_the_relay_was_killed(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    ways = [("page", "tcp"), ("page", "udp"), ("lyno", "tcp")]
    async with world(tmp_path, browser, library, ways) as deployment:
        begin = now_ms()
        pid = kill(deployment.server, "relay")
        started_s = await replaced(deployment.server, "relay", pid)
        missed_s = await deployment.all_back(begin)
        report("relay killed: without media (s)", started=started_s, **missed_s)
        assert max(missed_s.values()) < SLACK * BACK_WITHIN_S


async def test_a_relay_that_hangs_is_replaced_and_they_are_back(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    async with world(tmp_path, browser, library, [("page", "tcp"), ("page", "udp")]) as deployment:
        begin = now_ms()
        pid = kill(deployment.server, "relay", signal.SIGSTOP)
        started_s = await replaced(deployment.server, "relay", pid)
        missed_s = await deployment.all_back(begin)
        report("relay stopped by SIGSTOP: without media (s)", started=started_s, **missed_s)
        assert max(missed_s.values()) < SLACK * AFTER_A_HANG_S


async def test_nobody_notices_that_the_relay_is_replaced(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    ways = [("page", "tcp"), ("page", "udp"), ("lyno", "tcp")]
    async with world(tmp_path, browser, library, ways) as deployment:
        begin, pid = now_ms(), deployment.server.endpoints["pids"]["relay"]
        upgrade = (sys.executable, "-m", "carillon", "upgrade", "relay")
        async with process(*upgrade, "--config", deployment.server.endpoints["config"]) as command:
            assert await command.ended() == 0, command.lines
        assert deployment.server.endpoints["pids"]["relay"] != pid
        await asyncio.sleep(3)
        silences_s = {one.name: await one.misses_s(begin) for one in deployment.relayed}
        report("relay replaced: longest silence (s)", **silences_s)
        assert max(silences_s.values()) * 1000 < SLACK * LONGEST_SILENCE_MS
        for one in deployment.relayed:
            assert uninvited(await one.own.words(begin)) == []


async def test_a_relay_that_drains_waits_for_no_tab_that_has_gone(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    ways, patient = [("page", "tcp"), ("page", "udp")], ("--set", "operation.drain_s=60")
    async with world(tmp_path, browser, library, ways, *patient) as deployment:
        _, allocations = await ask(deployment.control, "/turn/allocations")
        pid = kill(deployment.server, "relay", signal.SIGTERM)
        began = time.monotonic()
        await asyncio.sleep(2)
        assert (await ask(deployment.control, "/about/health"))[1].startswith("draining")
        for one in deployment.relayed:
            await one.own.tab.close()

        async def gone() -> bool:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            return False

        await eventually("the relay ends", gone, 30)
        report("relay drained (s)", took=time.monotonic() - began, allocations=allocations.count("client"))
