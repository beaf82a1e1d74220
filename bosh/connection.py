"""One client's connection to the front: HTTP until it becomes a WebSocket."""

from __future__ import annotations

import asyncio
from typing import cast

import structlog

from bosh.closing import close_lingering, close_soon
from bosh.connection_limits import Admission
from bosh.context import Context
from bosh.http import HttpError, Request, Response, encode, head_end, parse_head, text_response
from bosh.joined_connection import WRITE_BUFFER_BYTES
from bosh.metrics import CONNECTIONS, REFUSED, RESPONSES
from bosh.tunnel import PREFIX, Tunnel, check_request
from bosh.websocket_handshake import accept_xmpp
from bosh.xmpp_websocket import XmppWebSocket
from carillon.guard.addresses import source

WEBSOCKET = "/xmpp-websocket"
BOSH = "/http-bind"

log = structlog.get_logger()


class Connection(asyncio.Protocol):
    """Answers requests one after the other; hands its transport over when one of them opens a WebSocket."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._buffer = bytearray()
        self._writable = True
        self._admitted = False
        self._ended = False
        """Whether no further request is taken."""
        self._session: XmppWebSocket | Tunnel | None = None
        """What has taken over the transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the source, or refuse it."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        peer = transport.get_extra_info("peername") or ("",)  # a client that has gone again has no name
        self._source = source(peer[0])
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._context.settings.limits.handshake_timeout_s, self._late)
        self._context.add(self)
        CONNECTIONS.inc()
        admission = self._context.limits.admit(self._source)
        if admission is Admission.ADMITTED:
            self._admitted = True
            return
        REFUSED.labels("connection", admission.value).inc()
        log.warning("connection refused", source=self._source, limit=admission.value)
        status = 429 if admission is Admission.SOURCE_FULL else 503
        self._close_with(text_response(status, "too many connections", {"Retry-After": "10"}))

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        if not self._ended:
            self._buffer += data
            self._requests()

    def pause_writing(self) -> None:
        """The client does not read: neither do we, and if it stays so, it is cut."""
        self._writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._writable = True
        if not self._ended:
            self._arm()
            self._transport.resume_reading()
            self._requests()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._lost()

    def shut_down(self) -> None:
        """The front stops."""
        self._ended = True
        close_soon(self._transport)

    def _requests(self) -> None:
        """Answer the requests that are whole, as long as the client takes the answers."""
        request: Request | None = None
        try:
            while self._writable and not self._ended and (end := head_end(self._buffer)) is not None:
                head = bytes(self._buffer[:end])
                del self._buffer[:end]
                request = parse_head(head)
                self._request(request)
        except HttpError as error:
            REFUSED.labels("http", str(error.status)).inc()
            head_only = request is not None and request.method == "HEAD"
            self._close_with(text_response(error.status, str(error), error.headers), head_only=head_only)

    def _request(self, request: Request) -> None:
        if request.path == WEBSOCKET:
            self._context.check_origin(request)
            self._open_xmpp(accept_xmpp(request))
        elif request.path.startswith(PREFIX):
            self._context.check_origin(request)
            check_request(request)
            self._open_tunnel(request)
        elif request.path == BOSH:
            raise HttpError(404, "BOSH is not served here; use WebSocket")
        else:
            self._send(self._context.site.answer(request), request)

    def _send(self, response: Response, request: Request) -> None:
        RESPONSES.labels(str(response.status)).inc()
        head_only = request.method == "HEAD"
        self._transport.write(encode(response, head_only=head_only, keep_alive=request.keep_alive))
        if request.keep_alive:
            self._arm()
        else:
            self._ended = True
            close_soon(self._transport, self._context.settings.limits.handshake_timeout_s)

    def _close_with(self, response: Response, *, head_only: bool = False) -> None:
        """Send a last response."""
        RESPONSES.labels(str(response.status)).inc()
        self._ended = True
        self._buffer.clear()
        self._transport.write(encode(response, head_only=head_only))
        close_lingering(self._transport)

    def _arm(self) -> None:
        """From now on, the next request or some progress in reading the answer is awaited."""
        self._timer.cancel()
        timeout_s = self._context.settings.limits.handshake_timeout_s
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._late)

    def _late(self) -> None:
        """No whole request in time, or an answer that is not read."""
        if self._buffer and self._writable and not self._ended:
            REFUSED.labels("http", "408").inc()
            self._close_with(text_response(408, "the request took too long"))
        else:
            self._transport.abort()

    def _open_xmpp(self, accepted: bytes) -> None:
        RESPONSES.labels("101").inc()
        self._transport.write(accepted)
        self._hand_over(XmppWebSocket(self._context, self._transport, self._source, self._lost))

    def _open_tunnel(self, request: Request) -> None:
        self._hand_over(Tunnel(self._context, self._transport, request, self._lost))

    def _hand_over(self, session: XmppWebSocket | Tunnel) -> None:
        """From now on the session is the protocol of the transport; `_lost` tells us its end."""
        self._ended = True
        self._timer.cancel()
        self._session = session
        self._context.discard(self)
        self._context.add(session)
        self._transport.set_protocol(session)
        if self._buffer:
            early = bytes(self._buffer)
            self._buffer.clear()
            session.data_received(early)

    def _lost(self) -> None:
        self._ended = True
        self._timer.cancel()
        self._context.discard(self._session or self)
        if self._admitted:
            self._admitted = False
            self._context.limits.release(self._source)
        CONNECTIONS.dec()
