"""DNS: SRV records of the XMPP domain (RFC 6120 §3.2), addresses of every host name that clients are told."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiodns
import pycares
from pycares import errno as ares

from carillon.check.finding import Finding, error, ok, warning
from carillon.settings import Settings
from carillon.settings.rules import is_address

PART = "dns"
QUERY_S = 2.0
TRIES = 2
CONNECT_S = 3.0
SERVICES = ("_xmpp-client._tcp", "_xmpps-client._tcp")
"""Of RFC 6120 §3.2.1 and XEP-0368."""
_NONE = frozenset((ares.ARES_ENODATA, ares.ARES_ENOTFOUND))
_LOCAL = frozenset(("localhost", "local", "test", "internal", "lan", "home", "invalid"))
"""Top-level names that the world's DNS does not have (RFC 6761, RFC 6762, and by custom)."""


class Unanswered(Exception):
    """The name server does not answer, or says that it cannot."""


@dataclass(frozen=True)
class HostSeen:
    """A host name that clients are told."""

    name: str
    settings: str
    """The setting, or settings, that name it."""
    addresses: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    """Those at which nobody takes a connection to `port`."""
    port: int = 0
    """0 where no connection was tried."""


@dataclass(frozen=True)
class DomainSeen:
    """The XMPP domain."""

    name: str
    addresses: tuple[str, ...] = ()
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each host that SRV records name, its addresses; "." stands for "no service here" (RFC 2782)."""


@dataclass(frozen=True)
class DnsSeen:
    """All that was asked."""

    domain: DomainSeen | None = None
    """None for a domain that the world's DNS does not have."""
    hosts: tuple[HostSeen, ...] = ()
    unanswered: str = ""
    """A name about which no name server would say anything."""


def hosts_told(settings: Settings) -> dict[str, list[str]]:
    """The settings that name each host which clients are told; without addresses and local names."""
    front, turn = settings.front, settings.turn
    named: list[tuple[str, str]] = [("front.public_url", urlsplit(front.public_url).hostname or "")]
    channels = {urlsplit(bridge.websocket_url).hostname or "" for bridge in settings.all_bridges.values()}
    named += [("bridge.websocket_url", host) for host in sorted(channels)]
    if turn.tls_port:
        named.append(("turn.tls_host", turn.tls_host))
    if settings.socks5.enabled:
        named += [("socks5.advertise", host) for host in settings.socks5.advertise]
    found: dict[str, list[str]] = {}
    for setting, host in named:
        if host and not is_address(host) and not is_local(host):
            found.setdefault(host, []).append(setting)
    return found


def is_local(name: str) -> bool:
    """Whether the name belongs to no public domain."""
    return "." not in name or name.rpartition(".")[2] in _LOCAL


async def look(settings: Settings, resolver: aiodns.DNSResolver | None = None) -> DnsSeen:
    """Ask for everything."""
    domain, hosts = settings.xmpp.domain, hosts_told(settings)
    if is_local(domain) and not hosts:
        return DnsSeen()
    asked = resolver or aiodns.DNSResolver(timeout=QUERY_S, tries=TRIES)
    try:
        seen, named = await asyncio.gather(
            _domain(asked, domain),
            asyncio.gather(*(_host(asked, name, where, settings) for name, where in hosts.items())),
        )
    except Unanswered as name:
        return DnsSeen(unanswered=str(name))
    finally:
        if resolver is None:
            await asked.close()
    return DnsSeen(seen, tuple(named))


async def _domain(resolver: aiodns.DNSResolver, name: str) -> DomainSeen | None:
    if is_local(name):
        return None
    addresses, *services = await asyncio.gather(
        _addresses(resolver, name), *(_ask(resolver, f"{service}.{name}", "SRV") for service in SERVICES)
    )
    names = dict.fromkeys(target for service in services for target in service)
    found = await asyncio.gather(*(_addresses(resolver, target) for target in names if target != "."))
    targets = dict(zip((target for target in names if target != "."), found, strict=True))
    return DomainSeen(name, addresses, targets | ({".": ()} if "." in names else {}))


