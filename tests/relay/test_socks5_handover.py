"""The bytestream proxy whose work a newer process takes over: who waits goes on there, who transfers here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from carillon.handover import Handover, HandoverError
from tests.relay.relay_process import RelayConfiguration
from tests.relay.socks5_client import GREETING, ProxyUnderTest, Socks5Client, connect_request, running_proxy

FIRST, SECOND, THIRD = "a" * 40, "b" * 40, "c" * 40
JIDS = {"initiator": "ann@x", "target": "bob@x"}


@asynccontextmanager
async def session(configuration: RelayConfiguration) -> AsyncIterator[aiohttp.ClientSession]:
    """Asks the control API as the component does: on a connection that it keeps."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(configuration.control)) as opened:
        yield opened


async def activate(asking: aiohttp.ClientSession, digest: str) -> int:
    async with asking.put(f"http://relay/socks5/streams/{digest}", json=JIDS) as response:
        await response.read()
        return response.status


async def test_who_waits_is_paired_and_activated_by_the_successor(tmp_path: Path) -> None:
    """Also by a component that still has a connection to the control API of the predecessor."""
    configuration = RelayConfiguration(tmp_path, socks5=True)
    port = configuration.socks5_port
    async with configuration.running(), session(configuration) as component:
        active = [await Socks5Client.join(port, FIRST) for _ in range(2)]
        assert await activate(component, FIRST) == 204
        paired = [await Socks5Client.join(port, SECOND) for _ in range(2)]
        paired[0].send(b"too early")
        waits, begins = await Socks5Client.join(port, THIRD), await Socks5Client.connect(port)
        begins.send(GREETING + connect_request(THIRD)[:20])
        assert await begins.read(2) == b"\5\0"
        assert await activate(component, "d" * 40) == 404
        async with configuration.successor():
            assert await activate(component, SECOND) == 204
            assert await paired[1].read(9) == b"too early"
            assert await activate(component, THIRD) == 409
            begins.send(connect_request(THIRD)[20:])
            assert (await begins.read(47))[1] == 0
            assert await activate(component, THIRD) == 204
            begins.send(b"hello")
            assert await waits.read(5) == b"hello"
            active[0].send(b"here still")
            assert await active[1].read(10) == b"here still"
            for client in (*active, *paired, waits, begins):
                client.close()


async def test_the_predecessor_ends_with_its_last_stream(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path, socks5=True)
    async with configuration.running() as first, session(configuration) as component:
        clients = [await Socks5Client.join(configuration.socks5_port, FIRST) for _ in range(2)]
        assert await activate(component, FIRST) == 204
        async with configuration.successor():
            await first.says('goes on beside its successor left="0 allocations, 1 bytestreams"')
            data = bytes(5_000_000)
            clients[0].send(data)
            clients[0].send_end()
            assert await clients[1].rest() == data
            clients[1].close()
            assert await first.ended() == 0


async def moves(proxy: ProxyUnderTest, digest: str) -> bool:
    first, second = await proxy.pair(digest)
    first.send(b"moved")
    return await second.read(5) == b"moved"


async def test_without_a_successor_all_goes_on(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        waits = await Socks5Client.join(proxy.port, FIRST)
        handover = proxy.relay.hand_over()
        late = asyncio.create_task(Socks5Client.join(proxy.port, FIRST))
        await asyncio.sleep(0.05)
        assert not late.done()
        handover.close()
        await proxy.relay.resume()
        other = await late
        assert await proxy.activate(FIRST) == ""
        waits.send(b"hello")
        assert await other.read(5) == b"hello"
        assert await moves(proxy, SECOND)


async def test_without_descriptors_nothing_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_proxy(tmp_path) as proxy:
        waits = await Socks5Client.join(proxy.port, FIRST)
        lend = Handover.lend

        def until_the_last(handover: Handover, one: object) -> int:
            if len(handover.descriptors) == 2:
                raise HandoverError("none left")
            return lend(handover, one)  # type: ignore[arg-type]

        monkeypatch.setattr(Handover, "lend", until_the_last)
        with pytest.raises(HandoverError):
            proxy.relay.hand_over()
        assert await moves(proxy, SECOND)
        waits.close()
