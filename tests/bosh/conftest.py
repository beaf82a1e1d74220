"""A real private Prosody and a front before it."""

from __future__ import annotations

import asyncio
import secrets
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace

import aiohttp
import pytest
import uvloop

from bosh.main import Front
from carillon.prosody import Prosody
from carillon.settings import Settings, parse
from tests.bosh.bosh_client import BoshClient, NewClient
from tests.bosh.rfc7395_client import Connect, XmppClient
from tests.leash import LEASH
from tests.ports import free_port


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the product; what needs asyncio's own says so."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory = tmp_path_factory.mktemp("front")
    (directory / "secrets").mkdir()
    for name in ("component", "turn"):
        path = directory / "secrets" / name
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
    text = (
        f"[xmpp]\nc2s_port = {free_port()}\ncomponent_port = {free_port()}\n"
        f'[bridge]\nrest = "127.0.0.1:{free_port()}"\n[front]\nport = {free_port()}\n'
    )
    return parse(text, directory / "carillon.toml")


@pytest.fixture(scope="session")
def prosody(settings: Settings) -> Iterator[Settings]:
    """The settings of a running Prosody with the account `ann` (password `secret`)."""
    directory = settings.path.parent / "xmpp"
    directory.mkdir()
    server = Prosody(directory, settings)
    server.configure()
    server.put_account("ann", "secret")
    with (directory / "out").open("wb") as output:
        process = subprocess.Popen((*LEASH, *server.program().argv), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", settings.xmpp.c2s_port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, (directory / "out").read_text()
            time.sleep(0.05)
        yield settings
    finally:
        process.terminate()
        process.wait(10)


StartFront = Callable[[Settings], Awaitable[Front]]


@pytest.fixture
async def start_front() -> AsyncIterator[StartFront]:
    """Starts fronts, each on a free port, and stops them."""
    started: list[Front] = []

    async def start(settings: Settings) -> Front:
        front = Front(replace(settings, front=replace(settings.front, port=0)))
        await front.start()
        started.append(front)
        return front

    yield start
    for front in started:
        await front.stop()


@pytest.fixture
async def front(prosody: Settings, start_front: StartFront) -> Front:
    """A front before the real Prosody."""
    return await start_front(prosody)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens WebSockets to a front."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:

        async def connect(front: Front, query: str = "") -> XmppClient:
            url = f"ws://127.0.0.1:{front.port}/xmpp-websocket{query}"
            socket = await session.ws_connect(url, protocols=["xmpp"])
            assert socket.protocol == "xmpp"
            return XmppClient(socket)

        yield connect


@pytest.fixture
async def new_client() -> AsyncIterator[NewClient]:
    """Makes clients of BOSH."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield lambda front: BoshClient(session, f"http://127.0.0.1:{front.port}/http-bind")
