"""Two bridges over HTTP, asked how they are: what is noticed, how soon, and what they are told afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from carillon.settings import Settings, parse
from carillon.settings.rules import Urls
from component.focus.bridge_client import BridgeClient
from component.focus.bridge_health import Health, Sign
from component.focus.bridge_report import BridgeReport
from component.focus.bridge_watch import Bridges, names_of
from component.focus.effects import BridgeUnreachable
from jingle.colibri2 import ConferenceModified, ConferenceModify, Endpoint
from tests.component.stub_bridge import StubBridge
from tests.ports import free_port

CREATE = ConferenceModify("m", create=True, endpoints=(Endpoint("a", create=True),))
END = ConferenceModify("m", expire=True)


def settings(*urls: str, text: str = "") -> Settings:
    made = parse(text, Path("/nowhere/carillon.toml"))
    return replace(made, focus=replace(made.focus, bridge=Urls(urls)))


class World:
    """Two stub bridges and who asks them; `changes` counts what conferences would hear of."""

    def __init__(self) -> None:
        self.stubs = [StubBridge(), StubBridge()]
        self.changes = 0

    async def start(self, stack: AsyncExitStack) -> None:
        for stub in self.stubs:
            await stub.start()
            stack.push_async_callback(stub.stop)
        self.bridges = Bridges(settings(*self.urls))
        self.bridges.on_change(self._changed)
        await self.bridges.start()
        stack.push_async_callback(self.bridges.stop)
        for url in self.urls:
            await self.until(url, Health.UP)

    def _changed(self) -> None:
        self.changes += 1

    @property
    def urls(self) -> list[str]:
        return [stub.url for stub in self.stubs]

    async def until(self, url: str, health: Health, within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while self.bridges.pool.health(url) is not health:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = World()
        await made.start(stack)
        yield made


async def test_a_bridge_that_is_gone_is_noticed_at_the_next_question(world: World) -> None:
    await world.stubs[0].stop()
    await world.until(world.urls[0], Health.DOWN, within_s=2)
    assert world.bridges.pool.health(world.urls[1]) is Health.UP
    assert world.changes >= 1


async def test_a_bridge_that_hangs_is_noticed_within_five_seconds(world: World) -> None:
    world.stubs[0].hangs = asyncio.Event()
    await world.until(world.urls[0], Health.DOWN)
    world.stubs[0].hangs.set()
    await world.until(world.urls[0], Health.UP, within_s=2)


async def test_a_bridge_that_is_down_is_not_waited_for(world: World) -> None:
    world.stubs[0].hangs = asyncio.Event()
    await world.until(world.urls[0], Health.DOWN)
    async with asyncio.timeout(0.5):
        assert isinstance(await world.bridges.ask(world.urls[0], CREATE), BridgeUnreachable)
        assert await world.bridges.figures(world.urls[0], "m") is None
    world.stubs[0].hangs.set()


async def test_a_bridge_that_hung_is_told_afterwards_what_is_over(world: World) -> None:
    stub = world.stubs[0]
    assert isinstance(await world.bridges.ask(stub.url, CREATE), ConferenceModified)
    stub.hangs = asyncio.Event()
    await world.until(stub.url, Health.DOWN)
    assert isinstance(await world.bridges.ask(stub.url, END), BridgeUnreachable)
    assert "m" in stub.conferences
    stub.hangs.set()
    async with asyncio.timeout(3):
        while stub.conferences:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_request_without_an_answer_has_the_bridge_asked_at_once(world: World) -> None:
    await world.stubs[0].stop()
    world.bridges.pool.doubt(world.urls[0])
    await world.until(world.urls[0], Health.DOWN, within_s=1)


async def test_what_a_bridge_says_of_itself_is_believed(world: World) -> None:
    world.stubs[0].says["drain"] = True
    await world.until(world.urls[0], Health.DRAINING, within_s=2)
    world.stubs[0].says["healthy"] = False
    await world.until(world.urls[0], Health.DOWN)


async def test_a_restart_between_two_questions_is_told_to_conferences(world: World) -> None:
    before = world.changes
    world.stubs[0].says["instance"] = "another"
    async with asyncio.timeout(3):
        while world.changes == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert world.bridges.pool.epoch(world.urls[0]) == 1


async def test_a_bridge_that_is_not_configured_any_more_does_not_answer(world: World) -> None:
    assert isinstance(await world.bridges.ask("http://gone", END), BridgeUnreachable)


def test_bridges_are_called_as_in_the_configuration() -> None:
    text = "[bridges.two]\nrest = '127.0.0.1:8085'\nport = 1\n"
    urls = ("http://127.0.0.1:8085", "http://127.0.0.1:8083/", "http://jvb.example:8080")
    assert list(names_of(settings(*urls, text=text)).values()) == ["two", "default", "jvb.example:8080"]


# One question

Answer = Callable[[web.Request], Awaitable[web.Response]]


async def asked(stats: tuple[int, Any], health: int = 200) -> BridgeReport | Sign:
    """What comes of a question to a bridge that answers so."""

    async def say(request: web.Request) -> web.Response:
        return web.json_response(stats[1], status=stats[0])

    async def live(request: web.Request) -> web.Response:
        return web.Response(status=health)

    app = web.Application()
    app.router.add_get("/colibri/stats", say)
    app.router.add_get("/about/health", live)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = BridgeClient(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        return await client.report(2.0)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("stats", "health", "shown"),
    [
        ((200, {"stress_level": 0.5}), 200, BridgeReport(stress=0.5)),
        ((200, ["nothing"]), 200, Sign.SICK),
        ((500, {}), 200, Sign.SICK),
        ((404, {}), 200, BridgeReport()),
        ((404, {}), 500, Sign.SICK),
    ],
    ids=["statistics", "no statistics", "an error", "a JVB without statistics", "an ill JVB without"],
)
async def test_an_answer_is_a_report_or_a_sign(
    stats: tuple[int, Any], health: int, shown: BridgeReport | Sign
) -> None:
    assert await asked(stats, health) == shown


async def test_where_nobody_listens_is_no_bridge() -> None:
    assert await BridgeClient(f"http://127.0.0.1:{free_port()}").report(2.0) is Sign.REFUSED
