"""A relay whose work a newer process takes over: what was allocated lives on, and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from carillon.handover import Handover, HandoverError
from tests.carillon.part_process import process
from tests.ports import free_port
from tests.relay.relay_process import RelayConfiguration
from tests.relay.turn_client import Peer, TurnClient, any_certificate, credential, running_relay

LOOPBACK = {"turn__allow_peers": '["127.0.0.0/8"]'}
PACE_S = 0.04
"""Between two packets of a stream: on a busy machine, what waits must fit into the kernel's buffers."""
LONGEST_GAP_S = 0.2


async def connected(configuration: RelayConfiguration, transport: str = "udp") -> TurnClient:
    client = TurnClient(transport, credential())
    if transport == "tls":
        client.tls_context = any_certificate()
    await client.connect(configuration.tls_port if transport == "tls" else configuration.port)
    return client


async def relaying(configuration: RelayConfiguration, peer: Peer, transport: str) -> TurnClient:
    """A client with an allocation and a channel to the peer."""
    client = await connected(configuration, transport)
    await client.allocate()
    await client.bind(0x4000, peer.address)
    return client


class Stream:
    """Numbered packets of a client to the peer at a steady pace, and when each arrived."""

    def __init__(self, client: TurnClient, peer: Peer) -> None:
        self._client = client
        self._peer = peer
        self.left: list[float] = []
        self.arrived: list[tuple[int, float]] = []
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._collect())]

    async def _send(self) -> None:
        while True:
            self._client.send_channel(0x4000, b"%d" % self.sent)
            self.left.append(time.monotonic())
            await asyncio.sleep(PACE_S)

    async def _collect(self) -> None:
        while True:
            data, _ = await self._peer.data.get()
            self.arrived.append((int(data), time.monotonic()))

    def send_no_more(self) -> None:
        self._tasks[0].cancel()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._client.close()
        self._peer.close()

    @property
    def sent(self) -> int:
        return len(self.left)

    def gap_s(self, begin: float, end: float) -> float:
        """How much longer was between two packets from `begin` to `end` than between the sending of two.

        On a machine with many times more to do than it can, this process stands still as others do.
        """
        arrived = [at for _, at in self.arrived]
        return max(0.0, _longest(arrived, begin, end) - _longest(self.left, begin, end))


def _longest(times: list[float], begin: float, end: float) -> float:
    inside = [begin, *(at for at in times if begin < at < end), end]
    return max(later - earlier for earlier, later in itertools.pairwise(inside))


async def all_of(streams: list[Stream]) -> None:
    """Wait until everything that was sent has arrived."""
    async with asyncio.timeout(20):
        while any(len(stream.arrived) < stream.sent for stream in streams):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_clients_relay_through_two_hand_overs(tmp_path: Path, transport: str) -> None:
    """No packet is lost, none overtakes, and media stand still for less than 200 ms."""
    configuration = RelayConfiguration(tmp_path)
    async with configuration.running() as first:
        peers = [await Peer.open() for _ in range(20)]
        clients = [await relaying(configuration, peer, transport) for peer in peers]
        streams = [Stream(*pair) for pair in zip(clients, peers, strict=True)]
        await asyncio.sleep(0.3)
        moments = [time.monotonic()]
        async with configuration.successor() as second:
            await asyncio.sleep(0.3)
            moments.append(time.monotonic())
            async with configuration.successor():
                await asyncio.sleep(0.3)
                moments.append(time.monotonic())
                for stream in streams:
                    stream.send_no_more()
                assert len(await configuration.allocations()) == (0 if transport == "tls" else 20)
                for client in clients:
                    assert await client.refresh(600) == 600
                await all_of(streams)
                if transport == "tls":  # the first process stays as long as they do
                    await first.says('goes on beside its successor left="20 allocations')
                for stream in streams:
                    stream.close()
                assert (await first.ended(), await second.ended()) == (0, 0)
    for stream in streams:
        assert [number for number, _ in stream.arrived] == list(range(stream.sent))
    gaps_s = [max(one.gap_s(*times) for one in streams) for times in itertools.pairwise(moments)]
    sent, gaps = sum(stream.sent for stream in streams), ", ".join(f"{gap_s * 1000:.0f}" for gap_s in gaps_s)
    print(f"hand-over, {transport}: {sent} packets of 20 clients, none lost, longest gaps {gaps} ms")
    assert min(gaps_s) < LONGEST_GAP_S, "the machine may be busy at one of the two"


