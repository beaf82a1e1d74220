"""The relay while it runs: SIGHUP ends no allocation, SIGTERM waits for those that live."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carillon.control import ask
from carillon.credentials import Credential, issue
from carillon.settings import SettingsError
from relay.main import Relay
from tests.carillon.part_process import Process, part, rewrite
from tests.ports import free_port
from tests.relay.turn_client import Peer, Refused, TurnClient, credential, running_relay, settings

LOOPBACK = {"turn__allow_peers": '["127.0.0.0/8"]'}
NEW_SECRET = "south"


def of_new_secret(name: str = "romeo@localhost") -> Credential:
    return issue(NEW_SECRET, name, 600, time.time())


async def connected(port: int, user: Credential | None = None, transport: str = "udp") -> TurnClient:
    client = TurnClient(transport, user or credential())
    await client.connect(port)
    return client


async def refusal(port: int, user: Credential | None = None) -> int:
    client = await connected(port, user)
    with pytest.raises(Refused) as caught:
        await client.allocate()
    client.close()
    return caught.value.code


def reload(relay: Relay, directory: Path, secret: str = "", **overrides: str) -> None:
    wanted = settings(directory, **overrides)  # writes the secret of old
    if secret:
        (directory / "secret").write_text(secret)
    relay.reload(wanted)


async def test_with_a_new_secret_allocations_live_and_new_ones_need_new_credentials(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (relay, port):
        client, peer = await connected(port), await Peer.open()
        relayed = await client.allocate()
        reload(relay, tmp_path, NEW_SECRET, **LOOPBACK)
        assert await client.refresh(600) == 600
        await client.bind(0x4000, peer.address)
        client.send_channel(0x4000, b"still here")
        assert await peer.receive() == (b"still here", relayed)
        assert await refusal(port) == 401
        newcomer = await connected(port, of_new_secret())
        await newcomer.allocate()
        for one in (client, newcomer, peer):
            one.close()


async def test_the_old_key_opens_no_allocation_of_another_name(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, port):
        client = await connected(port)
        await client.allocate()
        reload(relay, tmp_path, NEW_SECRET)
        client.user = credential("juliet@localhost")
        with pytest.raises(Refused) as caught:
            await client.refresh(600)
        assert caught.value.code == 401
        client.close()


async def test_a_secret_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, port):
        wanted = settings(tmp_path, turn__max_allocations="1")
        (tmp_path / "secret").unlink()
        with pytest.raises(SettingsError, match="secret"):
            relay.reload(wanted)
        for _ in range(2):
            client = await connected(port)
            await client.allocate()
            client.close()


@pytest.mark.parametrize(("limit", "code"), [("allocations_per_user", 486), ("max_allocations", 508)])
async def test_a_new_limit_is_for_new_allocations(tmp_path: Path, limit: str, code: int) -> None:
    async with running_relay(tmp_path) as (relay, port):
        first, second = await connected(port), await connected(port)
        for client in (first, second):
            await client.allocate()
        reload(relay, tmp_path, **{f"turn__{limit}": "1"})
        assert await refusal(port) == code
        assert await first.refresh(600) == 600
        for client in (first, second):
            client.close()


async def test_a_new_policy_is_for_new_permissions(tmp_path: Path) -> None:
    async with running_relay(tmp_path, **LOOPBACK) as (relay, port):
        client, peer = await connected(port), await Peer.open()
        relayed = await client.allocate()
        await client.bind(0x4000, peer.address)
        reload(relay, tmp_path)
        client.send_channel(0x4000, b"until it has to be renewed")
        assert await peer.receive() == (b"until it has to be renewed", relayed)
        with pytest.raises(Refused) as caught:
            await client.bind(0x4000, peer.address)
        assert caught.value.code == 403
        client.close()
        peer.close()


async def test_a_new_longest_lifetime_is_for_the_next_refresh(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, port):
        client = await connected(port)
        await client.allocate()
        assert await client.refresh(3600) == 3600
        reload(relay, tmp_path, turn__max_lifetime_s="60")
        assert await client.refresh(3600) == 60
        client.close()


async def test_who_drains_allocates_nothing_new_and_serves_what_is_there(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, port):
        client = await connected(port)
        await client.allocate()
        relay.drain()
        assert await refusal(port) == 508
        assert await client.refresh(600) == 600
        assert relay.remaining() == {"allocations": 1, "bytestreams": 0}
        await client.refresh(0)
        assert not any(relay.remaining().values())
        client.close()


@asynccontextmanager
async def relay_process(directory: Path, port: int, drain_s: int) -> AsyncIterator[Process]:
    (directory / "secret").touch(mode=0o600)
    (directory / "secret").write_text("north")
    write(directory, port, drain_s)
    async with part("relay", directory / "carillon.toml") as relay:
        yield relay


def write(directory: Path, port: int, drain_s: int = 60, more: str = "") -> None:
    text = (
        f'[turn]\nudp_port = {port}\ntcp_port = {port}\nsecret_file = "secret"\ncontrol = "r.sock"\n'
        f'allow_peers = ["127.0.0.0/8"]\n{more}'
        f"[socks5]\nenabled = false\n[operation]\ndrain_s = {drain_s}\n"
    )
    rewrite(directory / "carillon.toml", text)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_signals_while_a_client_relays(tmp_path: Path, transport: str) -> None:
    """SIGHUP with another secret and another port, then SIGTERM: the client notices nothing of both."""
    port = free_port()
    async with relay_process(tmp_path, port, drain_s=60) as relay:
        client, peer = await connected(port, transport=transport), await Peer.open()
        relayed = await client.allocate()
        await client.bind(0x4000, peer.address)

        rewrite(tmp_path / "secret", NEW_SECRET)
        write(tmp_path, port + 1, more="max_allocations = 2\n")
        relay.send(signal.SIGHUP)
        await relay.says("reloaded changed=turn.max_allocations")
        assert "turn.udp_port turn.tcp_port" in await relay.says("needs a restart of the relay")
        assert await client.refresh(600) == 600
        assert await refusal(port) == 401
        newcomer = await connected(port, of_new_secret())
        await newcomer.allocate()
        await newcomer.refresh(0)
        newcomer.close()

        relay.send(signal.SIGTERM)
        assert 'left="1 allocations, 0 bytestreams"' in await relay.says("drains: nothing new begins")
        health = await ask(str(tmp_path / "r.sock"), "/about/health")
        assert health == (503, "draining: 1 allocations, 0 bytestreams")
        assert await refusal(port, of_new_secret()) == 508
        client.send_channel(0x4000, b"still here")
        assert await peer.receive() == (b"still here", relayed)
        await client.refresh(0)
        assert await relay.ended() == 0
        client.close()
        peer.close()


async def test_at_the_deadline_allocations_are_ended(tmp_path: Path) -> None:
    port = free_port()
    async with relay_process(tmp_path, port, drain_s=1) as relay:
        client = await connected(port, transport="tcp")
        await client.allocate()
        relay.send(signal.SIGTERM)
        await relay.says("the time to drain is over: the rest is ended")
        await client.closed.wait()
        assert await relay.ended() == 0
        client.close()
