"""Meetings across networks: NAT, firewalls, IPv6, loss, other addresses in mid-meeting, outages.

The server stands behind a static mapping: its parts listen on 10.9.0.2, and everybody else knows it as
203.0.113.2 and 2001:db8::2, under the name meet.test. Ann is on the internet without anything in between; in
each test somebody on another network meets her.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.harness import CHROMIUM, FLAGS, Meeting, Tab, eventually, library_pages, room_name
from tests.e2e.netns import Host, Internet, Line

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

PORT = 8080
MEDIA_PORT = PORT + 4
LIBRARY_PORT = 8090
NAME = "meet.test"
PRIVATE, PUBLIC, PUBLIC_V6 = "10.9.0.2", "203.0.113.2", "2001:db8::2"
SELECTED_PAIR = """async () => {
    const reports = new Map(await window.peerConnections.at(-1).getStats());
    const transport = [...reports.values()].find(report => report.type === 'transport');
    const pair = reports.get(transport?.selectedCandidatePairId);
    if (!pair) return null;
    const [local, remote] = [reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId)];
    return {
        local: local.candidateType, relay: local.relayProtocol ?? '', address: local.address,
        protocol: local.protocol, remote: remote.address, port: remote.port,
        localPort: local.port, remoteUfrag: remote.usernameFragment,
        connections: window.peerConnections.length,
        rttS: pair.totalRoundTripTime / pair.responsesReceived,
    };
}"""

BROKEN = """
table inet broken {
  chain output { type filter hook output priority 0; udp sport PORT drop; tcp dport MEDIA drop; }
}
""".replace("MEDIA", str(MEDIA_PORT))
"""A router that has forgotten a flow and does not take it up again."""


@dataclass
class World:
    """The internet, the deployment in it, and Ann's browser."""

    net: Internet
    endpoints: dict[str, Any]
    directory: Path
    ann: Meeting

    @asynccontextmanager
    async def browser(self, host: Host) -> AsyncIterator[Meeting]:
        """A Chromium on that host."""
        server = f"[{PUBLIC_V6}]" if not host.ipv4 else PUBLIC
        async with chromium_on(host, server, self.directory) as browser:
            yield Meeting(browser, self.endpoints, f"http://{NAME}:{LIBRARY_PORT}")


