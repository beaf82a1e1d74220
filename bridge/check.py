"""The checks of the bridge: it is given a conference of its own for a moment, and asked as a client asks."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from carillon import stun
from carillon.check import process, reach
from carillon.check.finding import Finding, error, name_of, ok, warning
from carillon.check.running import Check
from carillon.check.stun_client import NoAnswer, StunClient, cut_rfc4571, new_transaction, wrap_rfc4571
from carillon.check.words import why
from carillon.layout import bracketed
from carillon.settings import FIRST_BRIDGE, BridgeSettings, Settings
from carillon.settings.rules import Urls, is_address
from carillon.stun import Attribute, MessageClass, Method
from jingle.colibri2 import (
    Colibri2Error,
    ConferenceModify,
    Endpoint,
    Media,
    Transport,
    modify_json,
    parse_modified_json,
)
from jingle.ice import Candidate, IceTransport

PART = "bridge"
HTTP_S = 4.0
ENDPOINT = "check"
_PRIORITY = struct.pack("!I", 110 << 24 | 65535 << 8 | 255)
_REST, _CHANNEL = "REST", "bridge channel"
_DRAINING = "graceful_shutdown"
_CONFERENCES = "/colibri/v2/conferences"
FRONT_WEBSOCKET = name_of("front", "WebSocket")
"""The finding that explains a channel that does not open: both go through the front's address."""


@dataclass(frozen=True)
class CandidateSeen:
    """One address that the bridge tells clients."""

    protocol: str
    ip: str
    port: int
    trouble: str = ""
    """Why a connectivity check is not answered there."""
    listens: str = ""
    """The address of bridge.address where it is answered instead."""


@dataclass(frozen=True)
class BridgeSeen:
    """What became of the conference."""

    rest: str = ""
    """Why there is none."""
    draining: bool = False
    """It takes none any more, because somebody has told it so."""
    candidates: tuple[CandidateSeen, ...] = ()
    channel_url: str = ""
    """Without the names of bridge, conference and endpoint that follow."""
    channel: str = ""
    """Why the bridge channel does not open at that address."""
    channel_direct: str = ""
    """Why it does not open at the bridge itself either."""


def checks(settings: Settings) -> list[Check]:
    """The checks of this part: of every bridge of the focus, and of every one on this machine."""
    own = {bridge.rest: name for name, bridge in settings.all_bridges.items()}
    found: list[Check] = []
    for url in settings.focus.bridge:
        name = own.pop(urlsplit(url).netloc, None)
        if name is None and len(settings.focus.bridge) == len(settings.all_bridges) == 1:
            name = own.popitem()[1]  # the only one there is: of this configuration, on another machine
        found.append(Check(PART, name or url, partial(_look_at, settings, url, name)))
    if settings.bridges:
        found += [Check(PART, name, partial(_unused, name)) for name in own.values()]
    return found


async def _look_at(settings: Settings, url: str, name: str | None) -> Iterable[Finding]:
    """At the bridge `name` of this configuration, or (None) at one of which only the address is known."""
    focus = replace(settings.focus, bridge=Urls((url,)))
    if name is None:
        found = of_bridge(await _try(replace(settings, focus=focus)), settings)
        return _called(urlsplit(url).netloc, found)
    found = list(await _look(replace(settings.as_bridge(name), focus=focus)))
    return found if name == FIRST_BRIDGE else _called(name, found)


async def _unused(name: str) -> Iterable[Finding]:
    what = f"no meeting is ever on the bridge {name}: focus.bridge does not name it"
    return _called(name, [warning(PART, _REST, what, 'set focus.bridge = "", which names all bridges')])


