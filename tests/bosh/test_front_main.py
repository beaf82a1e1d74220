"""The front as a part: start, stop, TLS."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bosh.main import Front, make
from carillon.part import PartError
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.bosh.raw_client import RawWebSocket, exchange
from tests.bosh.rfc7395_client import XmppClient


@pytest.fixture
def certified(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = tmp_path / "certificate.pem", tmp_path / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
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