@asynccontextmanager
async def chromium_on(host: Host, server: str, directory: Path) -> AsyncIterator[Browser]:
    """A headless Chromium in a namespace, for which the server's name is that address."""
    program = directory / host.name
    program.write_text(f'#!/bin/sh\nexec {" ".join(host.argv(CHROMIUM))} "$@"\n')
    program.chmod(0o755)
    flags = [
        *FLAGS,
        f"--host-resolver-rules=MAP {NAME} {server}",
        f"--unsafely-treat-insecure-origin-as-secure=http://{NAME}:{LIBRARY_PORT}",
        "--ignore-certificate-errors",  # those of TURN over TLS are not in the hands of a context
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, headless=True, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def forwarded_to_ipv4(server: Host) -> AsyncIterator[None]:
    """What a reverse proxy does for pages that listen on IPv4 alone."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = server.inside(lambda: socket.create_connection((PRIVATE, PORT)))
        other_reader, other_writer = await asyncio.open_connection(sock=upstream)
        await asyncio.gather(carry(reader, other_writer), carry(other_reader, writer))

    async with await asyncio.start_server(accept, sock=server.listener(PUBLIC_V6, PORT)):
        yield


@asynccontextmanager
async def running_world(directory: Path, server_name: str) -> AsyncIterator[World]:
    """A world whose deployment has that XMPP server."""
    with Internet() as net:
        server = net.behind_static_mapping("server", PUBLIC, PUBLIC_V6)
        settings = (
            f'bridge.address=["{PRIVATE}", "{PUBLIC_V6}"]',
            f'bridge.advertise=["{PUBLIC}", "{PUBLIC_V6}"]',
            f'bridge.websocket_url="wss://{NAME}:{PORT}/colibri-ws"',
            f'turn.advertise="{PUBLIC}"',
            "turn.tls_port=443",
            f'turn.tls_host="{PUBLIC}"',  # for a name, WebRTC would wait for DNS, which is not here
            f'front.public_url="https://{NAME}:{PORT}"',
        )
        deployment = DevServer(
            directory / "dev",
            *("--server", server_name, "--address", PRIVATE, "--http-address", PRIVATE),
            *(word for setting in settings for word in ("--set", setting)),
            base_port=PORT,
            command=server.argv(sys.executable, "-m", "carillon", "dev"),
        )
        host = net.host("ann", net.public())
        library = library_pages(server.listener(PRIVATE, LIBRARY_PORT))
        with deployment:
            async with library, forwarded_to_ipv4(server), chromium_on(host, PUBLIC, directory) as browser:
                ann = Meeting(browser, deployment.endpoints, "")
                yield World(net, deployment.endpoints, directory, ann)


Worlds = Callable[[str], Awaitable[World]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Worlds]:
    """Worlds by XMPP server, each there from the first test that wants it."""
    async with AsyncExitStack() as running:
        known: dict[str, World] = {}

        async def world_of(server: str) -> World:
            if server not in known:
                made = running_world(tmp_path_factory.mktemp("networks"), server)
                known[server] = await running.enter_async_context(made)
            return known[server]

        yield world_of


@pytest_asyncio.fixture(loop_scope="module")
async def world(worlds: Worlds, server: str) -> World:
    return await worlds(server)


@asynccontextmanager
async def meeting_of(world: World, guest: Meeting, kind: str = "page") -> AsyncIterator[tuple[Tab, Tab]]:
    """Ann and somebody else in a room; they see and hear each other, over the bridge."""
    room = room_name()
    tabs = await asyncio.gather(
        world.ann.open("page", room, "Ann", p2p="off"), guest.open(kind, room, "Guest", p2p="off")
    )
    await both_ways(*tabs)
    try:
        yield tabs
    finally:
        for tab in tabs:
            await tab.close()


async def both_ways(one: Tab, other: Tab) -> None:
    """Wait until media go both ways."""
    first, second = await one.joined(), await other.joined()
    await asyncio.gather(one.sees_and_hears({second}), other.sees_and_hears({first}))


async def pair(tab: Tab) -> dict[str, Any]:
    """The candidate pair that the tab's media take."""
    found: dict[str, Any] = await eventually("a pair", lambda: tab.page.evaluate(SELECTED_PAIR))
    return found


@pytest.mark.parametrize("kind", ["page", "lyno"])
async def test_behind_nat(world: World, kind: str) -> None:
    home = world.net.behind_nat(f"home-{kind}")
    async with world.browser(home) as browser, meeting_of(world, browser, kind) as (ann, guest):
        found = await pair(guest)
        assert (found["protocol"], found["remote"], found["port"]) == ("udp", PUBLIC, MEDIA_PORT)
        assert found["local"] in {"srflx", "prflx"}
        found = await pair(ann)
        assert (found["local"], found["protocol"], found["remote"]) == ("host", "udp", PUBLIC)


@ON_BOTH_SERVERS
async def test_behind_a_firewall_that_lets_only_the_pages_and_https_out(world: World) -> None:
    office = world.net.behind_nat("office", only_tcp=(443, PORT))
    async with world.browser(office) as browser, meeting_of(world, browser) as (_, guest):
        found = await pair(guest)
        assert (found["local"], found["relay"]) == ("relay", "tls")


async def test_behind_a_firewall_that_lets_tcp_out_to_the_media_port(world: World) -> None:
    office = world.net.behind_nat("bank", only_tcp=(PORT, MEDIA_PORT))
    async with world.browser(office) as browser, meeting_of(world, browser) as (_, guest):
        found = await pair(guest)
        assert (found["protocol"], found["remote"], found["port"]) == ("tcp", PUBLIC, MEDIA_PORT)


async def test_on_ipv6_only(world: World) -> None:
    host = world.net.host("six", ipv6="2001:db8::6")
    async with world.browser(host) as browser, meeting_of(world, browser) as (_, guest):
        found = await pair(guest)
        assert (found["protocol"], found["remote"]) == ("udp", PUBLIC_V6)
        assert found["address"] == host.ipv6


async def test_with_loss_and_delay(world: World) -> None:
    far = world.net.host("far", world.net.public(), line=Line(delay_s=0.05, loss=0.05))
    async with world.browser(far) as browser, meeting_of(world, browser) as (ann, guest):
        found = await pair(guest)
        assert (found["protocol"], found["remote"]) == ("udp", PUBLIC)
        assert found["rttS"] >= 0.1
        await both_ways(ann, guest)


async def mark(tab: Tab) -> None:
    """Mark the page, so that it can be told from one that was loaded again."""
    await tab.page.evaluate("window.marked = true")


async def healed(one: Tab, other: Tab) -> None:
    """Wait until media go both ways again, whatever else is still shown, on the same pages."""

    async def frames() -> list[int]:
        return [
            (await watching.received()).get(await shown.data("me"), {}).get("frames", 0)
            for watching, shown in ((one, other), (other, one))
        ]

    before = (await other.data("me"), await frames())

    async def rising() -> bool:
        nonlocal before
        now = (await other.data("me"), await frames())
        if now[0] != before[0]:  # it has entered the room anew
            before = now
        return all(new >= old + 5 for new, old in zip(now[1], before[1], strict=True))

    await eventually("healed", rising, 60)
    assert await other.page.evaluate("window.marked")


async def test_an_outage_heals(world: World) -> None:
    train = world.net.host("train", world.net.public())
    async with world.browser(train) as browser, meeting_of(world, browser) as (ann, guest):
        await mark(guest)
        me = await guest.data("me")
        train.cut()
        await asyncio.sleep(5)
        train.mend()
        await healed(ann, guest)
        assert await guest.data("me") == me


async def test_the_address_changes_in_mid_meeting(world: World) -> None:
    phone = world.net.host("phone", world.net.public())
    async with world.browser(phone) as browser, meeting_of(world, browser) as (ann, guest):
        await mark(guest)
        new = world.net.public()
        phone.run("ip", "address", "flush", "dev", "wan")
        phone.address(f"{new}/24", "wan")
        await healed(ann, guest)
        found = await pair(guest)
        assert (found["protocol"], found["address"]) == ("udp", new)

        async def is_seen_once() -> bool:
            return set(await ann.received()) == {await guest.data("me")}

        await eventually("the old self is gone", is_seen_once, 25)


async def test_the_way_of_the_media_breaks_and_ice_is_restarted_in_place(world: World) -> None:
    host = world.net.host("hotel", world.net.public())
    async with world.browser(host) as browser, meeting_of(world, browser) as (ann, guest):
        await mark(guest)
        me, before = await guest.data("me"), await pair(guest)
        host.rules(BROKEN, PORT=str(before["localPort"]))
        state = "window.peerConnections[0].connectionState !== 'connected'"
        await eventually("noticed", lambda: guest.page.evaluate(state))
        await healed(ann, guest)
        after = await pair(guest)
        assert (after["protocol"], after["connections"], await guest.data("me")) == ("udp", 1, me)
        assert after["localPort"] != before["localPort"] and after["remoteUfrag"] != before["remoteUfrag"]
