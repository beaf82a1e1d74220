"""The front while it runs: SIGHUP ends no stream, SIGTERM waits for those that are open."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from bosh.main import Front
from bosh.websocket_handshake import MOVABLE
from carillon.certificate import make_self_signed
from carillon.control import ask
from carillon.settings import Settings
from tests.bosh.bosh_client import NewClient, condition
from tests.bosh.conftest import StartFront
from tests.bosh.rfc7395_client import Connect
from tests.carillon.part_process import Process, part, rewrite
from tests.ports import free_port

FOREIGN = {"Origin": "https://elsewhere.example"}


def changed(settings: Settings, **front: Any) -> Settings:
    return replace(settings, front=replace(settings.front, **front))


async def upgrade_status(port: int, **headers: str) -> int:
    """The status that answers a request for a stream."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(
                f"ws://127.0.0.1:{port}/xmpp-websocket", protocols=["xmpp"], headers=headers
            ):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def test_a_certificate_in_other_files_is_taken_up(
    settings: Settings, tmp_path: Path, start_front: StartFront
) -> None:
    pairs = []
    for name in ("old", "new"):
        pem, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        make_self_signed(pem, key, ("localhost",))
        pairs.append({"certificate": str(pem), "key": str(key)})
    front = await start_front(changed(settings, **pairs[0]))
    front.reload(changed(settings, **pairs[1]))
    trust = ssl.create_default_context(cafile=pairs[1]["certificate"])
    _, writer = await asyncio.open_connection("localhost", front.port, ssl=trust)
    writer.close()


async def test_new_origins_are_for_new_connections(
    prosody: Settings, start_front: StartFront, connect: Connect
) -> None:
    front = await start_front(prosody)
    client = await connect(front)
    await client.login(prosody.xmpp.guest_domain)
    assert await upgrade_status(front.port, **FOREIGN) == 101
    front.reload(changed(prosody, origins=("https://here.example",)))
    assert await upgrade_status(front.port, **FOREIGN) == 403
    await client.ping()


async def test_a_new_limit_of_connections_ends_none(
    prosody: Settings, start_front: StartFront, connect: Connect
) -> None:
    front = await start_front(prosody)
    client = await connect(front)
    await client.login(prosody.xmpp.guest_domain)
    front.reload(changed(prosody, max_connections_per_address=1))
    assert await upgrade_status(front.port) == 429
    await client.ping()


async def test_a_new_address_is_told_at_once(prosody: Settings, start_front: StartFront) -> None:
    front = await start_front(prosody)
    front.reload(changed(prosody, public_url="http://other.example", p2p=False))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{front.port}/carillon.json") as response,
    ):
        about = await response.json()
    assert (about["websocket"], about["p2p"]) == (f"ws://other.example/xmpp-websocket?{MOVABLE}", False)


async def test_bosh_sessions_take_other_terms_from_the_next_on(
    prosody: Settings, start_front: StartFront, new_client: NewClient
) -> None:
    front = await start_front(prosody)
    old = new_client(front)
    await old.login(prosody.xmpp.guest_domain)
    front.reload(changed(prosody, bosh_inactivity_s=7.0))
    assert "inactivity='7'" in (await new_client(front).create(prosody.xmpp.guest_domain)).replace('"', "'")
    await old.ping()


async def test_who_drains_begins_no_stream_and_serves_those_there_are(
    prosody: Settings, start_front: StartFront, connect: Connect, new_client: NewClient
) -> None:
    front = await start_front(prosody)
    socket, bosh = await connect(front), new_client(front)
    await socket.login(prosody.xmpp.guest_domain)
    await bosh.login(prosody.xmpp.guest_domain)
    front.drain()
    assert front.remaining() == {"streams": 2, "bridge channels": 0}
    assert await upgrade_status(front.port) == 503
    assert condition(await new_client(front).create(prosody.xmpp.guest_domain)) == "system-shutdown"
    await socket.ping()
    await bosh.ping()


@asynccontextmanager
async def front_process(prosody: Settings, directory: Path, port: int) -> AsyncIterator[Process]:
    write(prosody, directory, port)
    async with part("front", directory / "carillon.toml") as front:
        yield front


def write(prosody: Settings, directory: Path, port: int, origins: str = "[]") -> None:
    text = (
        f"[xmpp]\nc2s_port = {prosody.xmpp.c2s_port}\n[front]\nport = {port}\norigins = {origins}\n"
        'control = "f.sock"\n[operation]\ndrain_s = 60\n'
    )
    rewrite(directory / "carillon.toml", text)


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_signals_while_a_client_is_logged_in(
    prosody: Settings, tmp_path: Path, connect: Connect
) -> None:
    """SIGHUP with other origins and another port, then SIGTERM: the client notices nothing of both."""
    port = free_port()
    async with front_process(prosody, tmp_path, port) as front:
        client = await connect(_at(port))
        await client.login(prosody.xmpp.guest_domain)

        write(prosody, tmp_path, port + 1, '["https://here.example"]')
        front.send(signal.SIGHUP)
        await front.says("reloaded changed=front.origins")
        line = await front.says("needs a restart of the front")
        assert "front.port front.public_url" in line
        assert await upgrade_status(port, **FOREIGN) == 403
        await client.ping()

        front.send(signal.SIGTERM)
        assert 'left="1 streams, 0 bridge channels"' in await front.says("drains: nothing new begins")
        assert (await ask(str(tmp_path / "f.sock"), "/about/health"))[0] == 503
        assert await upgrade_status(port) == 503
        await client.ping()
        await client.socket.close()
        assert await front.ended() == 0


def _at(port: int) -> Front:
    """What clients need to know of a front in another process."""
    front: Any = SimpleNamespace(port=port)
    return front  # type: ignore[no-any-return]
