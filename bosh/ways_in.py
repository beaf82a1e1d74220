"""Goes into the front as clients do, at one address: page, host-meta, WebSocket, BOSH (`carillon check`)."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import aiohttp

from bosh.host_meta import BOSH_RELATION, WEBSOCKET_RELATION
from bosh.http_bind import PATH as BOSH
from bosh.websocket_handshake import PATH as WEBSOCKET
from carillon.check.words import why
from carillon.settings import Settings

HTTP_S = 4.0
"""For each request."""
MAX_BODY = 1 << 20
_FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
_HTTPBIND = "http://jabber.org/protocol/httpbind"


@dataclass(frozen=True)
class Reply:
    """How an attempt ended; `trouble` is "" when it was good."""

    trouble: str = ""
    status: int = 0
    """The HTTP status, when that was the trouble."""


@dataclass(frozen=True)
class WayIn:
    """What was tried through one address."""

    page: Reply
    host_meta: Reply
    websocket: Reply
    """The upgrade alone."""
    stream: Reply
    """The XMPP stream in it."""
    bosh: Reply


async def look(base: str, settings: Settings) -> WayIn:
    """Try everything at once at the address `base`."""
    # What the certificate is worth is said by a finding of its own.
    connector = aiohttp.TCPConnector(ssl=False)
    timeout = aiohttp.ClientTimeout(total=HTTP_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        page, host_meta, (websocket, stream), bosh = await asyncio.gather(
            _page(session, base, settings),
            _host_meta(session, base, settings),
            _open_websocket(session, base, settings),
            _open_bosh(session, base, settings),
        )
    return WayIn(page, host_meta, websocket, stream, bosh)


async def _page(session: aiohttp.ClientSession, base: str, settings: Settings) -> Reply:
    """Load the page, and what it reads to know where it is."""
    try:
        for path in ("/", "/carillon.json"):
            async with session.get(base + path) as response:
                body = await response.content.read(MAX_BODY)
                if response.status != 200:
                    return Reply(f"HTTP {response.status}", response.status)
        about = json.loads(body)
        domain = about.get("domain") if isinstance(about, dict) else None
        if domain != settings.xmpp.domain:
            return Reply(f"what answers is the front of {domain or 'nobody'}")
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        return Reply(why(failure))
    except ValueError:
        return Reply("what answers is not carillon's front")
    return Reply()


async def _host_meta(session: aiohttp.ClientSession, base: str, settings: Settings) -> Reply:
    """Read where clients are led (XEP-0156)."""
    try:
        async with session.get(f"{base}/.well-known/host-meta.json") as response:
            if response.status != 200:
                return Reply(f"HTTP {response.status}", response.status)
            links = {one["rel"]: one["href"] for one in json.loads(await response.read())["links"]}
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        return Reply(why(failure))
    except (ValueError, TypeError, KeyError):
        return Reply("it is no host-meta")
    public = settings.front.public_url.rstrip("/")
    wanted = {WEBSOCKET_RELATION: f"ws{public.removeprefix('http')}{WEBSOCKET}", BOSH_RELATION: public + BOSH}
    wrong = [str(links.get(rel)) for rel, href in wanted.items() if links.get(rel) != href]
    return Reply(f"it leads clients to {wrong[0]}" if wrong else "")


async def _open_websocket(
    session: aiohttp.ClientSession, base: str, settings: Settings
) -> tuple[Reply, Reply]:
    """Upgrade, and open a stream for guests (RFC 7395 §3.4)."""
    try:
        async with session.ws_connect(base + WEBSOCKET, protocols=["xmpp"]) as socket:
            host = settings.xmpp.guest_domain
            await socket.send_str(f"<open xmlns='{_FRAMING}' to={quoteattr(host)} version='1.0'/>")
            for _ in range(2):  # <open/>, then the features
                text = await socket.receive_str(timeout=HTTP_S)
                if "features" in text.partition(">")[0]:
                    await socket.send_str(f"<close xmlns='{_FRAMING}'/>")
                    return Reply(), Reply()
            return Reply(), Reply(_condition(text))
    except aiohttp.WSServerHandshakeError as refusal:
        return Reply(f"HTTP {refusal.status} instead of an upgrade", refusal.status), Reply()
    except TypeError:  # aiohttp: the WebSocket was closed instead
        return Reply(), Reply("the front closes it at once")
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        return Reply(why(failure)), Reply()


async def _open_bosh(session: aiohttp.ClientSession, base: str, settings: Settings) -> Reply:
    """Make a session for guests and end it (XEP-0124 §7.1, §13)."""
    rid, host = secrets.randbelow(2**40), settings.xmpp.guest_domain
    create = (
        f"<body xmlns='{_HTTPBIND}' xmlns:xmpp='urn:xmpp:xbosh' rid='{rid}' to={quoteattr(host)} ver='1.11'"
        " wait='2' hold='1' xml:lang='en' xmpp:version='1.0'/>"
    )
    try:
        answer = await _post(session, base + BOSH, create)
        if answer.get("type") == "terminate":
            return Reply(f"the front ends it: {answer.get('condition', 'without a reason')}")
        sid = quoteattr(answer.get("sid", ""))
        await _post(
            session, base + BOSH, f"<body xmlns='{_HTTPBIND}' rid='{rid + 1}' sid={sid} type='terminate'/>"
        )
    except aiohttp.ClientResponseError as refusal:
        return Reply(f"HTTP {refusal.status}", refusal.status)
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        return Reply(why(failure))
    except ElementTree.ParseError:
        return Reply("what answers is not BOSH")
    return Reply()


async def _post(session: aiohttp.ClientSession, url: str, body: str) -> ElementTree.Element:
    headers = {"Content-Type": "text/xml; charset=utf-8"}
    async with session.post(url, data=body.encode(), headers=headers, raise_for_status=True) as response:
        return ElementTree.fromstring(await response.content.read(MAX_BODY))


def _condition(text: str) -> str:
    """What a stream error says, in the words of RFC 6120 §4.9.3; or that there is none."""
    for condition in ("host-unknown", "remote-connection-failed", "policy-violation"):
        if condition in text:
            return condition
    return "no stream features came"