async def _host(
    resolver: aiodns.DNSResolver, name: str, where: Sequence[str], settings: Settings
) -> HostSeen:
    addresses = await _addresses(resolver, name)
    url = urlsplit(settings.front.public_url)
    if "front.public_url" not in where:
        return HostSeen(name, " and ".join(where), addresses)
    port = url.port or (443 if url.scheme == "https" else 80)
    taken = await asyncio.gather(*(_takes(address, port) for address in addresses))
    silent = tuple(address for address, takes in zip(addresses, taken, strict=True) if not takes)
    return HostSeen(name, " and ".join(where), addresses, silent, port)


async def _takes(address: str, port: int) -> bool:
    """Whether a connection is taken there."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def _addresses(resolver: aiodns.DNSResolver, name: str) -> tuple[str, ...]:
    both = await asyncio.gather(*(_ask(resolver, name, kind) for kind in ("A", "AAAA")))
    return tuple(address for some in both for address in some)


async def _ask(resolver: aiodns.DNSResolver, name: str, kind: str) -> tuple[str, ...]:
    """Addresses, or the targets of SRV records; none for a name that is not there. Raises Unanswered."""
    try:
        answer = await resolver.query_dns(name, kind)
    except aiodns.error.DNSError as failure:
        if failure.args[0] in _NONE:
            return ()
        raise Unanswered(name) from failure
    texts: list[str] = []
    for record in answer.answer:
        if isinstance(record.data, pycares.SRVRecordData):
            texts.append(record.data.target.rstrip(".").lower() or ".")
        elif isinstance(record.data, pycares.ARecordData | pycares.AAAARecordData):
            texts.append(record.data.addr)
    return tuple(texts)


def findings(seen: DnsSeen) -> Iterable[Finding]:
    """What it means what DNS says."""
    if seen.unanswered:
        what = f"no name server answers for {seen.unanswered}"
        yield warning(PART, "name server", what, "mend /etc/resolv.conf: nothing about names was checked")
        return
    if seen.domain is not None:
        yield of_domain(seen.domain)
    for host in seen.hosts:
        yield of_host(host)
    if seen.domain is None and not seen.hosts:
        yield ok(PART, "names", "no name of this configuration is in the world's DNS: it is for local use")


def of_domain(seen: DomainSeen) -> Finding:
    """What it means how clients find the server of the domain."""
    name, subject = seen.name, "XMPP domain"
    lost = [target for target, addresses in seen.targets.items() if target != "." and not addresses]
    if lost:
        what = f"the SRV records of {name} lead to {', '.join(lost)}, which has no address"
        return error(PART, subject, what, f"give {lost[0]} an A or AAAA record, or mend the SRV record")
    if set(seen.targets) == {"."}:
        what = f'the SRV records of {name} say that there is no XMPP (target ".")'
        return warning(PART, subject, what, "remove them, or let them name the server")
    if seen.targets:
        return ok(PART, subject, f"SRV records lead clients of {name} to {', '.join(sorted(seen.targets))}")
    if seen.addresses:
        return ok(PART, subject, f"clients find {name} at {', '.join(seen.addresses)}, without SRV records")
    what = f"DNS knows neither SRV records nor an address of {name}: only the page finds its server"
    todo = f"add _xmpp-client._tcp.{name} (SRV, port 5222) or an A record for clients other than the page"
    return warning(PART, subject, what, todo)


def of_host(seen: HostSeen) -> Finding:
    """What it means where a host name leads."""
    name, shown = seen.name, ", ".join(seen.addresses)
    if not seen.addresses:
        what = f"DNS has no address of {name} ({seen.settings})"
        return error(PART, name, what, f"add an A record (and AAAA) for {name}, or mend {seen.settings}")
    if seen.silent and set(seen.silent) == set(seen.addresses):
        what = f"nobody takes connections to {name} (port {seen.port} of {shown})"
        todo = "let DNS name the machine of the front or of the proxy before it, and open the port there"
        return error(PART, name, what, todo)
    if seen.silent:
        kind = "AAAA" if ipaddress.ip_address(seen.silent[0]).version == 6 else "A"
        what = f"{name} leads to {', '.join(seen.silent)} too, where nobody takes connections to {seen.port}"
        todo = f"listen there too, or remove that {kind} record (this machine may have no way there itself)"
        return warning(PART, name, what, todo)
    return ok(PART, name, f"leads to {shown}")
