"""The bridge channel: JSON messages between client and bridge over a WebSocket (Jitsi's colibri-ws)."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections import deque
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from bridge import strict_json
from bridge.conference import Conference
from bridge.endpoint import Endpoint
from bridge.metrics import MESSAGES_RECEIVED, MESSAGES_SENT, REJECTED
from bridge.registry import Registry
from carillon import __version__
from carillon.guard.buckets import Buckets

logger = structlog.get_logger()

MAX_MESSAGE_BYTES = 65536
"""Of one message in either direction."""
MAX_QUEUED_BYTES = 1 << 19
"""What waits for a slow client before its channel is closed."""
MESSAGES_PER_SECOND = 50.0
MESSAGE_BURST = 200.0
"""Messages of one client: layout changes come in bursts, statistics every few seconds."""
HEARTBEAT_S = 30.0
"""A client that does not answer a ping within half of this is gone."""

SERVER_HELLO = {"colibriClass": "ServerHello", "version": __version__}


class Channel:
    """One open socket, with a bounded queue of what is to be sent."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._queue: deque[str] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._code: WSCloseCode | None = None

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message; a client that does not read fast enough is disconnected."""
        if self._code is not None:
            return
        text = json.dumps(message, separators=(",", ":"))
        if self._queued_bytes + len(text) > MAX_QUEUED_BYTES:
            REJECTED.labels("channel", "slow").inc()
            self._end(WSCloseCode.TRY_AGAIN_LATER)
            return
        self._queue.append(text)
        self._queued_bytes += len(text)
        self._wake.set()

    def close(self) -> None:
        """Close the socket after what is queued."""
        self._end(WSCloseCode.GOING_AWAY)

    def _end(self, code: WSCloseCode) -> None:
        if self._code is None:
            self._code = code
            self._wake.set()

    async def write(self) -> None:
        """Send what is queued, until closed."""
        while True:
            while self._queue:
                text = self._queue.popleft()
                await self._socket.send_str(text)
                self._queued_bytes -= len(text)
                MESSAGES_SENT.inc()
            if self._code is not None:
                await self._socket.close(code=self._code)
                return
            self._wake.clear()
            await self._wake.wait()


class ChannelEndpoint:
    """The HTTP resource /colibri-ws/SERVER-ID/{meeting}/{endpoint}?pwd=…"""

    def __init__(self, registry: Registry, server_id: str) -> None:
        self._registry = registry
        self._server_id = server_id
        self._buckets = Buckets(MESSAGES_PER_SECOND, MESSAGE_BURST)

    def routes(self) -> list[web.RouteDef]:
        """For the application that serves it."""
        return [web.get(f"/colibri-ws/{self._server_id}/{{meeting}}/{{endpoint}}", self.handle)]

    def _authenticated(self, request: web.Request) -> tuple[Conference, Endpoint]:
        """Whose channel it is. Everything wrong looks the same from outside."""
        conference = self._registry.conferences.get(request.match_info["meeting"])
        endpoint = (
            conference.endpoints.get(request.match_info["endpoint"]) if conference is not None else None
        )
        given = request.query.get("pwd", "").encode()
        expected = endpoint.channel_password.encode() if endpoint is not None else b""
        if conference is None or endpoint is None or not hmac.compare_digest(given, expected):
            REJECTED.labels("channel", "password").inc()
            raise web.HTTPForbidden(text="authentication failed")
        return conference, endpoint

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one bridge channel until either side closes it."""
        conference, endpoint = self._authenticated(request)
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, compress=False, timeout=5.0
        )
        await socket.prepare(request)
        channel = Channel(socket)
        endpoint.open_channel(channel)
        writer = asyncio.create_task(channel.write())
        try:
            channel.send(SERVER_HELLO)
            conference.router.channel_open(endpoint.id, asyncio.get_running_loop().time())
            await self._read(socket, channel, conference, endpoint)
        finally:
            if endpoint.channel is channel:
                endpoint.channel = None
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writer
        return socket

    async def _read(
        self, socket: web.WebSocketResponse, channel: Channel, conference: Conference, endpoint: Endpoint
    ) -> None:
        loop = asyncio.get_running_loop()
        async for frame in socket:
            if endpoint.channel is not channel:
                return
            if frame.type is not WSMsgType.TEXT:
                REJECTED.labels("channel", "binary").inc()
            elif not self._buckets.take(endpoint.channel_password, loop.time()):
                REJECTED.labels("channel", "rate").inc()
            else:
                self._receive(frame.data, channel, conference, endpoint, now=loop.time())

    def _receive(
        self, text: str, channel: Channel, conference: Conference, endpoint: Endpoint, *, now: float
    ) -> None:
        try:
            message = strict_json.parse(text)
        except strict_json.JsonError:
            REJECTED.labels("channel", "json").inc()
            return
        if not isinstance(message, dict):
            REJECTED.labels("channel", "json").inc()
            return
        MESSAGES_RECEIVED.inc()
        if message.get("colibriClass") == "ClientHello":
            channel.send(SERVER_HELLO)
            return
        message["from"] = endpoint.id  # whatever the client claims
        try:
            conference.router.receive_message(endpoint.id, message, now)
        except Exception:
            REJECTED.labels("channel", "internal").inc()
            logger.exception("a bridge channel message was dropped by an error")
