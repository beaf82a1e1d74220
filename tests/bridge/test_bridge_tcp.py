"""ICE over TCP: the same client as over UDP, in a stream; and what a connection may not do."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from bridge import tcp
from bridge.conference import Conference
from bridge.endpoint import Endpoint
from bridge.media_port import MediaPort
from bridge.metrics import REJECTED, TCP_CONNECTIONS
from bridge.registry import Registry
from bridge.tcp_framing import Framing, frame
from tests.bridge.ice_peer import binding
from tests.bridge.media_client import MediaClient, SocketName, add_client, blind_registry, until


def rtp(sequence: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, sequence, sequence * 960, 0x1234) + b"opus"


def rejected(reason: str) -> float:
    return float(REJECTED.labels("tcp", reason)._value.get())


class TcpClient(asyncio.Protocol):
    """Carries a MediaClient's datagrams over a connection of its own."""

    def __init__(self, client: MediaClient) -> None:
        self.client = client
        self.framing = Framing(65535)
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.stream: asyncio.Transport = transport
        self.client.transport = self  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        for datagram in self.framing.feed(data):
            self.client.datagram_received(datagram, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def sendto(self, data: bytes, address: SocketName) -> None:
        self.stream.write(frame(data))

    def close(self) -> None:
        self.stream.abort()


class Site:
    def __init__(self, registry: Registry, port: int, conference: Conference) -> None:
        self.registry = registry
        self.address = ("127.0.0.1", port)
        self.conference = conference
        self.clients: list[MediaClient] = []

    async def connect(self, client: MediaClient) -> TcpClient:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: TcpClient(client), *self.address)
        client._tasks.append(asyncio.create_task(client._check()))
        return connection

    async def join(self, name: str) -> tuple[MediaClient, Endpoint, TcpClient]:
        client, endpoint = add_client(self.registry, self.conference, name, self.address)
        connection = await self.connect(client)
        self.clients.append(client)
        now = asyncio.get_running_loop().time()
        endpoint.transport.set_remote(client.local, (client.dtls.fingerprint,), now)
        async with asyncio.timeout(5):
            await client.connect()
        await until(lambda: endpoint.transport.connected)
        return client, endpoint, connection


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    registry = blind_registry()
    port = MediaPort(registry)
    await port.open(("127.0.0.1",), 0)
    assert port.port is not None
    made = Site(registry, port.port, registry.create_conference("meeting", "", 0.0))
    yield made
    for client in made.clients:
        await client.close()
    await port.close()
    await until(lambda: TCP_CONNECTIONS._value.get() == 0)


async def test_media_pass_between_a_client_over_tcp_and_one_over_udp(site: Site) -> None:
    a, endpoint, _ = await site.join("a")
    b, other = add_client(site.registry, site.conference, "b", site.address)
    site.clients.append(b)
    await b.open()
    other.transport.set_remote(b.local, (b.dtls.fingerprint,), asyncio.get_running_loop().time())
    async with asyncio.timeout(5):
        await b.connect()
    await until(lambda: other.transport.connected)
    for sender, receiver in ((a, b), (b, a)):
        sender.send_rtp(rtp(1))
        async with asyncio.timeout(5):
            assert await receiver.rtp.get() == rtp(1)
    remote = endpoint.transport.remote
    assert remote is not None and remote.base.protocol == "tcp"


async def test_a_client_that_connects_again_goes_on(site: Site) -> None:
    client, endpoint, connection = await site.join("a")
    before = endpoint.transport.remote
    connection.close()
    await connection.lost.wait()
    await until(lambda: endpoint.transport.remote is None)
    client.nominated.clear()
    await site.connect(client)
    async with asyncio.timeout(5):
        await client.nominated.wait()
    await until(lambda: endpoint.transport.remote not in {before, None})
    client.send_rtp(rtp(1))
    await until(lambda: endpoint.transport.packets_received == 1)


async def test_the_connections_of_an_endpoint_that_ends_are_closed(site: Site) -> None:
    _, _, connection = await site.join("a")
    site.conference.remove("a", "expired", asyncio.get_running_loop().time())
    async with asyncio.timeout(5):
        await connection.lost.wait()


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "timeout"), (frame(b"\x80" + bytes(40)), "timeout"), (b"GET / HTTP/1.1\r\n", "framing")],
)
async def test_who_shows_no_good_check_is_closed(
    site: Site, data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "PROOF_TIMEOUT_S", 0.05)
    before = rejected(reason)
    reader, writer = await asyncio.open_connection(*site.address)
    writer.write(data)
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionResetError):
            assert await reader.read() == b""
            raise ConnectionResetError
    writer.close()
    assert rejected(reason) == before + 1


async def test_a_good_check_is_proof(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "PROOF_TIMEOUT_S", 0.05)
    _, _, connection = await site.join("a")
    await asyncio.sleep(0.1)
    assert not connection.lost.is_set()


async def test_connections_without_proof_are_limited_by_address(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_UNPROVEN", 2)
    before = rejected("limit")
    opened = [await asyncio.open_connection(*site.address) for _ in range(3)]
    await until(lambda: rejected("limit") == before + 1)
    for _, writer in opened:
        writer.close()


async def test_media_are_dropped_when_the_client_does_not_read(site: Site) -> None:
    _, endpoint, connection = await site.join("a")
    connection.stream.pause_reading()
    before = rejected("not_sent")
    packet = rtp(1) + bytes(1100)
    for number in range(20_000):
        endpoint.transport.send_rtp(packet[:2] + number.to_bytes(2, "big") + packet[4:])
        if rejected("not_sent") > before:
            break
    assert rejected("not_sent") > before
    assert endpoint.transport.connected


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_check_in_a_stream_is_answered_in_it(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """On the loop that the bridge runs on too: its transports are not quite those of asyncio."""

    async def ask() -> None:
        registry = blind_registry()
        port = MediaPort(registry)
        await port.open(("127.0.0.1",), 0)
        conference = registry.create_conference("meeting", "", 0.0)
        assert port.port is not None
        client, endpoint = add_client(registry, conference, "a", ("127.0.0.1", port.port))
        reader, writer = await asyncio.open_connection("127.0.0.1", port.port)
        writer.write(frame(binding(client.local, client.remote)))
        async with asyncio.timeout(5):
            length = int.from_bytes(await reader.readexactly(2), "big")
            assert (await reader.readexactly(length))[:2] == b"\x01\x01"
        (address,) = endpoint.transport.ice.addresses()
        assert address.base.protocol == "tcp"
        writer.close()
        await until(lambda: not endpoint.transport.ice.addresses())
        await port.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(ask())
