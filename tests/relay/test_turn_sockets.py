"""The relay end to end: real sockets, a small client, both event loops."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from unittest.mock import patch

import pytest

from carillon.stun import MessageClass, Method, build
from relay import main
from relay.turn.five_tuple import FiveTuple
from relay.turn.tcp import MAX_WRITE_BUFFER_BYTES, Connection
from tests.ports import free_port
from tests.relay.turn_client import Peer, Refused, TurnClient, credential, running_relay, settings

LOOPBACK = {"turn__allow_peers": '["127.0.0.0/8"]'}
BINDING = build(Method.BINDING, MessageClass.REQUEST, bytes(12), [])


async def connected(port: int, transport: str = "udp", name: str = "romeo@localhost") -> TurnClient:
    client = TurnClient(transport, credential(name))
    await client.connect(port)
    return client


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_client_relays_by_indications_and_channels(tmp_path: Path, transport: str) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (_, port):
        peer = await Peer.open()
        client = await connected(port, transport)
        relayed = await client.allocate()
        assert relayed[0] == "127.0.0.1"
        await client.permit(peer.address)
        client.send(peer.address, b"by indication")
        assert await peer.receive() == (b"by indication", relayed)
        peer.send(b"back", relayed)
        assert await client.receive() == (peer.address, b"back")
        await client.bind(0x4000, peer.address)
        for size in (1, 2, 3, 4, 1200):
            client.send_channel(0x4000, bytes(size))
            assert await peer.receive() == (bytes(size), relayed)
            peer.send(b"x" * size, relayed)
            assert await client.receive() == (0x4000, b"x" * size)
        assert await client.refresh(0) == 0
        peer.close()
        client.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_released_port_is_closed_at_once_and_again(tmp_path: Path, transport: str) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (_, port):
        client = await connected(port, transport)
        for _ in range(50):
            relayed = await client.allocate()
            assert not is_free(relayed[1])
            await client.refresh(0)
            assert is_free(relayed[1])
        client.close()


async def test_a_closed_connection_ends_its_allocation(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (_, port):
        client = await connected(port, "tcp")
        _, relay_port = await client.allocate()
        client.close()
        witness = await connected(port)
        while not is_free(relay_port):
            await witness.exchange(BINDING)
        witness.close()


async def test_two_clients_relay_to_each_other(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (_, port):
        one, two = await connected(port, "udp"), await connected(port, "tcp", "juliet@localhost")
        first, second = await one.allocate(), await two.allocate()
        await one.bind(0x4000, second)
        await two.bind(0x4001, first)
        one.send_channel(0x4000, b"hello")
        assert await two.receive() == (0x4001, b"hello")
        two.send_channel(0x4001, b"hello yourself")
        assert await one.receive() == (0x4000, b"hello yourself")
        one.close()
        two.close()


async def test_the_bridge_is_reached_and_only_the_bridge(tmp_path: Path) -> None:
    bridge, other = await Peer.open(), await Peer.open()
    async with running_relay(tmp_path, bridge__port=bridge.address[1]) as (_, port):
        client = await connected(port, "tcp")
        relayed = await client.allocate()
        await client.permit(bridge.address)
        client.send(other.address, b"denied")
        client.send(bridge.address, b"to the bridge")
        assert await bridge.receive() == (b"to the bridge", relayed)
        other.send(b"denied", relayed)
        bridge.send(b"from the bridge", relayed)
        assert await client.receive() == (bridge.address, b"from the bridge")
        assert other.data.empty()
        with pytest.raises(Refused) as refused:
            await client.bind(0x4000, other.address)
        assert refused.value.code == 403
        await client.bind(0x4000, bridge.address)
        client.close()
    bridge.close()
    other.close()


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\0\1\0\0" + bytes(16), b"\x50"]
)
async def test_garbage_closes_a_connection(tmp_path: Path, data: bytes) -> None:
    async with running_relay(tmp_path) as (_, port):
        bad, good = await connected(port, "tcp"), await connected(port, "tcp")
        bad.send_raw(data)
        await asyncio.wait_for(bad.closed.wait(), 5)
        await good.allocate()
        good.close()


async def test_messages_are_framed_however_segments_are_cut(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (_, port):
        peer = await Peer.open()
        client = await connected(port, "tcp")
        await client.allocate()
        await client.bind(0x4000, peer.address)
        data = b"\x40\0\0\5hello\0\0\0"
        for byte in data:
            client.send_raw(bytes([byte]))
        client.send_raw(data * 3)
        assert [(await peer.receive())[0] for _ in range(4)] == [b"hello"] * 4
        client.close()
        peer.close()


async def test_connections_without_allocation_are_closed_in_time(tmp_path: Path) -> None:
    async with running_relay(tmp_path, limits__handshake_timeout_s=0.3, **LOOPBACK) as (relay, port):
        idle = await asyncio.gather(*(connected(port, "tcp") for _ in range(400)))
        half = await connected(port, "tcp")
        half.send_raw(BINDING[:10])
        user = await connected(port, "tcp")
        await user.allocate()
        for client in (*idle, half):
            await asyncio.wait_for(client.closed.wait(), 10)
        await user.refresh(600)
        assert not user.closed.is_set()
        await user.refresh(0)
        await asyncio.wait_for(user.closed.wait(), 5)
        assert relay.trouble() is None


async def test_a_client_that_does_not_read_loses_media_and_costs_little(tmp_path: Path) -> None:
    async with running_relay(tmp_path, turn__unauthenticated_per_second=100_000, **LOOPBACK) as (relay, port):
        peer = await Peer.open()
        client = await connected(port, "tcp")
        relayed = await client.allocate()
        await client.bind(0x4000, peer.address)
        client.pause()
        sockets = relay._sockets
        assert sockets is not None
        (connection,) = sockets._connections.values()
        assert connection._stream is not None
        witness = await connected(port)
        while not sockets.server.counters.dropped["client too slow"]:
            for _ in range(50):
                peer.send(bytes(1200), relayed)
            await witness.exchange(BINDING)
        assert len(connection._stream.unsent) <= MAX_WRITE_BUFFER_BYTES + 2 * 1204
        client.resume()
        assert await client.receive() == (0x4000, bytes(1200))
        witness.close()
        client.close()
        peer.close()


async def test_mutated_datagrams_leave_the_relay_standing(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (_, port):
        client, attacker = await connected(port), await connected(port)
        await client.allocate()
        request = client.signed(Method.CREATE_PERMISSION, [(0x0012, bytes(8))])
        for number in range(2000):
            mutated = bytearray(request)
            mutated[number % len(request)] ^= 1 + number % 255
            attacker.send_raw(bytes(mutated[: len(request) - number % 3]))
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert await client.refresh(600) == 600
        client.close()
        attacker.close()


async def test_it_starts_again_on_the_same_ports(tmp_path: Path) -> None:
    port = free_port()
    relay = main.make(settings(tmp_path, turn__udp_port=port, turn__tcp_port=port, **LOOPBACK))
    for transport in ("udp", "tcp", "udp"):
        await relay.start()
        client = await connected(port, transport)
        _, relay_port = await client.allocate()
        await relay.stop()
        assert is_free(relay_port) and is_free(port)
        client.close()


async def test_a_connection_replaces_the_last_one_from_its_address(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, _):
        sockets = relay._sockets
        assert sockets is not None
        client = FiveTuple("tcp", "127.0.0.1", 5000)
        (ours, theirs), (more_of_ours, more_of_theirs) = socket.socketpair(), socket.socketpair()
        for one in (ours, theirs, more_of_ours, more_of_theirs):
            one.setblocking(False)
        first, second = Connection(sockets, client, ours, 30), Connection(sockets, client, more_of_ours, 30)
        assert theirs.recv(1) == b""
        with pytest.raises(BlockingIOError):
            more_of_theirs.recv(1)
        first.close()
        assert list(sockets._connections.values()) == [second]
        theirs.close()
        more_of_theirs.close()


async def test_connections_of_one_address_are_bounded(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, port):
        with patch("relay.turn.sockets.MAX_CONNECTIONS_PER_SOURCE", 3):
            clients = [await connected(port, "tcp") for _ in range(4)]
            await asyncio.wait_for(clients[3].closed.wait(), 5)
            await clients[2].exchange(BINDING)
            clients[0].close()
            await clients[1].exchange(BINDING)
            late = await connected(port, "tcp")
            await late.exchange(BINDING)
            assert relay.trouble() is None
            for client in (*clients, late):
                client.close()
