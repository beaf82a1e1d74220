"""The front behind a real nginx and a real HAProxy, configured by the printed snippets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from bosh.main import Front
from carillon import toml
from carillon.settings import Settings, load
from tests.bosh.bosh_client import BoshClient, body
from tests.bosh.rfc7395_client import XmppClient
from tests.ports import free_port
from tests.web_proxy import PROXIES, running

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

CLIENTS = ("127.0.0.5", "127.0.0.6")
"""Addresses of this machine that are not the proxy's."""


@dataclass
class Behind:
    """What is behind a proxy, and how to get there."""

    settings: Settings
    tls: ssl.SSLContext

    @property
    def url(self) -> str:
        return self.settings.front.public_url

    def session(self, address: str = CLIENTS[0]) -> aiohttp.ClientSession:
        """For requests from one of the CLIENTS."""
        connector = aiohttp.TCPConnector(ssl=self.tls, limit=0, local_addr=(address, 0))
        return aiohttp.ClientSession(connector=connector)


@pytest.fixture(params=PROXIES)
async def behind(request: pytest.FixtureRequest, prosody: Settings, tmp_path: Path) -> AsyncIterator[Behind]:
    """A front that trusts the proxy before it, and lets an address have three connections."""
    path = tmp_path / "carillon.toml"
    front = {
        "port": free_port(),
        "public_url": f"https://localhost:{free_port()}",
        "trusted_proxies": ["127.0.0.1"],
        "max_connections_per_address": 3,
    }
    xmpp = {"c2s_port": prosody.xmpp.c2s_port}
    path.write_text(toml.dumps({"xmpp": xmpp, "front": front}))
    configured = load(path)
    started = Front(configured)
    await started.start()
    with running(request.param, tmp_path, configured) as certificate:
        yield Behind(configured, ssl.create_default_context(cafile=certificate))
    await started.stop()


async def test_pages_and_xmpp_pass_through(behind: Behind) -> None:
    async with behind.session() as session:
        async with session.get(f"{behind.url}/carillon.json") as response:
            assert (await response.json())["domain"] == behind.settings.xmpp.domain
        async with session.ws_connect(f"{behind.url}/xmpp-websocket", protocols=["xmpp"]) as socket:
            client = XmppClient(socket)
            await client.login(behind.settings.xmpp.guest_domain)
            await client.ping()


async def test_bosh_passes_through_and_nothing_is_smuggled(behind: Behind) -> None:
    async with behind.session() as session:
        client = BoshClient(session, f"{behind.url}/http-bind")
        await client.login(behind.settings.xmpp.guest_domain)
        hidden = f"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n{body(rid=1, sid='x')}"
        port = int(behind.url.rpartition(":")[2])
        for headers in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: xchunked"):
            reader, writer = await asyncio.open_connection("localhost", port, ssl=behind.tls)
            head = f"POST /http-bind HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n0\r\n\r\n"
            writer.write((head + hidden).encode())
            writer.write(b"GET /http-bind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 10)
            assert b"there is nothing here" not in answer and b"item-not-found" not in answer
            writer.close()
        await client.ping()


async def test_limits_and_log_mean_the_client_whatever_it_says_of_itself(behind: Behind) -> None:
    address = f"{behind.url}/xmpp-websocket"
    with capture_logs() as lines:
        async with behind.session(CLIENTS[0]) as one, behind.session(CLIENTS[1]) as other:
            kept = [
                await one.ws_connect(
                    address, protocols=["xmpp"], headers={"X-Forwarded-For": f"198.51.100.{number}"}
                )
                for number in range(3)
            ]
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await one.ws_connect(address, protocols=["xmpp"], headers={"X-Forwarded-For": "198.51.100.9"})
            kept.append(await other.ws_connect(address, protocols=["xmpp"]))
    refused = [line["source"] for line in lines if line["event"] == "connection refused"]
    assert refused == [CLIENTS[0]] and len(kept) == 4


async def test_sessions_of_bosh_are_counted_by_client(behind: Behind) -> None:
    async def begin(session: aiohttp.ClientSession) -> int:
        asked = body(rid=1, to=behind.settings.xmpp.guest_domain, wait=5, hold=1, ver="1.6")
        async with session.post(f"{behind.url}/http-bind", data=asked) as response:
            return response.status

    async with behind.session(CLIENTS[0]) as one, behind.session(CLIENTS[1]) as other:
        assert [await begin(one) for _ in range(4)] == [200, 200, 200, 429]
        assert await begin(other) == 200
