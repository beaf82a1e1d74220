"""The proxy's resources in the relay's control API (JSON over HTTP on a UNIX socket).

`PUT /socks5/streams/HASH` with `{"initiator", "target"}`, two bare JIDs, activates a stream: 204, or an error
whose `condition` is the one of XEP-0065. `GET /socks5/streams` lists what is active.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from relay.socks5.proxy import Proxy
from relay.socks5.streams import ActivationRefused

MAX_JID_BYTES: Final = 3071
"""RFC 7622 §3.1."""
_STATUS: Final = {
    "item-not-found": 404,
    "not-allowed": 409,
    "conflict": 409,
    "resource-constraint": 503,
    "internal-server-error": 500,
}
_is_digest = re.compile(r"[0-9a-f]{40}").fullmatch


class Socks5Control:
    """The resources; `proxy` gives what they are about, None before the relay has started."""

    def __init__(self, proxy: Callable[[], Proxy | None]) -> None:
        self._proxy = proxy

    def routes(self) -> list[web.RouteDef]:
        """What the relay adds to its control API."""
        return [
            web.put("/socks5/streams/{digest}", self._activate),
            web.get("/socks5/streams", self._streams),
        ]

    async def _activate(self, request: web.Request) -> web.Response:
        proxy = self._proxy()
        if proxy is None:
            return _refusal("internal-server-error", 503)
        if proxy.away and request.transport:
            # An older connection of the component's: it asks again, and reaches whoever has the stream.
            request.transport.abort()
            return _refusal("internal-server-error", 503)
        try:
            digest, (initiator, target) = _hash(request.match_info["digest"]), _jids(await request.json())
        except ValueError:
            return _refusal("bad-request", 400)
        try:
            proxy.activate(digest, initiator, target)
        except ActivationRefused as refusal:
            proxy.counters.activations[refusal.condition] += 1
            return _refusal(refusal.condition, _STATUS[refusal.condition])
        proxy.counters.activations[""] += 1
        return web.Response(status=204)

    async def _streams(self, _request: web.Request) -> web.Response:
        proxy = self._proxy()
        return web.json_response(proxy.summaries() if proxy else [])


def _hash(text: str) -> str:
    if not _is_digest(text):
        raise ValueError("no hash")
    return text


def _jids(body: Any) -> tuple[str, str]:
    """Initiator and target. Raises ValueError."""
    if not isinstance(body, dict):
        raise ValueError("no object")
    initiator, target = body.get("initiator"), body.get("target")
    for jid in (initiator, target):
        if not isinstance(jid, str) or not 0 < len(jid.encode()) <= MAX_JID_BYTES:
            raise ValueError("no JID")
    return str(initiator), str(target)


def _refusal(condition: str, status: int) -> web.Response:
    return web.json_response({"condition": condition}, status=status)
