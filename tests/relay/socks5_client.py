"""Clients of the bytestream proxy over real sockets, and a relay that has one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from relay.main import Relay
from relay.socks5.streams import Stage
from tests.ports import free_port
from tests.relay.turn_client import running_relay

WAIT_S = 5.0
GREETING = b"\5\1\0"


def connect_request(digest: str) -> bytes:
    return b"\5\1\0\3\x28" + digest.encode() + b"\0\0"


class Socks5Client:
    """One connection to the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int, ip: str = "127.0.0.1") -> Socks5Client:
        return cls(*await asyncio.open_connection(ip, port))

    @classmethod
    async def join(cls, port: int, digest: str, ip: str = "127.0.0.1") -> Socks5Client:
        """Connect and ask for a stream; the proxy agrees."""
        client = await cls.connect(port, ip)
        assert await client.ask(digest) == 0
        return client

    async def ask(self, digest: str) -> int:
        """Shake hands; the reply code."""
        self.send(GREETING)
        assert await self.read(2) == b"\5\0"
        self.send(connect_request(digest))
        reply = await self.read(47)
        assert reply[3:] == connect_request(digest)[3:]
        return reply[1]

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def send_end(self) -> None:
        self._writer.write_eof()

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything until the end; a reset is one, too."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self._reader.read(-1)
            except ConnectionResetError:
                return b""

    async def nothing_comes(self) -> bool:
        """Whether the connection is open and silent."""
        try:
            async with asyncio.timeout(0.1):
                return await self._reader.read(1) == b"?"
        except TimeoutError:
            return True

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
        self._writer.transport.abort()


class ProxyUnderTest:
    """A relay with a bytestream proxy on `port`, and its control API."""

    def __init__(self, relay: Relay, port: int, http: TestClient[web.Request, web.Application]) -> None:
        self.relay, self.port, self._http = relay, port, http

    async def activate(self, digest: str, initiator: str = "ann@x", target: str = "bob@x") -> str:
        """The condition that refuses it, "" when it is active."""
        return await self.put(digest, {"initiator": initiator, "target": target})

    async def put(self, digest: str, body: Any) -> str:
        """Send any body; the condition."""
        response = await self._http.put(f"/socks5/streams/{digest}", json=body)
        if response.status == 204:
            return ""
        condition: str = (await response.json())["condition"]
        return condition

    async def waiting(self) -> int:
        """How many streams wait for the other end."""
        await asyncio.sleep(0)
        streams = self.relay._proxy.streams.by_digest.values() if self.relay._proxy else ()
        return sum(stream.stage is Stage.WAITING for stream in streams)

    async def streams(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await (await self._http.get("/socks5/streams")).json()
        return found

    async def pair(self, digest: str, **who: str) -> tuple[Socks5Client, Socks5Client]:
        """Two clients of an active stream."""
        first = await Socks5Client.join(self.port, digest)
        second = await Socks5Client.join(self.port, digest)
        assert await self.activate(digest, **who) == ""
        return first, second


@asynccontextmanager
async def running_proxy(directory: Path, **overrides: Any) -> AsyncIterator[ProxyUnderTest]:
    """A relay whose bytestream proxy is on a free port; overrides are `setting=TOML value` of [socks5]."""
    port = free_port()
    settings = {"enabled": "true", "port": port} | overrides
    async with running_relay(directory, **{f"socks5__{name}": one for name, one in settings.items()}) as (
        relay,
        _,
    ):
        app = web.Application()
        app.add_routes(relay.routes())
        async with TestClient(TestServer(app)) as http:
            yield ProxyUnderTest(relay, port, http)
