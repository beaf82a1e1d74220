"""The transport over a real UDP socket: ICE, DTLS, SRTP through the bridge, and who must stay outside."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvloop

from bridge.conference import Conference
from bridge.endpoint import Endpoint
from bridge.media_port import MIN_SLEEP_S, MediaPort
from bridge.metrics import ENDED, REJECTED
from bridge.registry import Registry
from carillon.part import PartError
from tests.bridge.dtls_peer import DtlsClient
from tests.bridge.media_client import BlindRouter, MediaClient, SocketName, add_client, blind_registry, until


def rtp(sequence: int, ssrc: int = 0x1234) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, sequence, sequence * 960, ssrc) + b"opus"


RTCP = struct.pack("!BBHI", 0x80, 201, 1, 0x1234)


def rejected(layer: str, reason: str) -> float:
    return float(REJECTED.labels(layer, reason)._value.get())


@dataclass
class Site:
    registry: Registry
    port: MediaPort
    conference: Conference
    clients: list[MediaClient]

    @property
    def address(self) -> SocketName:
        assert self.port.port is not None
        return "127.0.0.1", self.port.port

    @property
    def router(self) -> BlindRouter:
        assert isinstance(self.conference.router, BlindRouter)
        return self.conference.router

    def add(self, name: str) -> tuple[MediaClient, Endpoint]:
        client, endpoint = add_client(self.registry, self.conference, name, self.address)
        self.clients.append(client)
        return client, endpoint

    def accept(self, client: MediaClient, endpoint: Endpoint) -> None:
        now = asyncio.get_running_loop().time()
        endpoint.transport.set_remote(client.local, (client.dtls.fingerprint,), now)

    async def join(self, name: str) -> tuple[MediaClient, Endpoint]:
        client, endpoint = self.add(name)
        await client.open()
        self.accept(client, endpoint)
        async with asyncio.timeout(5):
            await client.connect()
        await until(lambda: endpoint.transport.connected)
        return client, endpoint


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    registry = blind_registry()
    port = MediaPort(registry)
    await port.open(("127.0.0.1",), 0)
    clients: list[MediaClient] = []
    yield Site(registry, port, registry.create_conference("meeting", "", 0.0), clients)
    for client in clients:
        await client.close()
    await port.close()


async def test_rtp_and_rtcp_pass_between_two_clients_in_both_directions(site: Site) -> None:
    (a, _), (b, _) = await site.join("a"), await site.join("b")
    for sender, receiver in ((a, b), (b, a)):
        sender.send_rtp(rtp(1))
        sender.send_rtcp(RTCP)
        async with asyncio.timeout(5):
            assert await receiver.rtp.get() == rtp(1)
            assert await receiver.rtcp.get() == RTCP
    assert site.router.calls.count(("connected", "a")) == 1


async def test_a_client_hello_before_nomination_is_not_lost(site: Site) -> None:
    client, endpoint = site.add("a")
    client.early_hello = True
    await client.open()
    site.accept(client, endpoint)
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(5):
        await client.connect()
    assert asyncio.get_running_loop().time() - started < 0.8  # less than one DTLS retransmission


async def test_credentials_that_come_late_find_the_client_waiting(site: Site) -> None:
    client, endpoint = site.add("a")
    await client.open()
    await until(lambda: bool(endpoint.transport.ice.addresses()))
    site.accept(client, endpoint)
    async with asyncio.timeout(5):
        await client.connect()


async def test_a_lost_last_flight_is_repeated(site: Site) -> None:
    client, endpoint = site.add("a")
    client.dropped_flights = 1
    await client.open()
    site.accept(client, endpoint)
    async with asyncio.timeout(5):
        await client.connect()
    client.send_rtp(rtp(1))
    await until(lambda: endpoint.transport.packets_received == 1)


async def test_a_wrong_fingerprint_ends_the_endpoint_and_is_counted(site: Site) -> None:
    client, endpoint = site.add("a")
    before = rejected("dtls", "fingerprint"), ENDED.labels("fingerprint")._value.get()
    await client.open()
    now = asyncio.get_running_loop().time()
    endpoint.transport.set_remote(client.local, (DtlsClient().fingerprint,), now)
    await client.nominated.wait()
    waiting = asyncio.create_task(client.connect())
    await until(lambda: "a" not in site.conference.endpoints)
    waiting.cancel()
    assert rejected("dtls", "fingerprint") == before[0] + 1
    assert ENDED.labels("fingerprint")._value.get() == before[1] + 1
    assert not endpoint.transport.connected
    assert ("connected", "a") not in site.router.calls
    assert site.registry.endpoints == set()
    assert site.registry._validated == {} and site.registry._learned == {} and site.registry._by_ufrag == {}


async def test_a_check_with_a_wrong_password_is_not_answered(site: Site) -> None:
    client, endpoint = site.add("a")
    before = rejected("ice", "integrity")
    client.remote = type(client.remote)(client.remote.ufrag, "guessed")
    await client.open()
    site.accept(client, endpoint)
    await until(lambda: rejected("ice", "integrity") > before)
    assert endpoint.transport.ice.addresses() == set()


async def test_dtls_from_an_address_without_a_check_is_ignored_and_the_call_stays_up(site: Site) -> None:
    (a, _), (b, _) = await site.join("a"), await site.join("b")
    stranger = MediaClient("", "", site.address)
    stranger.nominated.set()
    await stranger.open()
    site.clients.append(stranger)
    before = rejected("udp", "unchecked")
    stranger.send_all(DtlsClient().advance())
    stranger.send(b"\x16\xfe\xfd" + bytes(40))
    assert a.srtp is not None
    stranger.send(a.srtp.protect_rtp(rtp(5)))
    await until(lambda: rejected("udp", "unchecked") >= before + 3)
    a.send_rtp(rtp(6))
    async with asyncio.timeout(5):
        assert await b.rtp.get() == rtp(6)
    assert b.rtp.empty()


async def test_media_of_another_endpoint_is_dropped_even_from_a_checked_address(site: Site) -> None:
    (a, _), (b, _), (c, _) = await site.join("a"), await site.join("b"), await site.join("c")
    before = rejected("srtp", "authentication")
    assert a.srtp is not None
    b.send(a.srtp.protect_rtp(rtp(5)))
    await until(lambda: rejected("srtp", "authentication") == before + 1)
    assert c.rtp.empty()


@pytest.mark.parametrize(
    "data", [b"\x80", b"\x80\x6f" + bytes(9), b"\x80\xc9" + bytes(9), b"\x50" + bytes(30), b"\x01", b"\x17"]
)
async def test_stubs_and_rubbish_from_a_client_change_nothing(site: Site, data: bytes) -> None:
    (a, _), (b, _) = await site.join("a"), await site.join("b")
    internal = rejected("udp", "internal")
    a.send(data)
    a.send_rtp(rtp(1))
    async with asyncio.timeout(5):
        assert await b.rtp.get() == rtp(1)
    assert rejected("udp", "internal") == internal


async def test_a_packet_to_an_ended_conference_is_dropped(site: Site) -> None:
    (a, _), _ = await site.join("a"), await site.join("b")
    now = asyncio.get_running_loop().time()
    site.registry.expire_conference(site.conference, "expired", now)
    before = rejected("udp", "unchecked")
    a.send_rtp(rtp(1))
    await until(lambda: rejected("udp", "unchecked") == before + 1)


async def test_the_clients_good_bye_ends_the_endpoint_at_once(site: Site) -> None:
    client, _ = await site.join("a")
    client.dtls.connection.shutdown()
    client.send_all(client.dtls.datagrams())
    await until(lambda: site.conference.endpoints == {})
    assert ("remove_endpoint", "a") in site.router.calls


async def test_a_second_endpoint_behind_the_same_address_takes_it_over(site: Site) -> None:
    a, first = await site.join("a")
    _, second = site.add("b")
    site.clients.pop()  # it is the first client's socket that comes back with new credentials
    site.conference.receive_rtp = lambda endpoint_id, packet, now: None
    local = second.transport.ice.local
    a.remote, a.local = type(a.remote)(local.ufrag, local.pwd), MediaClient("", "", site.address).local
    a.nominated.clear()
    a.dtls, a.srtp, a._greeted = DtlsClient(), None, False
    a.secure.clear()
    a._tasks.append(asyncio.create_task(a._check()))
    site.accept(a, second)
    async with asyncio.timeout(5):
        await a.connect()
    await until(lambda: second.transport.connected)
    a.send_rtp(rtp(1))
    await until(lambda: second.transport.packets_received == 1)
    assert first.transport.packets_received == 0


async def test_an_error_in_the_router_does_not_stop_the_port(site: Site) -> None:
    (a, _), (b, _) = await site.join("a"), await site.join("b")
    works = site.conference.router.receive_rtp

    def fail(endpoint_id: str, packet: bytes, now: float) -> None:
        raise RuntimeError("a bug")

    before = rejected("udp", "internal")
    site.conference.receive_rtp = fail
    a.send_rtp(rtp(1))
    await until(lambda: rejected("udp", "internal") == before + 1)
    site.conference.receive_rtp = works
    a.send_rtp(rtp(2))
    async with asyncio.timeout(5):
        assert await b.rtp.get() == rtp(2)


async def test_a_tick_comes_earlier_when_the_registry_asks_for_it(site: Site) -> None:
    loop = asyncio.get_running_loop()
    ticks: list[float] = []

    def tick(now: float) -> float:
        ticks.append(now)
        return now + 3600

    site.registry.tick = tick  # type: ignore[method-assign]
    await until(lambda: len(ticks) == 1)
    site.registry.wake(loop.time() + 1800)
    site.registry.wake(loop.time())
    site.registry.wake(loop.time() + 1800)
    await until(lambda: len(ticks) == 2)


def test_what_is_due_already_may_be_asked_for_twice_on_the_loop_of_the_bridge() -> None:
    """uvloop gives back a handle that knows no time where nothing is left to wait."""
    ticks: list[float] = []

    def tick(now: float) -> float:
        ticks.append(now)
        return now + 3600

    async def ask() -> None:
        registry = blind_registry()
        registry.tick = tick  # type: ignore[method-assign]
        port, loop = MediaPort(registry), asyncio.get_running_loop()
        await port.open(("127.0.0.1",), 0)
        await until(lambda: loop.time() > ticks[0] + 2 * MIN_SLEEP_S)
        registry.wake(0.0)
        registry.wake(-1.0)
        await until(lambda: len(ticks) == 2)
        await port.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask())


async def test_a_port_in_use_is_named(site: Site) -> None:
    with pytest.raises(PartError, match=str(site.address[1])):
        await MediaPort(blind_registry()).open(("127.0.0.1",), site.address[1])


async def test_ipv6_works_beside_ipv4() -> None:
    registry = blind_registry()
    port = MediaPort(registry)
    await port.open(("127.0.0.1", "::1"), 0)
    assert port.port is not None
    client, endpoint = add_client(
        registry, registry.create_conference("meeting", "", 0.0), "a", ("::1", port.port)
    )
    loop = asyncio.get_running_loop()
    client.transport, _ = await loop.create_datagram_endpoint(lambda: client, local_addr=("::1", 0))
    client._tasks.append(asyncio.create_task(client._check()))
    endpoint.transport.set_remote(client.local, (client.dtls.fingerprint,), loop.time())
    async with asyncio.timeout(5):
        await client.connect()
    await client.close()
    await port.close()
