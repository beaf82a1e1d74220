"""The front as a part: start, stop, TLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from bosh.main import Front, make
from carillon.certificate import make_self_signed
from carillon.part import PartError
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.bosh.raw_client import RawWebSocket, exchange
from tests.bosh.rfc7395_client import XmppClient


@pytest.fixture
def certified(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a self-signed certificate."""
    pem, key_pem = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make_self_signed(pem, key_pem, ("localhost",))
    return replace(settings, front=replace(settings.front, certificate=str(pem), key=str(key_pem)))


async def test_a_port_in_use_is_reported_by_number(settings: Settings, start_front: StartFront) -> None:
    front = await start_front(settings)
    second = make(replace(settings, front=replace(settings.front, port=front.port)))
    with pytest.raises(PartError, match=f"port {front.port} is in use"):
        await second.start()
    assert front.trouble() is None and second.trouble() is not None
    await second.stop()


@pytest.mark.parametrize("address", ["192.0.2.1", "nowhere.invalid"])
async def test_an_address_that_is_not_ours_is_reported(settings: Settings, address: str) -> None:
    with pytest.raises(PartError, match=address):
        await Front(replace(settings, front=replace(settings.front, address=address))).start()


async def test_a_certificate_that_cannot_be_used_is_reported(certified: Settings) -> None:
    wrong = replace(certified.front, certificate=certified.front.key)
    with pytest.raises(PartError, match="certificate"):
        await Front(replace(certified, front=wrong)).start()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
async def test_https_needs_tls_1_2(certified: Settings, start_front: StartFront) -> None:
    front = await start_front(certified)
    for version, works in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = ssl.create_default_context(cafile=certified.front.certificate)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        opening = asyncio.open_connection("localhost", front.port, ssl=context)
        if not works:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await opening
            continue
        reader, writer = await opening
        writer.write(b"GET /carillon.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_xmpp_passes_through_tls(
    prosody: Settings, certified: Settings, start_front: StartFront
) -> None:
    front = await start_front(replace(certified, xmpp=prosody.xmpp))
    context = ssl.create_default_context(cafile=certified.front.certificate)
    async with aiohttp.ClientSession() as session:
        url = f"wss://localhost:{front.port}/xmpp-websocket"
        async with session.ws_connect(url, protocols=["xmpp"], ssl=context) as socket:
            client = XmppClient(socket)
            await client.login(prosody.xmpp.guest_domain)
            await client.ping()
            await client.send("<")
            await client.receive("not-well-formed")
            await client.receive("^<close ")


def halve(file: Path) -> None:
    """As if somebody were still writing it."""
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])


async def handshake(port: int, trust: ssl.SSLContext) -> None:
    _, writer = await asyncio.open_connection("localhost", port, ssl=trust)
    writer.close()


async def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_live(
    prosody: Settings, certified: Settings, start_front: StartFront
) -> None:
    served = replace(certified, xmpp=prosody.xmpp)
    front = await start_front(served)
    pem, key = Path(certified.front.certificate), Path(certified.front.key)
    before = ssl.create_default_context(cafile=pem)
    url = f"wss://localhost:{front.port}/xmpp-websocket"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["xmpp"], ssl=before) as socket,
    ):
        client = XmppClient(socket)
        await client.login(prosody.xmpp.guest_domain)
        halve(pem)
        with capture_logs() as lines:
            front.reload(served)
        assert "the old one stays" in lines[0]["event"] and str(pem) in lines[0]["reason"]
        await handshake(front.port, before)
        make_self_signed(pem, key, ("localhost",))
        front.reload(served)
        await handshake(front.port, ssl.create_default_context(cafile=pem))
        with pytest.raises(ssl.SSLCertVerificationError):
            await handshake(front.port, before)
        await client.ping()


async def test_stopping_says_goodbye(settings: Settings, start_front: StartFront) -> None:
    front = await start_front(settings)
    client = await RawWebSocket.connect(front)
    _, idle = await asyncio.open_connection("127.0.0.1", front.port)
    port = front.port
    stopping = asyncio.create_task(front.stop())
    assert await client.until_close() == ([], 1001)
    await asyncio.wait_for(stopping, 5)
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    await front.stop()
    idle.close()


async def test_the_front_listens_when_nothing_behind_it_does(
    settings: Settings, start_front: StartFront
) -> None:
    front = await start_front(settings)
    assert front.trouble() is None
    assert (await exchange(front, b"GET /x/y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).startswith(
        b"HTTP/1.1 404 "
    )
