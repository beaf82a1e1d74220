"""A bridge without media: the REST surface of Colibri2, enough for the focus."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from jingle.colibri2 import (
    Colibri2Error,
    ConferenceModified,
    ConferenceModify,
    Endpoint,
    Transport,
    modified_json,
    parse_modify_json,
)
from tests.component.focus_room import bridge_transport


@dataclass
class StubBridge:
    """Keeps endpoints by conference, and every request in its order."""

    conferences: dict[str, dict[str, Endpoint]] = field(default_factory=dict)
    requests: list[ConferenceModify] = field(default_factory=list)
    url: str = ""
    says: dict[str, Any] = field(default_factory=lambda: {"instance": "stub", "healthy": True})
    """What it says of itself."""
    hangs: asyncio.Event | None = None
    """What all requests wait for."""
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback interface."""
        app = web.Application(middlewares=[self._wait])
        app.router.add_get("/colibri/stats", self._stats)
        app.router.add_post("/colibri/v2/conferences", self._create)
        app.router.add_patch("/colibri/v2/conferences/{meeting}", self._modify)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _wait(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.hangs is not None:
            await self.hangs.wait()
        response: web.StreamResponse = await handler(request)
        return response

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.says)

    async def _create(self, request: web.Request) -> web.Response:
        modify = parse_modify_json(await request.json())
        if modify.meeting_id in self.conferences:
            return _error(409, "conference_already_exists")
        self.conferences[modify.meeting_id] = {}
        return self._do(modify)

    async def _modify(self, request: web.Request) -> web.Response:
        modify = parse_modify_json(await request.json(), request.match_info["meeting"])
        if modify.meeting_id not in self.conferences:
            return _error(404, "conference_not_found")
        return self._do(modify)

    def _do(self, modify: ConferenceModify) -> web.Response:
        self.requests.append(modify)
        endpoints = self.conferences[modify.meeting_id]
        made: list[Endpoint] = []
        for endpoint in modify.endpoints:
            if endpoint.expire:
                endpoints.pop(endpoint.id, None)
            elif endpoint.create:
                endpoints[endpoint.id] = endpoint
                made.append(Endpoint(endpoint.id, transport=Transport(ice=bridge_transport(endpoint.id))))
            elif endpoint.id not in endpoints:
                return _error(404, "unknown_endpoint")
        if modify.expire:
            del self.conferences[modify.meeting_id]
        return web.json_response(modified_json(ConferenceModified(tuple(made))))


def _error(status: int, reason: str) -> web.Response:
    return web.json_response({"reason": reason, "text": str(Colibri2Error(reason))}, status=status)
