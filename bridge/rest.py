"""The REST interface (the paths, bodies and statuses of Jitsi Videobridge) over Colibri2 as JSON."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from aiohttp import web

from bridge import colibri, strict_json
from bridge.colibri import Refusal, Site
from bridge.metrics import REJECTED
from bridge.registry import Registry
from bridge.statistics import Statistics
from carillon import __version__
from jingle.colibri2 import Colibri2Error, ConferenceModify, modified_json, parse_modify_json

MAX_BODY_BYTES = 1 << 18
STATUS = {
    "conference_not_found": 404,
    "unknown_endpoint": 404,
    "conference_already_exists": 409,
    "graceful_shutdown": 503,
    "feature_not_implemented": 501,
    "unspecified": 400,
}
"""HTTP statuses of Colibri2's reasons; JVB's own is 400 for all of them but an unknown conference."""


def _refuse(status: int, reason: str, text: str) -> web.Response:
    REJECTED.labels("rest", str(status)).inc()
    return web.json_response({"reason": reason, "text": text}, status=status)


def refusal(error: Colibri2Error) -> web.Response:
    """The one place where a refusal becomes HTTP."""
    status = error.status if isinstance(error, Refusal) else STATUS.get(error.reason, 400)
    return _refuse(status, error.reason, error.text)


@web.middleware
async def programs_only(request: web.Request, handler: Any) -> web.StreamResponse:
    """Nothing but a program beside us uses this interface: a web page that reaches it is up to no good."""
    if "Origin" in request.headers and not request.path.startswith("/colibri-ws/"):
        return _refuse(403, "unspecified", "not for browsers")
    response: web.StreamResponse = await handler(request)
    return response


class Rest:
    """See the module."""

    def __init__(self, registry: Registry, site: Site, statistics: Statistics) -> None:
        self._registry = registry
        self._site = site
        self._statistics = statistics

    def routes(self) -> list[web.RouteDef]:
        """For the application that serves it."""
        return [
            web.post("/colibri/v2/conferences", self.create),
            web.post("/colibri/v2/conferences/", self.create),
            web.patch("/colibri/v2/conferences/{meeting}", self.modify),
            web.get("/colibri/v2/conferences/{meeting}", self.show),
            web.get("/colibri/stats", self.stats),
            web.get("/colibri/drain", self.drain),
            web.post("/colibri/drain/enable", self.drain_enable),
            web.post("/colibri/drain/disable", self.drain_disable),
            web.get("/about/health", self.health),
            web.get("/about/version", self.version),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """POST /colibri/v2/conferences."""
        return await self._modify(request, "")

    async def modify(self, request: web.Request) -> web.Response:
        """PATCH /colibri/v2/conferences/{meeting}."""
        meeting = request.match_info["meeting"]
        if meeting not in self._registry.conferences:
            return _refuse(404, "conference_not_found", f"no conference {meeting}")
        return await self._modify(request, meeting)

    async def _modify(self, request: web.Request, meeting: str) -> web.Response:
        if request.content_type != "application/json":
            return _refuse(415, "unspecified", "Content-Type is not application/json")
        try:
            wanted = _parse(await request.read(), meeting)
            now = asyncio.get_running_loop().time()
            answer = colibri.modify(self._registry, self._site, wanted, now)
        except Colibri2Error as error:
            return refusal(error)
        return web.json_response(modified_json(answer))

    async def show(self, request: web.Request) -> web.Response:
        """GET /colibri/v2/conferences/{meeting}: what an operator wants to see."""
        conference = self._registry.conferences.get(request.match_info["meeting"])
        if conference is None:
            return _refuse(404, "conference_not_found", "no such conference")
        now = asyncio.get_running_loop().time()
        return web.json_response(self._statistics.conference(conference, now))

    async def stats(self, request: web.Request) -> web.Response:
        """GET /colibri/stats."""
        now = asyncio.get_running_loop().time()
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return web.json_response({**self._statistics.all(now), "current_timestamp": moment})

    async def drain(self, request: web.Request) -> web.Response:
        """GET /colibri/drain."""
        return web.json_response({"drain": self._registry.draining})

    async def drain_enable(self, request: web.Request) -> web.Response:
        """POST /colibri/drain/enable: accept no new conference."""
        self._registry.draining = True
        return web.Response()

    async def drain_disable(self, request: web.Request) -> web.Response:
        """POST /colibri/drain/disable."""
        self._registry.draining = False
        return web.Response()

    async def health(self, request: web.Request) -> web.Response:
        """GET /about/health: this listener is closed when the bridge has trouble, so there is one answer."""
        return web.Response()

    async def version(self, request: web.Request) -> web.Response:
        """GET /about/version."""
        return web.json_response({"name": "carillon", "version": __version__, "os": ""})


def _parse(body: bytes, meeting: str) -> ConferenceModify:
    try:
        value = strict_json.parse(body)
    except strict_json.JsonError as error:
        raise Refusal(400, str(error)) from None
    return parse_modify_json(value, meeting)
