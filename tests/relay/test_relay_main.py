"""relay.main: the relay as a part."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from carillon.part import PartError
from carillon.settings import SettingsError
from relay import main
from tests.ports import free_port
from tests.relay.turn_client import Peer, TurnClient, credential, running_relay, settings

LOOPBACK = {"turn__allow_peers": '["127.0.0.0/8"]'}


@pytest.mark.parametrize(
    ("kind", "setting"), [(socket.SOCK_DGRAM, "udp_port"), (socket.SOCK_STREAM, "tcp_port")]
)
async def test_a_port_in_use_is_named(tmp_path: Path, kind: socket.SocketKind, setting: str) -> None:
    free = free_port()
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        taken = other.getsockname()[1]
        ports = {"turn__udp_port": free, "turn__tcp_port": free} | {f"turn__{setting}": taken}
        relay = main.make(settings(tmp_path, **ports))
        with pytest.raises(PartError, match=f"turn.{setting} {taken} on 127.0.0.1"):
            await relay.start()
        assert relay.trouble() == "not listening"
        await relay.stop()
    await relay.start()
    assert relay.trouble() is None
    await relay.stop()
    await relay.stop()
    assert relay.trouble() == "not listening"


async def test_an_address_of_others_is_named_with_what_to_set_behind_nat(tmp_path: Path) -> None:
    relay = main.make(settings(tmp_path, turn__address='"192.0.2.1"', turn__udp_port=free_port()))
    with pytest.raises(PartError, match=r"no address 192\.0\.2\.1: set turn\.address .* and turn\.advertise"):
        await relay.start()


async def test_without_a_secret_it_does_not_start(tmp_path: Path) -> None:
    relay = main.make(settings(tmp_path, turn__secret_file=f'"{tmp_path / "missing"}"'))
    with pytest.raises(SettingsError, match="missing"):
        await relay.start()


async def test_addresses_of_two_families_do_not_go_together(tmp_path: Path) -> None:
    relay = main.make(settings(tmp_path, turn__advertise='"2001:db8::1"'))
    with pytest.raises(PartError, match="same family"):
        await relay.start()


async def test_it_listens_on_ipv6(tmp_path: Path) -> None:
    async with running_relay(tmp_path, turn__address='"::1"', turn__allow_peers='["::1/128"]') as (_, port):
        peer = await Peer.open("::1")
        client = TurnClient("udp", credential())
        await client.connect(port, "::1")
        relayed = await client.allocate((0x0017, b"\x02\0\0\0"))
        assert relayed[0] == "::1"
        await client.bind(0x4000, peer.address)
        client.send_channel(0x4000, b"six")
        assert await peer.receive() == (b"six", relayed)
        peer.send(b"back", relayed)
        assert await client.receive() == (0x4000, b"back")
        client.close()
        peer.close()


async def test_the_control_api_tells_allocations_and_the_metrics_count(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (relay, port):
        app = web.Application()
        app.add_routes(relay.routes())
        async with TestClient(TestServer(app)) as http:
            assert await (await http.get("/turn/allocations")).json() == []
            peer = await Peer.open()
            client = TurnClient("udp", credential())
            await client.connect(port)
            _, relay_port = await client.allocate()
            await client.bind(0x4000, peer.address)
            client.send_channel(0x4000, b"12345")
            await peer.receive()
            (entry,) = await (await http.get("/turn/allocations")).json()
            assert (entry["transport"], entry["user"], entry["port"]) == (
                "udp",
                "romeo@localhost",
                relay_port,
            )
            assert (entry["permissions"], entry["channels"], entry["bytes_to_peers"]) == (1, 1, 5)
            text = generate_latest().decode()
            assert "turn_allocations 1.0" in text
            assert 'turn_requests_total{code="401",method="allocate"} 1.0' in text
            assert 'turn_relayed_bytes_total{direction="to_peers"} 5.0' in text
            client.close()
            peer.close()
    assert "turn_allocations" not in generate_latest().decode()


async def test_neither_secret_nor_password_is_logged(tmp_path: Path) -> None:
    user = credential()
    with capture_logs() as lines:
        async with running_relay(tmp_path, **LOOPBACK) as (_, port):
            client = TurnClient("udp", user)
            await client.connect(port)
            await client.allocate()
            client.send(("127.0.0.1", 9), b"no permission")
            await client.refresh(0)
            client.close()
    assert lines
    assert not any(user.password in str(line) or "north" in str(line) for line in lines)