def _called(name: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings of one bridge among several, told apart from those of the others."""
    own = list(findings)
    renamed = {one.name: name_of(PART, f"{one.subject} of {name}") for one in own}
    return [
        replace(
            one,
            subject=f"{one.subject} of {name}",
            after=tuple(renamed.get(cause, cause) for cause in one.after),
        )
        for one in own
    ]


async def _look(settings: Settings) -> Iterable[Finding]:
    seen, bridge, public = await asyncio.gather(
        process.look(PART, settings), _try(settings), reach.front_is_public(settings)
    )
    advertised = reach.of_advertised(PART, "bridge", settings.bridge.advertise, public=public)
    found = of_bridge(bridge, settings)
    told = [one for one in (advertised, of_channel_url(settings)) if one is not None]
    return [process.verdict(seen, found), *told, *found]


async def _try(settings: Settings) -> BridgeSeen:
    """Have a conference with one endpoint, look, and end it."""
    base = settings.focus.bridge[0].rstrip("/")
    meeting = f"carillon-check-{secrets.token_hex(8)}"
    wish = Endpoint(
        ENDPOINT,
        create=True,
        capabilities=("source-names",),
        media=(Media("audio"),),
        transport=Transport(ice_controlling=True),
    )
    create = ConferenceModify(meeting, name=meeting, create=True, endpoints=(wish,))
    timeout = aiohttp.ClientTimeout(total=HTTP_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with session.post(base + _CONFERENCES, json=modify_json(create)) as response:
                body = await response.json(content_type=None)
                if response.status != 200:
                    return _refused(response.status, body)
            ice = _transport(body)
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            return BridgeSeen(rest=why(failure))
        except (Colibri2Error, ValueError):
            return BridgeSeen(rest="what answers there is no Colibri2")
        try:
            return await _of_transport(session, ice, settings)
        finally:
            end = ConferenceModify(meeting, expire=True)
            url = f"{base}{_CONFERENCES}/{quote(meeting, safe='')}"
            async with session.patch(url, json=modify_json(end)):
                pass


def _transport(body: Any) -> IceTransport:
    """The transport of our endpoint. Raises Colibri2Error or ValueError."""
    for endpoint in parse_modified_json(body).endpoints:
        if endpoint.transport is not None and endpoint.transport.ice is not None:
            return endpoint.transport.ice
    raise ValueError("no transport")


def _refused(status: int, body: Any) -> BridgeSeen:
    said = body if isinstance(body, dict) else {}
    words = said.get("text") or said.get("reason") or f"HTTP {status}"
    return BridgeSeen(rest=f"it refuses one: {words}", draining=said.get("reason") == _DRAINING)


async def _of_transport(session: aiohttp.ClientSession, ice: IceTransport, settings: Settings) -> BridgeSeen:
    url = ice.web_sockets[0] if ice.web_sockets else ""
    channel, candidates = await asyncio.gather(
        _channel(session, url),
        asyncio.gather(*(_candidate(one, ice, settings.bridge) for one in ice.candidates)),
    )
    direct = ""
    if channel:
        parts = urlsplit(url)
        path = parts._replace(scheme="ws", netloc=settings.bridge.rest)
        prefix = urlsplit(settings.bridge.websocket_url).path.rstrip("/")
        direct = await _channel(
            session, path._replace(path="/colibri-ws" + parts.path.removeprefix(prefix)).geturl()
        )
    return BridgeSeen(
        candidates=tuple(candidates),
        channel_url="/".join(url.split("/")[:-3]),
        channel=channel,
        channel_direct=direct,
    )


async def _channel(session: aiohttp.ClientSession, url: str) -> str:
    """Why a bridge channel does not open at `url`, or ""."""
    if not url:
        return "the bridge tells no address of a channel"
    try:
        # What the certificate is worth is said by the checks of the front.
        async with session.ws_connect(url, ssl=False) as socket:
            await socket.close()
    except aiohttp.WSServerHandshakeError as refusal:
        return f"HTTP {refusal.status} instead of an upgrade"
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        return why(failure)
    return ""


async def _candidate(candidate: Candidate, ice: IceTransport, bridge: BridgeSettings) -> CandidateSeen:
    """Send a connectivity check (RFC 8445 §7.2) to a candidate; one that is lost, to the bridge itself."""
    trouble = await _binding(candidate.protocol, candidate.ip, candidate.port, ice)
    listens = ""
    if trouble:
        family = ":" in candidate.ip
        own = [one for one in bridge.address if (":" in one) == family and one != candidate.ip]
        for one in own[:1]:
            if not await _binding(candidate.protocol, one, bridge.port, ice):
                listens = one
    return CandidateSeen(candidate.protocol, candidate.ip, candidate.port, trouble, listens)


async def _binding(protocol: str, ip: str, port: int, ice: IceTransport) -> str:
    """Why a check is not answered, or ""."""
    client = StunClient("udp") if protocol == "udp" else StunClient("tcp", cut_rfc4571, wrap_rfc4571)
    request = stun.build(
        Method.BINDING,
        MessageClass.REQUEST,
        new_transaction(),
        (
            (int(Attribute.USERNAME), f"{ice.ufrag}:check".encode()),
            (int(Attribute.PRIORITY), _PRIORITY),
            (int(Attribute.ICE_CONTROLLED), secrets.token_bytes(8)),
        ),
        key=ice.pwd.encode(),
        fingerprint=True,
    )
    try:
        await client.connect(ip, port)
        answer = await client.exchange(request)
    except NoAnswer as failure:
        return str(failure)
    finally:
        client.close()
    return "" if answer.cls is MessageClass.SUCCESS else "it answers with an error"


def of_bridge(seen: BridgeSeen, settings: Settings) -> list[Finding]:
    """What it means how the bridge answered."""
    after, base = name_of(PART, process.SUBJECT), settings.focus.bridge[0]
    if seen.draining:
        what = "the bridge takes no new conference: it waits for the end of those that run"
        return [warning(PART, _REST, what, "restart it when they are over", after)]
    if seen.rest:
        todo = "start the bridge; focus.bridge and bridge.rest must name one address"
        return [error(PART, _REST, f"the focus gets no conference of {base}: {seen.rest}", todo, after)]
    found = [ok(PART, _REST, f"{base} gives conferences")]
    found += [_of_candidate(one) for one in seen.candidates]
    return [*found, _of_channel(seen, settings)]


def _of_candidate(seen: CandidateSeen) -> Finding:
    proto, where = seen.protocol.upper(), f"{bracketed(seen.ip)}:{seen.port}"
    subject = f"media over {proto} at {seen.ip}"
    if not seen.trouble:
        return ok(PART, subject, f"{where} answers")
    lost = f"the bridge does not answer over {proto} at {where}, the address that clients are told"
    if seen.listens:
        todo = (
            f"is bridge.advertise this machine's public address, and {proto} port {seen.port} open in the"
            " firewall and mapped by the NAT? (Some NATs let nobody inside reach the public address)"
        )
        return error(PART, subject, f"{lost}, but it does at {seen.listens}", todo)
    todo = f"open {proto} port {seen.port} in the firewall, or mend bridge.address and bridge.advertise"
    return error(PART, subject, f"{lost}: {seen.trouble}", todo)


def of_channel_url(settings: Settings) -> Finding | None:
    """What is to be said of bridge.websocket_url beside the page's address; None when they go together."""
    page, channel = urlsplit(settings.front.public_url), urlsplit(settings.bridge.websocket_url)
    subject, host = "bridge.websocket_url", channel.hostname or ""
    good = f"{'wss' if page.scheme == 'https' else 'ws'}://{page.netloc}/colibri-ws"
    todo = f'set {subject} = "{good}"'
    if page.scheme == "https" and channel.scheme == "ws":
        what = f"{settings.bridge.websocket_url} is not wss: browsers refuse it in a page over HTTPS"
        return error(PART, subject, what, todo)
    if _is_loopback(host) and not _is_loopback(page.hostname or ""):
        what = f"{settings.bridge.websocket_url} leads every client to itself: {host} is a loopback address"
        return error(PART, subject, what, todo)
    return None


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def _of_channel(seen: BridgeSeen, settings: Settings) -> Finding:
    if not seen.channel:
        return ok(PART, _CHANNEL, f"opens at {seen.channel_url}")
    what = f"the bridge channel does not open at {settings.bridge.websocket_url} ({seen.channel})"
    if seen.channel_direct:
        todo = (
            f"restart the bridge: it does not open at {settings.bridge.rest} either ({seen.channel_direct})"
        )
        return error(PART, _CHANNEL, what, todo)
    todo = (
        "bridge.websocket_url must be /colibri-ws of the front's public address, and upgrades must pass there"
    )
    return error(PART, _CHANNEL, what, todo, FRONT_WEBSOCKET, name_of("front", process.SUBJECT))
