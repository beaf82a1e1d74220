"""A relay that is killed: the next one goes on with its UDP clients from what it has left."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.carillon.part_process import Process
from tests.relay.relay_process import RelayConfiguration
from tests.relay.turn_client import Peer, Refused, TurnClient, credential


def left_by(configuration: RelayConfiguration) -> Path:
    return Path(configuration.control).with_suffix(".state")


async def relaying(configuration: RelayConfiguration, peer: Peer, transport: str = "udp") -> TurnClient:
    client = TurnClient(transport, credential())
    await client.connect(configuration.port)
    await client.allocate()
    await client.bind(0x4000, peer.address)
    return client


async def killed(configuration: RelayConfiguration, relay: Process, allocations: int = 1) -> None:
    """Kill the relay, once it has left so many allocations with their channels."""

    def complete() -> bool:
        if not left_by(configuration).exists():
            return False
        left = json.loads(left_by(configuration).read_text())["turn"]["allocations"]
        return len(left) == allocations and all(one["channels"] for one in left)

    async with asyncio.timeout(10):
        while not complete():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    relay.send(signal.SIGKILL)
    await relay.ended()


async def test_udp_clients_go_on_and_those_of_connections_begin_anew(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    peer = await Peer.open()
    async with configuration.running() as first:
        client, by_tcp = [await relaying(configuration, peer, transport) for transport in ("udp", "tcp")]
        client.send_channel(0x4000, b"before")
        _, relayed = await peer.receive()
        nonce = client.nonce
        await killed(configuration, first)
        await asyncio.wait_for(by_tcp.closed.wait(), 5)
    async with configuration.running() as second:
        assert "clients=1" in await second.says("goes on with UDP clients of a relay that was killed")
        client.send_channel(0x4000, b"after")
        assert await peer.receive() == (b"after", relayed)
        peer.send(b"back", relayed)
        assert await client.receive() == (0x4000, b"back")
        assert await client.refresh(600) == 600
        assert client.nonce == nonce
        (entry,) = await configuration.allocations()
        assert (entry["transport"], entry["port"]) == ("udp", relayed[1])
        client.close()
    peer.close()


async def test_what_is_left_is_for_this_user_alone_and_gone_after_an_orderly_end(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    peer = await Peer.open()
    async with configuration.running() as relay:
        client = await relaying(configuration, peer)
        async with asyncio.timeout(10):
            while not left_by(configuration).exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert stat.S_IMODE(left_by(configuration).stat().st_mode) == 0o600
        relay.send(signal.SIGINT)
        assert await relay.ended() == 0
        assert not left_by(configuration).exists()
    async with configuration.running():
        assert await configuration.allocations() == []
        client.close()
    peer.close()


async def test_after_a_hand_over_it_is_the_successors(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    peer = await Peer.open()
    async with configuration.running() as first:
        client = await relaying(configuration, peer)
        async with configuration.successor() as second:
            assert await first.ended() == 0
            await killed(configuration, second)
        async with configuration.running():
            assert await client.refresh(600) == 600
            client.close()
    peer.close()


def cut(left: dict[str, Any]) -> str:
    return json.dumps(left)[:-20]


def of_another_boot(left: dict[str, Any]) -> str:
    return json.dumps(left | {"boot": "another"})


def of_another_port(left: dict[str, Any]) -> str:
    return json.dumps(left | {"udp_port": left["udp_port"] - 1})


def expired(left: dict[str, Any]) -> str:
    for one in left["turn"]["allocations"]:
        one["expires"] = 1.0
    return json.dumps(left)


@pytest.mark.parametrize("spoilt", [cut, of_another_boot, of_another_port, expired])
async def test_what_is_of_no_use_is_left_alone(
    tmp_path: Path, spoilt: Callable[[dict[str, Any]], str]
) -> None:
    configuration = RelayConfiguration(tmp_path)
    peer = await Peer.open()
    async with configuration.running() as relay:
        client = await relaying(configuration, peer)
        await killed(configuration, relay)
    left = left_by(configuration)
    left.write_text(spoilt(json.loads(left.read_text())))
    async with configuration.running():
        assert await configuration.allocations() == []
        with pytest.raises(Refused):
            await client.refresh(600)
        client.close()
    peer.close()


async def test_a_relay_port_that_somebody_else_has_taken_is_done_without(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    peer = await Peer.open()
    async with configuration.running() as relay:
        clients = [await relaying(configuration, peer) for _ in range(2)]
        ports = sorted(entry["port"] for entry in await configuration.allocations())
        await killed(configuration, relay, 2)
    other = await Peer.open(port=ports[0])
    async with configuration.running():
        assert [entry["port"] for entry in await configuration.allocations()] == ports[1:]
        for client in clients:
            client.close()
    other.close()
    peer.close()


async def test_where_nothing_can_be_left_it_says_so_and_relays(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path)
    peer = await Peer.open()
    left_by(configuration).mkdir()
    (left_by(configuration) / "in the way").touch()
    async with configuration.running() as relay:
        client = await relaying(configuration, peer)
        await relay.says("nothing can be left for the next relay")
        client.send_channel(0x4000, b"all the same")
        assert (await peer.receive())[0] == b"all the same"
        relay.send(signal.SIGTERM)
        client.close()
    peer.close()
