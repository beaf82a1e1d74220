"""One client's XMPP over WebSocket, joined to its stream on the XMPP server: a shell around `XmppStream`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import structlog

from bosh.closing import CLOSE_TIMEOUT_S, close_lingering, close_soon
from bosh.context import Context
from bosh.joined_connection import JoinedConnection
from bosh.metrics import MESSAGES, REFUSED, SESSIONS
from bosh.server_stream import UNAUTHENTICATED_BYTES
from bosh.websocket_frame import (
    Close,
    CloseCode,
    FrameReceiver,
    Opcode,
    Ping,
    Text,
    WebSocketError,
    close_frame,
    frame,
)
from bosh.websocket_handshake import movable_url
from bosh.xmpp_stream import XmppStream

PING_INTERVAL_S = 25.0
"""Below the 30 s after which the strictest proxies cut; no sign of life from one to the next means lost."""

log = structlog.get_logger()
_SESSIONS = SESSIONS.labels(kind="xmpp")
_TO_CLIENT = MESSAGES.labels(direction="to_client")
_TO_SERVER = MESSAGES.labels(direction="to_server")


class XmppWebSocket(JoinedConnection):
    """Implements StreamOutput. What one read causes leaves in one write per side."""

    def __init__(
        self,
        context: Context,
        transport: asyncio.Transport,
        source: str,
        lost: Callable[[], None],
        follows: bool = False,
    ) -> None:
        """`follows`: the client has said that it goes where it is sent (MOVABLE)."""
        super().__init__(transport, lost)
        self._follows = follows
        self._context = context
        self._source = source
        settings = context.settings
        domains = frozenset((settings.xmpp.domain, settings.xmpp.guest_domain))
        self._stream = XmppStream(self, domains, settings.limits, lambda: secrets.token_hex(16))
        self._receiver = FrameReceiver(UNAUTHENTICATED_BYTES)
        self._to_client: list[bytes] = []
        self._to_upstream: list[bytes] = []
        self._heard = True
        """Whether anything came since the last ping."""
        self._close_sent = False
        self._over = False
        """Whether nothing more is read or written."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._login_by = now + settings.limits.handshake_timeout_s
        self._ping_at = now + PING_INTERVAL_S
        self._close_by: float | None = None
        self._timer = loop.call_at(min(self._login_by, self._ping_at), self._tick)
        _SESSIONS.inc()

    # the client

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        if self._over:
            return
        self._heard = True
        try:
            events = self._receiver.receive(data)
        except WebSocketError as error:
            REFUSED.labels("websocket", str(int(error.code))).inc()
            log.info("WebSocket refused", source=self._source, code=int(error.code), reason=str(error))
            self._close_websocket(error.code, str(error))
            close_lingering(self.client)
            return
        last_ping: bytes | None = None
        for event in events:
            if isinstance(event, Text):
                self._stream.receive_message(event.data)
            elif isinstance(event, Ping):
                last_ping = event.data
            elif isinstance(event, Close):
                self._close_websocket(event.code or CloseCode.NORMAL)
                close_soon(self.client)
                return
        if last_ping is not None and not self._close_sent:
            self._to_client.append(frame(Opcode.PONG, last_ping))  # RFC 6455 §5.5.3: the latest is enough
        self._flush()

    def client_lost(self) -> None:
        """The client is gone."""
        self._timer.cancel()
        _SESSIONS.dec()

    # StreamOutput

    def connect(self, domain: str) -> None:
        """Connect to the XMPP server: it serves all our domains."""
        self.upstream.connect_to_server(self._context.settings)

    def send_client(self, message: bytes) -> None:
        """Queue one message."""
        if not self._close_sent:
            self._to_client.append(frame(Opcode.TEXT, message))

    def send_upstream(self, data: bytes) -> None:
        """Queue bytes for the server."""
        self._to_upstream.append(data)

    def close_upstream(self) -> None:
        """End the server's connection after what is queued."""
        self._flush()
        self.upstream.close()

    def closing(self) -> None:
        """Give the client a bounded time from now."""
        if self._close_by is None:
            self._close_by = asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S
            self._rearm()

    def close_client(self) -> None:
        """Begin the closing handshake; the client has CLOSE_TIMEOUT_S for its part."""
        if not self._close_sent:
            self._to_client.append(close_frame(CloseCode.NORMAL))
            self._close_sent = True
            self._flush()
            self.closing()

    def refused(self, condition: str, text: str) -> None:
        """Count and log a stream error of ours."""
        REFUSED.labels("xmpp", condition).inc()
        log.info("stream refused", source=self._source, condition=condition, reason=text)

    # the server

    def upstream_made(self) -> None:
        """Connected."""
        self._stream.upstream_connected()
        self._flush()

    def upstream_failed(self, error: OSError) -> None:
        """Not connected."""
        log.warning("XMPP server not reachable", error=str(error) or "timed out")
        self._stream.upstream_failed()
        self._flush()

    def upstream_received(self, data: bytes) -> None:
        """Bytes of the server."""
        self._stream.receive_upstream(data)
        if self._stream.authenticated:
            self._receiver.max_message_bytes = self._context.settings.limits.stanza_bytes
        self._flush()

    def upstream_lost(self) -> None:
        """The server ended the connection."""
        self._stream.upstream_lost()
        self._flush()

    # writing, closing, time

    def _flush(self) -> None:
        if self._to_client:
            _TO_CLIENT.inc(len(self._to_client))
            data, self._to_client = b"".join(self._to_client), []
            if not self._over and not self.client.is_closing():
                self.client.write(data)
        if self._to_upstream:
            _TO_SERVER.inc(len(self._to_upstream))
            data, self._to_upstream = b"".join(self._to_upstream), []
            self.upstream.write(data)

    def _close_websocket(self, code: int, reason: str = "") -> None:
        """Say the last word; the caller ends the connection."""
        if not self._close_sent:
            self._to_client.append(close_frame(code, reason))
            self._close_sent = True
        self.close_upstream()
        self._over = True

    @property
    def movable(self) -> bool:
        """Whether the client comes on another connection when it is told, and loses nothing."""
        return self._follows and self._stream.resumable

    def move(self) -> None:
        """Have the client come on another connection."""
        if self.movable and not self._over:
            self._stream.move(movable_url(self._context.settings))
            self._flush()

    def shut_down(self) -> None:
        """The front stops; the server keeps a session with XEP-0198 because the stream is not ended."""
        self.move()
        self._close_websocket(CloseCode.GOING_AWAY, "the server is restarting")
        close_soon(self.client)

    def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._close_by is not None:
            if now >= self._close_by:
                self._stream.upstream_lost()  # a server that does not end its stream must not hold the client
                self._close_websocket(CloseCode.NORMAL)
                close_lingering(self.client)
                return
        elif not self._stream.authenticated and now >= self._login_by:
            self._stream.time_out()
            self._close_websocket(CloseCode.POLICY_VIOLATION, "no login in time")
            close_lingering(self.client)
            return
        elif now >= self._ping_at:
            if not self._heard and not self.upstream.full:  # else we do not listen
                self.client.abort()
                return
            self._heard = False
            self._ping_at = now + PING_INTERVAL_S
            self._to_client.append(frame(Opcode.PING))
            self._flush()
        self._rearm()

    def _rearm(self) -> None:
        deadlines = [self._ping_at if self._close_by is None else self._close_by]
        if self._close_by is None and not self._stream.authenticated:
            deadlines.append(self._login_by)
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(min(deadlines), self._tick)
