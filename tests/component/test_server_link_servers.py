"""The link between a real XMPP server and components that die, wait and take over, under constant traffic."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pytest

from carillon.settings import load
from component.focus.own_presence import join_presence
from component.link import ComponentLink
from component.links import link_of
from component.stanza import COMPONENT_NS, iq, message
from tests.component.behind_link import Part, started
from tests.component.fake_server import until
from tests.component.prosody import SERVERS, RunningServer, running
from tests.leash import LEASH

ROOM = "room@conference.localhost"
LOAD = "calls.localhost"
"""A host of the component's, in whose name the tests make traffic past the link."""
RATE_HZ = 500
TICK_S = 0.02


class House:
    """A server, a link in a process of its own, and recording components."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        config = server.directory / "carillon.toml"
        config.write_text(config.read_text().replace("enabled = false", "enabled = true"))
        self.settings = load(config)
        self.link = Part("link", self.settings)
        self.record = server.directory / "record"
        self.processes: list[asyncio.subprocess.Process] = []

    async def component(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start another recording component."""
        process = await asyncio.create_subprocess_exec(
            *LEASH,
            *(sys.executable, "-m", "tests.component.recording_component"),
            *(str(self.settings.path), str(self.record), *arguments),
            cwd=Path(__file__).parents[2],
        )
        self.processes.append(process)
        return process

    def connections_to_server(self) -> int:
        """Of all processes together, as the kernel counts them (proc_net_tcp(5))."""
        port = f":{self.settings.xmpp.component_port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[2].endswith(port) and row[3] == "01" for row in rows)

    @property
    def lines(self) -> list[str]:
        """What all components have written."""
        return self.record.read_text().splitlines() if self.record.exists() else []

    @property
    def heard(self) -> list[int]:
        """The numbers of the messages that they heard."""
        return [int(line.partition(" ")[2]) for line in self.lines if line.startswith("heard ")]

    def count(self, word: str) -> int:
        """How often they wrote this."""
        return sum(line.split()[0] == word for line in self.lines)

    async def until_active(self, process: asyncio.subprocess.Process) -> None:
        """Wait until this one is the component."""
        await self.until_instances(lambda state: state["active"] == process.pid)

    async def until_instances(self, condition: Callable[[Any], bool]) -> None:
        """Wait until the link says so of its components."""
        async with asyncio.timeout(10):
            while not condition(await self.link.get("/instances")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture(params=SERVERS)
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """On each server, with one component in a room."""
    async with running(SERVERS[request.param](tmp_path)) as server:
        one = House(server)
        async with started(one.link):
            try:
                await one.until_active(await one.component(ROOM))
                await until(lambda: one.count("up") == 1)
                yield one
            finally:
                for process in one.processes:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()


class Traffic:
    """An occupant who says numbers, and asks the component whether it is there."""

    def __init__(self, house: House) -> None:
        self.link: ComponentLink = link_of(house.settings, LOAD, direct=True)
        self.said = 0
        self.kicked: list[Element] = []
        self.answers: list[asyncio.Task[Element]] = []
        self.worst_s = 0.0
        self._own = f"load@{LOAD}/1"
        self._focus = house.settings.focus.domain
        self.link.on_presence(self._on_presence)
        self._task: asyncio.Task[None] | None = None
        self._there = False

    async def __aenter__(self) -> "Traffic":
        await self.link.start()
        await until(lambda: self.link.up)
        self.link.send(join_presence(ROOM, self._own, "load"))
        await until(lambda: self._there)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pause()
        for answer in self.answers:
            answer.cancel()
        await self.link.stop()

    async def pause(self) -> None:
        """Say nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def answered(self) -> None:
        """Every question got a result."""
        for answer in await asyncio.gather(*self.answers):
            assert answer.get("type") == "result"

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while True:
            while self.said < (loop.time() - begin) * RATE_HZ:
                said = message("groupchat", ROOM, self._own)
                SubElement(said, f"{{{COMPONENT_NS}}}body").text = str(self.said)
                self.link.send(said)
                self.said += 1
            self.answers.append(asyncio.create_task(self._ask()))
            await asyncio.sleep(TICK_S)

    async def _ask(self) -> Element:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await self.link.request(iq("get", self._focus, self._own, Element("{urn:xmpp:ping}ping")))
        self.worst_s = max(self.worst_s, loop.time() - began)
        return answer

    def _on_presence(self, presence: Element) -> None:
        sender = presence.get("from", "")
        if sender == f"{ROOM}/load":
            self._there = True
        elif sender == f"{ROOM}/focus" and presence.get("type") == "unavailable":
            self.kicked.append(presence)


def assert_nothing_lost(house: House, said: int) -> int:
    """All in their order, none missing; gives how many were heard twice."""
    heard = house.heard
    first_times = list(dict.fromkeys(heard))
    assert first_times == list(range(said))
    return len(heard) - said


async def settled(house: House, traffic: Traffic) -> int:
    """End the traffic and see that everything has arrived; gives how many were heard twice."""
    await traffic.pause()
    async with asyncio.timeout(30):  # a busy machine has thousands of them still under way
        while len(set(house.heard)) < traffic.said:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert traffic.kicked == []
    await traffic.answered()
    return assert_nothing_lost(house, traffic.said)


@pytest.mark.timeout(120)
async def test_a_killed_component_costs_nobody_anything(house: House) -> None:
    async with Traffic(house) as traffic:
        for _ in range(3):
            await asyncio.sleep(0.5)
            house.processes[-1].send_signal(signal.SIGKILL)
            await house.processes[-1].wait()
            await asyncio.sleep(0.3)
            await house.until_active(await house.component())
            await asyncio.sleep(0.3)
        repeated = await settled(house, traffic)
    sessions = {line for line in house.lines if line.startswith("up ")}
    assert len(sessions) == 1  # the server's is still the one from before
    print(f"{traffic.said} messages, {len(traffic.answers)} requests, {repeated} messages heard twice,"
          f" longest answer {traffic.worst_s:.2f} s")  # fmt: skip


@pytest.mark.timeout(120)
async def test_a_component_takes_over_from_one_that_works(house: House) -> None:
    async with Traffic(house) as traffic:
        await asyncio.sleep(0.5)
        first, second = house.processes[0], await house.component()
        await house.until_instances(lambda state: state["standby"] == [second.pid])
        status, state = await house.link.post("/activate", pid=str(second.pid))
        assert (status, state["active"], state["standby"]) == (200, second.pid, [])
        async with asyncio.timeout(5):
            assert await first.wait() == 0  # and it does not come back
        await asyncio.sleep(0.5)
        await settled(house, traffic)
    assert house.count("replaced") == 1
    assert traffic.worst_s < 2


@pytest.mark.timeout(120)
async def test_the_next_one_takes_over_at_once_from_one_that_dies(house: House) -> None:
    second = await house.component()
    await house.until_instances(lambda state: state["standby"])
    async with Traffic(house) as traffic:
        await asyncio.sleep(0.3)
        house.processes[0].send_signal(signal.SIGKILL)
        await house.until_active(second)
        await asyncio.sleep(0.3)
        await settled(house, traffic)
    assert traffic.worst_s < 2


@pytest.mark.timeout(120)
async def test_a_killed_link_costs_the_session_and_the_component_has_another(house: House) -> None:
    await house.link.kill()
    await house.link.start(waits=False)
    await until(lambda: house.count("up") == 2)
    sessions = [line for line in house.lines if line.startswith("up ")]
    assert len(set(sessions)) == 2
    assert house.count("down") == 1


@pytest.mark.timeout(120)
async def test_a_lost_server_is_a_lost_session_and_a_new_one_when_it_is_back(house: House) -> None:
    await house.server.kill()
    await until(lambda: house.count("down") == 1)
    async with asyncio.timeout(5):
        while "does the XMPP server run" not in await house.link.health():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await house.server.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(lambda: house.count("up") == 2)
    print(f"a session {loop.time() - began:.2f} s after the server's port answered")
    assert loop.time() - began < 3


@pytest.mark.timeout(120)
async def test_the_server_has_one_connection_however_many_components_there_are(house: House) -> None:
    for _ in range(2):
        await house.component()
    await house.until_instances(lambda state: len(state["standby"]) == 2)
    assert house.connections_to_server() == 1


@pytest.mark.timeout(120)
async def test_another_link_takes_over_and_not_a_byte_is_lost(house: House) -> None:
    await house.component()
    await house.until_instances(lambda state: state["standby"])
    async with Traffic(house) as traffic:
        for _ in range(3):
            await asyncio.sleep(0.3)
            old, house.link = house.link, Part("link", house.settings, "--take-over")
            await house.link.start(waits=False)
            try:
                assert old.process is not None
                async with asyncio.timeout(15):
                    assert await old.process.wait() == 0
                await asyncio.sleep(0.3)
            finally:
                await old.kill()
        repeated = await settled(house, traffic)
        state = await house.link.get("/instances")
    await house.link.kill()
    assert repeated == 0
    assert state["active"] == house.processes[0].pid
    assert state["standby"] == [house.processes[1].pid]
    assert house.count("up") == 1
    print(f"{traffic.said} messages, longest answer {traffic.worst_s:.2f} s")
