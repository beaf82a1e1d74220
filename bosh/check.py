"""The checks of the front: page, host-meta, WebSocket and BOSH, through the address that people open."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from bosh import ways_in
from bosh.http_bind import PATH as BOSH
from bosh.ways_in import Reply, WayIn
from bosh.websocket_handshake import PATH as WEBSOCKET
from carillon.certificate import der_of
from carillon.check import certificates, process, reach
from carillon.check.certificates import Served
from carillon.check.finding import Finding, Level, error, name_of, ok, warning
from carillon.check.running import Check
from carillon.guard.addresses import is_public
from carillon.layout import bracketed
from carillon.settings import Settings

PART = "front"
_PAGE, _HOST_META, _WEBSOCKET, _BOSH = "page", "host-meta", "WebSocket", "BOSH"


@dataclass(frozen=True)
class FrontSeen:
    """The address that people open and, where that is another one, the front's own listener."""

    public: WayIn
    direct: WayIn | None = None


def checks(settings: Settings) -> list[Check]:
    """The checks of this part."""
    return [Check(PART, "front", lambda: _look(settings))]


async def _look(settings: Settings) -> Iterable[Finding]:
    seen, front, shown, public = await asyncio.gather(
        process.look(PART, settings), _try(settings), _certificates(settings), reach.front_is_public(settings)
    )
    found = [*of_front(front, settings), *shown]
    if without_tls := http_without_tls(settings, public=public):
        found.append(without_tls)
    return [process.verdict(seen, found, certificates.name_of_pair(settings, "front")), *found]


async def _try(settings: Settings) -> FrontSeen:
    public, direct = settings.front.public_url.rstrip("/"), own_url(settings)
    if public == direct:
        return FrontSeen(await ways_in.look(public, settings))
    return FrontSeen(*await asyncio.gather(ways_in.look(public, settings), ways_in.look(direct, settings)))


def own_url(settings: Settings) -> str:
    """Where the front itself listens, as seen from this machine."""
    front = settings.front
    address = ipaddress.ip_address(front.address)
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    scheme = "https" if front.certificate else "http"
    return f"{scheme}://{bracketed(str(address))}:{front.port}"


# What it means


def of_front(seen: FrontSeen, settings: Settings) -> list[Finding]:
    """What it means how both ways in went."""
    front, public = settings.front, seen.public
    url = front.public_url
    process_ = name_of(PART, process.SUBJECT)
    page = name_of(PART, _PAGE)
    named = name_of("dns", urlsplit(url).hostname or "")
    found = [_of_page(seen, url, own_url(settings), process_, named)]
    if not public.host_meta.trouble:
        found.append(ok(PART, _HOST_META, f"leads clients to {url}"))
    else:
        todo = "have the proxy pass /.well-known/host-meta.json too, or mend front.public_url"
        what = f"host-meta at {url}: {public.host_meta.trouble}"
        found.append(error(PART, _HOST_META, what, todo, page, process_))
    return [*found, _of_websocket(seen, url, page, process_), _of_bosh(seen, url, page, process_)]


def _of_page(seen: FrontSeen, url: str, own: str, *after: str) -> Finding:
    if not seen.public.page.trouble:
        return ok(PART, _PAGE, f"{url} shows it")
    what = f"the page does not open at {url}: {seen.public.page.trouble}"
    if seen.direct is not None and not seen.direct.page.trouble:
        todo = f"the front serves it at {own}: mend the proxy before it, DNS or front.public_url"
    elif seen.direct is None and not seen.public.bosh.trouble:
        todo = "build the page: make setup"
    else:
        todo = f"nor does the front serve it at {own}: start it, and see its log"
    return error(PART, _PAGE, what, todo, *after)


def _of_websocket(seen: FrontSeen, url: str, *after: str) -> Finding:
    reply, direct = seen.public.websocket, seen.direct
    if reply.trouble:
        if direct is not None and not direct.websocket.trouble:
            what = (
                f"the WebSocket upgrade does not reach the front through {url}: the proxy before it drops it"
                f" ({reply.trouble})"
            )
            todo = "have it pass Upgrade and Connection: carillon snippet nginx (or haproxy) prints how"
            return error(PART, _WEBSOCKET, what, todo, *after)
        what = f"the front does not take WebSockets at {url}: {reply.trouble}"
        return error(PART, _WEBSOCKET, what, "see the log of carillon front", *after)
    if seen.public.stream.trouble:
        return _of_stream(seen.public.stream, *after)
    return ok(PART, _WEBSOCKET, f"XMPP opens at {url}{WEBSOCKET}")


def _of_stream(reply: Reply, *after: str) -> Finding:
    what = f"the front opens no stream to the XMPP server for guests: {reply.trouble}"
    todo = "mend xmpp.server, xmpp.c2s_port and xmpp.guest_domain, or what the server says to them"
    return error(PART, _WEBSOCKET, what, todo, *after, name_of("component", "handshake"))


def _of_bosh(seen: FrontSeen, url: str, *after: str) -> Finding:
    reply = seen.public.bosh
    if not reply.trouble:
        return ok(PART, _BOSH, f"a session opens at {url}{BOSH}")
    what = f"BOSH does not work at {url}{BOSH}: {reply.trouble}"
    if seen.direct is not None and not seen.direct.bosh.trouble:
        return error(PART, _BOSH, what, "the proxy before it must pass POST to /http-bind unchanged", *after)
    todo = "see the log of carillon front"
    return error(
        PART, _BOSH, what, todo, *after, name_of(PART, _WEBSOCKET), name_of("component", "handshake")
    )


# Certificates


async def _certificates(settings: Settings) -> list[Finding]:
    """What is shown at the public address, and whether the front has read its files."""
    found: list[Finding] = []
    now, after = datetime.now(UTC), certificates.name_of_pair(settings, "front")
    url, own = urlsplit(settings.front.public_url), urlsplit(own_url(settings))
    if url.scheme == "https" and url.hostname:
        seen = await certificates.served(url.hostname, url.port or 443, url.hostname)
        if seen is not None:
            found.append(await _of_shown(seen, url.hostname, after, now))
    if own.scheme == "https" and own.hostname and own.port:
        seen = await certificates.served(own.hostname, own.port, url.hostname or own.hostname)
        file = _file(settings)
        if seen is not None and file is not None and seen.der != file:
            found.append(certificates.of_served(PART, own.hostname, seen, file, now, after))
    return found


async def _of_shown(seen: Served, host: str, after: str, now: datetime) -> Finding:
    found = certificates.of_served(PART, host, seen, None, now, after)
    public = any(map(is_public, await reach.addresses_of(host)))
    if found.level is Level.WARNING and not public:
        return ok(PART, found.subject, f"{found.what}; {host} is not public")
    return found


def _file(settings: Settings) -> bytes | None:
    try:
        return der_of(Path(settings.front.certificate))
    except (OSError, ValueError):
        return None  # the check of the certificates says it


def http_without_tls(settings: Settings, *, public: bool) -> Finding | None:
    """Browsers give camera and microphone to pages over HTTPS and to loopback only."""
    url = urlsplit(settings.front.public_url)
    if url.scheme == "https" or url.hostname in ("localhost", "127.0.0.1", "::1"):
        return None
    what = f"{settings.front.public_url} is not HTTPS: browsers give camera and microphone to no such page"
    todo = "set front.certificate and front.key, or put a proxy with TLS before it; and front.public_url"
    return (error if public else warning)(PART, "HTTPS", what, todo)
