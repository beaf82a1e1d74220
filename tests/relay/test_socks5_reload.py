"""The bytestream proxy while it runs: other limits, and the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.relay.socks5_client import ProxyUnderTest, Socks5Client, running_proxy
from tests.relay.turn_client import settings

FIRST, SECOND = "a" * 40, "b" * 40


def reload(proxy: ProxyUnderTest, directory: Path, **overrides: object) -> None:
    names = {"enabled": "true", "port": proxy.port} | overrides
    proxy.relay.reload(settings(directory, **{f"socks5__{name}": one for name, one in names.items()}))


async def moves(one: Socks5Client, other: Socks5Client) -> bool:
    one.send(b"still here")
    return await other.read(10) == b"still here"


async def test_another_limit_is_for_the_next_stream(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        active = await proxy.pair(FIRST)
        reload(proxy, tmp_path, max_streams=1)
        clients = [await Socks5Client.join(proxy.port, SECOND) for _ in range(2)]
        assert await proxy.activate(SECOND) == "resource-constraint"
        assert await moves(*active)
        for client in (*active, *clients):
            client.close()


async def test_another_time_out_is_for_streams_that_are_active_too(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        first, second = await proxy.pair(FIRST)
        reload(proxy, tmp_path, idle_timeout_s=0.1)
        assert await second.rest() == b""
        for client in (first, second):
            client.close()


async def test_who_drains_takes_no_connection_and_moves_what_is_active(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        first, second = await proxy.pair(FIRST)
        proxy.relay.drain()
        with pytest.raises(ConnectionRefusedError):
            await Socks5Client.connect(proxy.port)
        assert await moves(first, second)
        assert proxy.relay.remaining() == {"allocations": 0, "bytestreams": 1}
        for client in (first, second):
            client.close()
