"""The front behind a proxy: whom the limits and the log mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bosh.main import Front
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.bosh.raw_client import upgrade

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Ask = Callable[[Front, bytes], Awaitable[tuple[str, Stream]]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Sends bytes to a front on a connection of its own, which stays; the status line, and the connection."""
    opened: list[asyncio.StreamWriter] = []

    async def ask(front: Front, data: bytes) -> tuple[str, Stream]:
        stream = await asyncio.open_connection("127.0.0.1", front.port)
        opened.append(stream[1])
        return await more(stream, data), stream

    yield ask
    for writer in opened:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def more(stream: Stream, data: bytes) -> str:
    """Send bytes on an open connection; the status line of the answer."""
    reader, writer = stream
    writer.write(data)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    return head.split(b"\r\n")[0].decode()


def websocket(*forwarded: str) -> bytes:
    lines = "".join(f"X-Forwarded-For: {value}\r\n" for value in forwarded)
    return upgrade("/xmpp-websocket", extra=f"Sec-WebSocket-Protocol: xmpp\r\n{lines}")


def read(forwarded: str) -> bytes:
    return f"GET /carillon.json HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {forwarded}\r\n\r\n".encode()


@pytest.fixture
async def behind_a_proxy(settings: Settings, start_front: StartFront) -> Front:
    """A front that trusts this machine's proxy, and lets each address have one connection."""
    front = replace(settings.front, trusted_proxies=("127.0.0.1",), max_connections_per_address=1)
    return await start_front(replace(settings, front=front))


async def test_behind_a_trusted_proxy_each_client_has_limits_of_its_own(
    behind_a_proxy: Front, ask: Ask
) -> None:
    statuses = [
        (await ask(behind_a_proxy, websocket(*forwarded)))[0]
        for forwarded in (
            ["198.51.100.1"],
            ["198.51.100.2"],
            ["198.51.100.1"],  # again
            ["203.0.113.9, 198.51.100.1"],  # who says to be somebody else
            ["203.0.113.9", "198.51.100.1"],
            ["2001:db8::1"],
            ["2001:db8::2"],  # the same /64
        )
    ]
    switched, refused = "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 429 Too Many Requests"
    assert statuses == [switched, switched, refused, refused, refused, switched, refused]


async def test_the_log_means_the_client_behind_a_trusted_proxy(behind_a_proxy: Front, ask: Ask) -> None:
    with capture_logs() as lines:
        for _ in range(2):
            await ask(behind_a_proxy, websocket("203.0.113.9, 198.51.100.1:50123"))
    refused = [line["source"] for line in lines if line["event"] == "connection refused"]
    assert refused == ["198.51.100.1"]


async def test_from_anybody_else_the_header_changes_nothing(
    settings: Settings, start_front: StartFront, ask: Ask
) -> None:
    elsewhere = replace(settings.front, trusted_proxies=("192.0.2.0/24",), max_connections_per_address=1)
    front = await start_front(replace(settings, front=elsewhere))
    with capture_logs() as lines:
        for number in range(2):
            await ask(front, websocket(f"198.51.100.{number}"))
    assert [line["source"] for line in lines if line["event"] == "connection refused"] == ["127.0.0.1"]


async def test_a_connection_that_a_proxy_uses_for_several_clients_counts_for_none_in_between(
    behind_a_proxy: Front, ask: Ask
) -> None:
    status, kept = await ask(behind_a_proxy, read("198.51.100.1"))
    assert status == "HTTP/1.1 200 OK"
    status, other = await ask(behind_a_proxy, read("198.51.100.1"))
    assert status == "HTTP/1.1 200 OK"
    await kept[0].read(1024)
    assert await more(kept, websocket("198.51.100.2")) == "HTTP/1.1 101 Switching Protocols"
    await other[0].read(1024)
    assert await more(other, websocket("198.51.100.2")) == "HTTP/1.1 429 Too Many Requests"


async def test_reloading_changes_who_is_trusted(behind_a_proxy: Front, ask: Ask, settings: Settings) -> None:
    limited = replace(settings.front, max_connections_per_address=1)
    behind_a_proxy.reload(replace(settings, front=limited))
    statuses = [(await ask(behind_a_proxy, websocket(f"198.51.100.{number}")))[0] for number in range(2)]
    assert [status.split()[1] for status in statuses] == ["101", "429"]
