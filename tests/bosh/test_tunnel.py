"""The bridge channel through the front, to a WebSocket server that stands for the bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from bosh.main import Front
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.bosh.raw_client import exchange, upgrade

ADDRESS = "/colibri-ws/default-id/meeting/endpoint"
Behind = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


class Bridge:
    """An HTTP server with a WebSocket, and something beside it that nobody may reach."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def channel(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if request.query.get("pwd") != "right":
            return web.Response(status=403, text="internals")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"got {message.data}")
        return socket

    async def rest(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return web.Response(text="rest")


@pytest.fixture
async def bridge(settings: Settings, start_front: StartFront) -> AsyncIterator[tuple[Bridge, Front]]:
    behind = Bridge()
    application = web.Application()
    application.router.add_get("/colibri-ws/{rest:.*}", behind.channel)
    application.router.add_route("*", "/{rest:.*}", behind.rest)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    changed = replace(settings, bridge=replace(settings.bridge, rest=f"{host}:{port}"))
    yield behind, await start_front(changed)
    await runner.cleanup()


async def test_messages_pass_both_ways(bridge: tuple[Bridge, Front]) -> None:
    behind, front = bridge
    async with aiohttp.ClientSession() as session:
        url = f"ws://127.0.0.1:{front.port}{ADDRESS}?pwd=right"
        async with session.ws_connect(url) as socket:
            assert "Server" not in socket._response.headers
            for text in ("a", "b" * 200_000):
                await socket.send_str(text)
                assert await socket.receive_str(timeout=10) == f"got {text}"
    assert behind.asked == [f"{ADDRESS}?pwd=right"]


async def test_a_channel_of_a_further_bridge_leads_to_that_one(
    bridge: tuple[Bridge, Front], settings: Settings, start_front: StartFront
) -> None:
    behind, front = bridge
    place = front._settings.bridge
    nobody = replace(settings.bridge, rest="127.0.0.1:9")
    other = await start_front(replace(settings, bridge=nobody, bridges={"two": place}))
    async with aiohttp.ClientSession() as session:
        url = f"ws://127.0.0.1:{other.port}/colibri-ws/two/meeting/endpoint?pwd=right"
        async with session.ws_connect(url) as socket:
            await socket.send_str("a")
            assert await socket.receive_str(timeout=10) == "got a"
    assert behind.asked == ["/colibri-ws/two/meeting/endpoint?pwd=right"]
    assert (await exchange(other, upgrade(f"{ADDRESS}?pwd=right"))).startswith(b"HTTP/1.1 502 ")


async def test_a_refusal_of_the_bridge_keeps_its_status_and_shows_nothing_else(
    bridge: tuple[Bridge, Front],
) -> None:
    answer = await exchange(bridge[1], upgrade(f"{ADDRESS}?pwd=wrong"))
    assert answer.startswith(b"HTTP/1.1 403 ") and b"internals" not in answer and b"Server" not in answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (upgrade("/colibri-ws/../colibri/v2/conferences"), 400),
        (upgrade("/colibri-ws/%2e%2e/colibri/v2/conferences"), 400),
        (upgrade("/colibri-ws/a//b"), 400),
        (upgrade("/colibri-ws/a/./b"), 400),
        (upgrade("/colibri-ws/"), 400),
        (upgrade("/colibri-ws/a\\b"), 400),
        (upgrade(ADDRESS, method="POST"), 405),
        (upgrade(ADDRESS, extra="Content-Length: 3\r\n"), 400),
        (upgrade(ADDRESS, extra="Transfer-Encoding: chunked\r\n"), 400),
        (upgrade(ADDRESS).replace(b"Upgrade: websocket", b"Upgrade: h2c"), 426),
        (upgrade(ADDRESS).replace(b"Connection: Upgrade", b"Connection: close"), 426),
        (upgrade(ADDRESS).replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    ],
)
async def test_nothing_but_a_plain_channel_request_reaches_the_bridge(
    bridge: tuple[Bridge, Front], request_bytes: bytes, status: int
) -> None:
    behind, front = bridge
    answer = await exchange(front, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert behind.asked == []
    assert (await exchange(front, upgrade(f"{ADDRESS}?pwd=wrong"))).startswith(b"HTTP/1.1 403 ")
    assert len(behind.asked) == 1


async def test_a_second_request_behind_a_refused_one_reaches_nobody(bridge: tuple[Bridge, Front]) -> None:
    behind, front = bridge
    second = b"GET /colibri/stats HTTP/1.1\r\nHost: h\r\n\r\n"
    answer = await exchange(front, upgrade(f"{ADDRESS}?pwd=wrong") + second)
    assert answer.count(b"HTTP/1.1") == 1
    assert behind.asked == [f"{ADDRESS}?pwd=wrong"]


async def test_a_bridge_that_is_down_is_502_in_words(settings: Settings, start_front: StartFront) -> None:
    answer = await exchange(await start_front(settings), upgrade(ADDRESS))
    assert answer.startswith(b"HTTP/1.1 502 ") and b"the media bridge does not answer" in answer


async def test_a_foreign_origin_cannot_open_a_channel(
    bridge: tuple[Bridge, Front], settings: Settings, start_front: StartFront
) -> None:
    listed = replace(settings, front=replace(settings.front, origins=("https://good.example",)))
    front = await start_front(listed)
    own = settings.front.public_url
    for origin, status in (
        ("https://evil.example", 403),
        ("null", 403),
        ("https://good.example", 502),
        (own, 502),
    ):
        answer = await exchange(front, upgrade(ADDRESS, extra=f"Origin: {origin}\r\n"))
        assert answer.startswith(b"HTTP/1.1 %d " % status), origin


async def test_a_bridge_that_does_not_read_slows_the_client_down(
    settings: Settings, start_front: StartFront
) -> None:
    stopped = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        await stopped.wait()
        while await reader.read(1 << 20):
            pass
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    front = await start_front(replace(settings, bridge=replace(settings.bridge, rest=f"127.0.0.1:{port}")))
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(upgrade(ADDRESS))
    await reader.readuntil(b"\r\n\r\n")
    chunk = b"x" * (1 << 20)
    with pytest.raises(TimeoutError):
        for _ in range(100):
            writer.write(chunk)
            await asyncio.wait_for(writer.drain(), 1)
    stopped.set()
    await asyncio.wait_for(writer.drain(), 10)
    writer.close()
    server.close()
