"""The checks of the relay: TURN over each transport, the bytestream proxy, and what it shows over TLS."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from carillon.certificate import der_of
from carillon.check import certificates, clock, configuration, process, reach
from carillon.check.finding import Finding, Level, error, name_of, ok
from carillon.check.running import Check
from carillon.check.words import why
from carillon.credentials import Credential, issue
from carillon.guard.addresses import is_public
from carillon.layout import bracketed
from carillon.settings import Settings, SettingsError, TurnSettings, read_secret
from relay.turn_check import TurnSeen, there_and_back

PART = "relay"
USER = "carillon-check"
"""In the credentials; it has no account, so that it may do what guests may."""
LIFE_S = 120
NAMES = {"udp": "TURN over UDP", "tcp": "TURN over TCP", "tls": "TURN over TLS"}
_UNAUTHORISED = 401

CONNECT_S = 4.0
"""For a connection to a streamhost, and for its handshake."""
_GREETING = b"\x05\x01\x00"
_NO_AUTHENTICATION = b"\x05\x00"
_CONNECT_BY_NAME = b"\x05\x01\x00\x03"


def checks(settings: Settings) -> list[Check]:
    """The checks of this part."""
    return [Check(PART, "relay", lambda: _look(settings))]


async def _look(settings: Settings) -> Iterable[Finding]:
    seen, turn, streams, shown, public = await asyncio.gather(
        process.look(PART, settings),
        _turn(settings),
        _streamhosts(settings),
        _shown(settings),
        reach.front_is_public(settings),
    )
    found = [*turn, *streams, *shown]
    unreadable = configuration.unreadable(settings, PART)
    return [process.verdict(seen, found, *unreadable), *_advertised(settings, public=public), *found]


def _advertised(settings: Settings, *, public: bool) -> list[Finding]:
    """Whether what clients are told can be reached by those whom the page is for."""
    told: dict[str, tuple[str, ...]] = {"turn": (settings.turn.advertise,)}
    if settings.socks5.enabled:
        told["socks5"] = settings.socks5.advertise
    found = (reach.of_advertised(PART, setting, hosts, public=public) for setting, hosts in told.items())
    return [one for one in found if one is not None]


# TURN


@dataclass(frozen=True)
class TurnTried:
    """One transport: at the address that clients are told and, when that fails, where the relay listens."""

    told: TurnSeen
    listening: TurnSeen | None = None
    """None when that is the same address, or the first attempt was good."""


async def _turn(settings: Settings) -> list[Finding]:
    turn = settings.turn
    try:
        credential = issue(read_secret(turn.secret_file), USER, LIFE_S, time.time())
    except SettingsError:
        return []  # the check of the configuration says it
    tried = await asyncio.gather(*(_tried(transport, turn, credential) for transport in ports(turn)))
    return [of_turn(one, turn) for one in tried]


def ports(turn: TurnSettings) -> dict[str, int]:
    """The port of each transport that there is."""
    found = {"udp": turn.udp_port, "tcp": turn.tcp_port, "tls": turn.tls_port}
    return {transport: port for transport, port in found.items() if port}


async def _tried(transport: str, turn: TurnSettings, credential: Credential) -> TurnTried:
    port = ports(turn)[transport]
    told = await there_and_back(transport, turn.advertise, port, credential)
    if told.trouble and not told.code and turn.address != turn.advertise:
        return TurnTried(told, await there_and_back(transport, turn.address, port, credential))
    return TurnTried(told)


def of_turn(tried: TurnTried, turn: TurnSettings) -> Finding:
    """What it means how far a TURN client came."""
    seen, port = tried.told, ports(turn)[tried.told.transport]
    name, where = NAMES[seen.transport], f"{bracketed(turn.advertise)}:{port}"
    proto = "UDP" if seen.transport == "udp" else "TCP"
    after = name_of(PART, process.SUBJECT)
    if not seen.trouble:
        if seen.relayed != turn.advertise:
            what = f"it gives out the address {seen.relayed}, not {turn.advertise} (turn.advertise)"
            return error(PART, name, what, "restart the relay: it runs with another configuration", after)
        return ok(PART, name, f"a packet went there and back through {where}")
    if tried.listening is not None and not tried.listening.trouble:
        what = f"nothing answers at {where}, which clients are told, only at {turn.address}"
        todo = (
            f"is turn.advertise this machine's public address, and {proto} port {port} open in the firewall"
            " and mapped by the NAT? (Some NATs let nobody inside reach the public address)"
        )
        return error(PART, name, what, todo, after)
    if seen.code == _UNAUTHORISED:
        what = f"{where} refuses credentials made from {turn.secret_file}"
        todo = "the relay runs with another secret, realm or clock: restart it, and see that all use one file"
        return error(PART, name, what, todo, after, name_of(clock.PART, clock.SUBJECT))
    if seen.code:
        return error(PART, name, f"{where}: {seen.trouble}", "the log of carillon relay says why", after)
    if seen.relayed:
        what = f"{where} allocates, and then: {seen.trouble}"
        return error(PART, name, what, "is another program between, or does the firewall cut flows?", after)
    what = f"nothing answers at {where}: {proto} port {port} is blocked, or closed ({seen.trouble})"
    todo = f"open {proto} port {port} in the firewall (nft list ruleset), or mend the ports under [turn]"
    return error(PART, name, what, todo, after)


# SOCKS5


@dataclass(frozen=True)
class StreamhostSeen:
    """One streamhost that clients are told, and one of its addresses."""

    host: str
    address: str
    """"" for a name that has none."""
    trouble: str = ""
    """Why its handshake was not completed."""


async def _streamhosts(settings: Settings) -> list[Finding]:
    socks5 = settings.socks5
    if not socks5.enabled:
        return []
    known = await asyncio.gather(*map(reach.addresses_of, socks5.advertise))
    seen = [
        _streamhost(host, address, socks5.port)
        for host, addresses in zip(socks5.advertise, known, strict=True)
        for address in addresses or ("",)
    ]
    return [of_streamhost(one, socks5.port) for one in await asyncio.gather(*seen)]


async def _streamhost(host: str, address: str, port: int) -> StreamhostSeen:
    """Shake hands as a client of a stream does whose other end never comes (RFC 1928, XEP-0065 §5.3)."""
    if not address:
        return StreamhostSeen(host, address, "the name has no address")
    request = secrets.token_hex(20).encode()
    wanted = _CONNECT_BY_NAME + bytes([len(request)]) + request + bytes(2)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(_GREETING)
                if await reader.readexactly(2) != _NO_AUTHENTICATION:
                    return StreamhostSeen(host, address, "it wants a login")
                writer.write(wanted)
                answer = await reader.readexactly(len(wanted))
                code = answer[1]
                return StreamhostSeen(host, address, f"it refuses with code {code}" if code else "")
            finally:
                writer.transport.abort()
    except TimeoutError:
        return StreamhostSeen(host, address, "no answer")
    except asyncio.IncompleteReadError:
        return StreamhostSeen(
            host, address, "what listens there is no SOCKS5 proxy, or has enough of this address"
        )
    except OSError as failure:
        return StreamhostSeen(host, address, why(failure))


def of_streamhost(seen: StreamhostSeen, port: int) -> Finding:
    """What it means how a streamhost answered."""
    where = f"{bracketed(seen.host)}:{port}"
    if seen.address not in ("", seen.host):
        where += f" ({seen.address})"
    subject = f"bytestreams at {seen.address or seen.host}"
    if not seen.trouble:
        return ok(PART, subject, f"the proxy shakes hands at {where}")
    what = f"the bytestream proxy that clients are told, {where}, does not serve: {seen.trouble}"
    todo = f"open TCP port {port} in the firewall, or mend socks5.advertise and socks5.port"
    return error(PART, subject, what, todo, name_of(PART, process.SUBJECT))


# The certificate


async def _shown(settings: Settings) -> list[Finding]:
    turn = settings.turn
    if not turn.tls_port:
        return []
    seen = await certificates.served(turn.advertise, turn.tls_port, turn.tls_host)
    if seen is None:
        return []  # TURN over TLS has failed too, and says so
    try:
        file = der_of(Path(turn.certificate))
    except (OSError, ValueError):
        return []  # the check of the certificates says it
    after = certificates.name_of_pair(settings, "turn")
    found = certificates.of_served(PART, turn.tls_host, seen, file, datetime.now(UTC), after)
    if found.level is Level.WARNING and not is_public(turn.advertise):
        return [ok(PART, found.subject, f"{found.what}; {turn.advertise} is not public")]
    return [found]