async def test_what_comes_while_nobody_reads_is_relayed_in_order(tmp_path: Path) -> None:
    """Also the rest of a message whose first half the predecessor has read already."""
    async with running_relay(tmp_path, **LOOPBACK) as (relay, port):
        peer = await Peer.open()
        clients = []
        for transport in ("udp", "tcp"):
            client = TurnClient(transport, credential())
            await client.connect(port)
            await client.allocate()
            await client.bind(0x4000, peer.address)
            clients.append(client)
        whole = b"\x40\0\0\x04half"
        clients[1].send_raw(whole[:5])
        await clients[0].refresh(600)
        handover = relay.hand_over()
        clients[1].send_raw(whole[5:])
        for number in range(50):
            clients[0].send_channel(0x4000, b"%d" % number)
        await asyncio.sleep(0.05)
        assert peer.data.empty()
        handover.close()
        await relay.resume()
        got = [(await peer.receive())[0] for _ in range(51)]
        assert [data for data in got if data != b"half"] == [b"%d" % number for number in range(50)]
        assert b"half" in got
        for client in clients:
            client.close()
        peer.close()


async def test_bytes_that_a_client_has_not_taken_yet_come_before_all_others(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    async with configuration.running():
        peer = await Peer.open()
        client = await relaying(configuration, peer, "tcp")
        (entry,) = await configuration.allocations()
        client.pause()
        sent = 0
        while not await configuration.metric('turn_dropped_total{reason="client too slow"}'):
            for _ in range(100):
                sent += 1
                peer.send(sent.to_bytes(4, "big") * 300, ("127.0.0.1", entry["port"]))
        async with configuration.successor():
            client.resume()
            numbers = []
            while True:
                try:
                    _, data = await asyncio.wait_for(client.data.get(), 1)
                except TimeoutError:
                    break
                assert data == data[:4] * 300, "whole messages, none cut"
                numbers.append(int.from_bytes(data[:4], "big"))
            assert numbers == sorted(set(numbers)) and len(numbers) > 200
            assert await client.refresh(600) == 600
        client.close()
        peer.close()


async def test_no_descriptors_for_a_hand_over_and_all_goes_on(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (relay, port):
        client = TurnClient("tcp", credential())
        await client.connect(port)
        await client.allocate()
        with (
            patch.object(Handover, "lend", side_effect=HandoverError("none left")),
            pytest.raises(HandoverError),
        ):
            relay.hand_over()
        assert await client.refresh(600) == 600
        client.close()


async def test_a_successor_that_listens_elsewhere_is_refused_and_all_goes_on(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    async with configuration.running() as relay:
        peer = await Peer.open()
        client = await relaying(configuration, peer, "udp")
        configuration.write(udp_port=str(free_port()))
        argv = (sys.executable, "-m", "carillon", "relay", "--config", str(configuration.path), "--take-over")
        async with process(*argv) as successor:
            assert "turn.udp_port has changed" in await successor.says("has not taken over")
            assert await successor.ended() == 1
        client.send_channel(0x4000, b"still here")
        assert (await peer.receive())[0] == b"still here"
        assert await client.refresh(600) == 600
        assert len(await configuration.allocations()) == 1
        relay.send(signal.SIGINT)
        assert await relay.ended() == 0
        client.close()
        peer.close()


async def test_listeners_that_are_not_wanted_any_more_are_closed_and_new_ones_opened(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    async with configuration.running():
        old, configuration.tls_port = configuration.tls_port, free_port()
        configuration.write(tls_port=str(configuration.tls_port))
        async with configuration.successor():
            client = await connected(configuration, "tls")
            await client.allocate()
            client.close()
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", old)


async def test_totals_of_the_metrics_never_fall(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    async with configuration.running():
        peer = await Peer.open()
        client = await relaying(configuration, peer, "udp")
        client.send_channel(0x4000, b"12345")
        await peer.receive()
        name = 'turn_relayed_bytes_total{direction="to_peers"}'
        assert await configuration.metric(name) == 5
        async with configuration.successor():
            assert await configuration.metric(name) == 5
            assert await configuration.metric("turn_allocations") == 1
        client.close()
        peer.close()
