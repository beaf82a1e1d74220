"""DNS: what is asked, of a name server of our own, and what the answers mean."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiodns
import pytest

from carillon.check import dns
from carillon.check.dns import DnsSeen, DomainSeen, HostSeen, findings, hosts_told, of_domain, of_host
from carillon.check.finding import Level
from carillon.settings import Settings, parse
from tests.ports import free_port

A, AAAA, SRV = 1, 28, 33
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
Zone = dict[tuple[str, int], list[bytes]]


def settings(text: str) -> Settings:
    return parse(text, Path("/etc/carillon/carillon.toml"))


MEET = settings(
    "[xmpp]\ndomain = 'example.org'\n[front]\npublic_url = 'https://meet.example.org'\n"
    "[bridge]\nwebsocket_url = 'wss://meet.example.org/colibri-ws'\n"
    "[socks5]\nadvertise = ['proxy.example.org', '192.0.2.1']\n"
)


def name(text: str) -> bytes:
    """A domain name on the wire (RFC 1035 §3.1)."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def srv(target: str) -> bytes:
    return struct.pack("!HHH", 0, 5, 5222) + name(target)


def ip(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


class NameServer(asyncio.DatagramProtocol):
    """Answers from a zone; `status` for what it does not hold."""

    def __init__(self, zone: Zone, status: int) -> None:
        self._zone = zone
        self._status = status

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end, labels = 12, []
        while data[end]:
            labels.append(data[end + 1 : end + 1 + data[end]].decode())
            end += 1 + data[end]
        question = data[12 : end + 5]
        kind = int.from_bytes(data[end + 1 : end + 3], "big")
        answers = self._zone.get((".".join(labels).lower(), kind))
        status = NO_ERROR if answers is not None else self._status
        head = data[:2] + struct.pack("!HHHHH", 0x8180 | status, 1, len(answers or ()), 0, 0)
        records = (
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for data in answers or ()
        )
        self._transport.sendto(head + question + b"".join(records), addr)


@asynccontextmanager
async def name_server(zone: Zone, status: int = NO_SUCH_NAME) -> AsyncIterator[aiodns.DNSResolver]:
    """A resolver that asks a name server of this zone."""
    port = free_port()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(zone, status), local_addr=("127.0.0.1", port)
    )
    resolver = aiodns.DNSResolver(nameservers=[f"127.0.0.1:{port}"], timeout=2.0, tries=1)
    try:
        yield resolver
    finally:
        await resolver.close()
        transport.close()


async def test_all_names_that_clients_are_told_are_asked_for() -> None:
    zone: Zone = {
        ("_xmpp-client._tcp.example.org", SRV): [srv("xmpp.example.org")],
        ("xmpp.example.org", A): [ip("192.0.2.5")],
        ("meet.example.org", A): [ip("127.0.0.1")],
        ("proxy.example.org", AAAA): [ip("2001:db8::1")],
    }
    async with name_server(zone) as resolver:
        seen = await dns.look(MEET, resolver)
    assert seen.domain == DomainSeen("example.org", (), {"xmpp.example.org": ("192.0.2.5",)})
    found = {host.name: host for host in seen.hosts}
    assert found["proxy.example.org"].addresses == ("2001:db8::1",)
    assert found["meet.example.org"].settings == "front.public_url and bridge.websocket_url"
    assert found["meet.example.org"].port == 443


async def test_a_name_server_that_fails_is_told() -> None:
    async with name_server({}, SERVER_FAILURE) as resolver:
        seen = await dns.look(MEET, resolver)
    found = list(findings(seen))
    assert [one.level for one in found] == [Level.WARNING]
    assert "no name server answers for" in found[0].what


async def test_a_service_that_says_it_is_not_there_is_seen() -> None:
    async with name_server({("_xmpp-client._tcp.example.org", SRV): [srv("")]}) as resolver:
        seen = await dns.look(MEET, resolver)
    assert seen.domain == DomainSeen("example.org", (), {".": ()})


async def test_nothing_is_asked_about_local_names() -> None:
    assert await dns.look(settings("")) == DnsSeen()


def test_addresses_and_local_names_are_not_asked_for() -> None:
    assert hosts_told(settings("")) == {}
    assert set(hosts_told(MEET)) == {"meet.example.org", "proxy.example.org"}


@pytest.mark.parametrize(
    ("seen", "level", "what"),
    [
        (DomainSeen("example.org", ("192.0.2.1",)), Level.OK, "at 192.0.2.1, without SRV records"),
        (DomainSeen("example.org", (), {"x.example.org": ("192.0.2.1",)}), Level.OK, "to x.example.org"),
        (DomainSeen("example.org"), Level.WARNING, "neither SRV records nor an address"),
        (
            DomainSeen("example.org", (), {"x.example.org": ()}),
            Level.ERROR,
            "lead to x.example.org, which has no",
        ),
        (DomainSeen("example.org", (), {".": ()}), Level.WARNING, "that there is no XMPP"),
    ],
)
def test_how_clients_find_the_domain_is_judged(seen: DomainSeen, level: Level, what: str) -> None:
    found = of_domain(seen)
    assert found.level is level
    assert what in found.what


@pytest.mark.parametrize(
    ("addresses", "silent", "level", "what"),
    [
        ((), (), Level.ERROR, "DNS has no address of meet.example.org (front.public_url)"),
        (("192.0.2.1",), (), Level.OK, "leads to 192.0.2.1"),
        (
            ("192.0.2.1",),
            ("192.0.2.1",),
            Level.ERROR,
            "nobody takes connections to meet.example.org (port 443",
        ),
        (("192.0.2.1", "2001:db8::1"), ("2001:db8::1",), Level.WARNING, "leads to 2001:db8::1 too"),
    ],
)
def test_where_a_name_leads_is_judged(
    addresses: tuple[str, ...], silent: tuple[str, ...], level: Level, what: str
) -> None:
    found = of_host(HostSeen("meet.example.org", "front.public_url", addresses, silent, 443))
    assert found.level is level
    assert what in found.what
