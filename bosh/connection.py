"""One client's connection to the front: HTTP until it becomes a WebSocket."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import structlog

from bosh.closing import close_lingering, close_soon
from bosh.connection_limits import Admission
from bosh.context import Context
from bosh.http import HttpError, Request, Response, head_end, parse_head, text_response
from bosh.http_bind import PATH as BOSH
from bosh.http_exchange import After, HttpExchange
from bosh.keepalive import probe_client
from bosh.metrics import CONNECTIONS, REFUSED, RESPONSES
from bosh.server_stream import UNAUTHENTICATED_BYTES
from bosh.tunnel import PREFIX, Tunnel, check_request
from bosh.upstream import WRITE_BUFFER_BYTES
from bosh.websocket_handshake import MOVABLE, accept_xmpp
from bosh.websocket_handshake import PATH as WEBSOCKET
from bosh.xmpp_websocket import XmppWebSocket
from carillon.guard.addresses import source

PIPELINED = 8
"""Requests taken of a connection before the first of them is answered: BOSH needs three at most."""
BEGINNING_BYTES = 1024
"""What of a long body must be there to tell whose it is."""

log = structlog.get_logger()
_POSTS = frozenset((BOSH,))


class Connection(asyncio.Protocol):
    """Answers requests in their order; hands its transport over when one of them opens a WebSocket."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._buffer = bytearray()
        self._exchanges: deque[HttpExchange] = deque()
        """Requests whose responses have not been sent."""
        self._posted: Request | None = None
        """The request whose body is awaited."""
        self._blocked = False
        """Whether so many wait that no further one is taken."""
        self._taking = False
        """Whether `_requests` is at work."""
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
        self._peer = peer[0]
        self._by_proxy = self._context.proxies.trusts(self._peer)
        self._source = source(self._peer)
        self._counted = None if self._by_proxy or not self._peer else self._source
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        probe_client(transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._context.settings.limits.handshake_timeout_s, self._late)
        self._context.add(self)
        CONNECTIONS.inc()
        admission = self._context.limits.admit(self._counted)
        if admission is Admission.ADMITTED:
            self._admitted = True
        else:
            self._refuse(admission)

    def _refuse(self, admission: Admission) -> None:
        """Answer a connection that is one too many."""
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
        self._arm()

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

    def leave(self) -> None:
        """Another process answers new connections: this one ends with its next response."""
        for exchange in self._exchanges:
            exchange.last()

    def shut_down(self) -> None:
        """The front stops."""
        self._ended = True
        close_soon(self._transport)

    # requests

    def _requests(self) -> None:
        """Take the requests that are whole, as long as the client takes the answers."""
        if self._taking:
            return
        self._taking = True
        request: Request | None = None
        try:
            while (self._buffer or self._posted) and self._writable and not self._ended and not self._blocked:
                request = self._posted or self._next_head()
                if request is None:
                    break
                if request.method != "POST":
                    self._request(request)
                elif not self._take_body(request):
                    break
        except HttpError as error:
            REFUSED.labels("http", str(error.status)).inc()
            head_only = request is not None and request.method == "HEAD"
            self._close_with(text_response(error.status, str(error), error.headers), head_only=head_only)
        finally:
            self._taking = False
        if self._exchanges and self._writable:
            self._timer.cancel()  # it is our turn
            if self._blocked:
                self._transport.pause_reading()

    def _next_head(self) -> Request | None:
        end = head_end(self._buffer)
        if end is None:
            return None
        head = bytes(self._buffer[:end])
        del self._buffer[:end]
        request = parse_head(head, _POSTS)
        if self._by_proxy and not self._identify(request):
            return None
        if request.method == "POST":
            self._context.origins.check(request)
            if request.length > self._context.bosh.max_body_bytes:
                raise HttpError(413, "the body is too long")
            self._posted = request
            self._arm()
            if "100-continue" in request.tokens("expect") and not self._exchanges:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return request

    def _identify(self, request: Request) -> bool:
        """Count a proxy's connection as the client's whose request it carries; whether that may be."""
        told = request.headers.get("x-forwarded-for", "")
        self._source = source(self._context.proxies.client(self._peer, told))
        admission = self._context.limits.move(self._counted, self._source)
        if admission is not Admission.ADMITTED:
            self._refuse(admission)
            return False
        self._counted = self._source
        return True

    def _take_body(self, request: Request) -> bool:
        """Take the request with its body if that is whole."""
        length = request.length
        if length > UNAUTHENTICATED_BYTES:
            if len(self._buffer) < BEGINNING_BYTES:
                return False
            if length > self._context.bosh.body_bytes(self._buffer):
                raise HttpError(413, "the body is too long before login")
        if len(self._buffer) < length:
            return False
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._posted = None
        self._post(request, data)
        return True

    def _request(self, request: Request) -> None:
        if request.path == WEBSOCKET:
            self._context.origins.check(request)
            self._open_xmpp(request)
        elif request.path.startswith(PREFIX):
            self._context.origins.check(request)
            check_request(request)
            self._open_tunnel(request)
        elif request.path == BOSH:
            self._context.origins.check(request)
            self._send(self._context.bosh.answer(request), request)
        else:
            self._send(self._context.site.answer(request), request)

    def _post(self, request: Request, data: bytes) -> None:
        """Pass a body on to the sessions of BOSH."""
        self._context.bosh.post(request, data, self._source, self._exchange(request))

    # responses

    def _exchange(self, request: Request) -> HttpExchange:
        exchange = HttpExchange(request, self._flush)
        if self._context.leaving:
            exchange.last()
        self._exchanges.append(exchange)
        self._blocked = len(self._exchanges) >= PIPELINED
        if exchange.after is not After.KEEP:
            self._ended = True
        return exchange

    def _send(self, response: Response, request: Request) -> None:
        self._exchange(request).respond(response)

    def _close_with(self, response: Response, *, head_only: bool = False) -> None:
        """Send a last response, in its turn."""
        self._ended = True
        self._buffer.clear()
        self._posted = None
        exchange = HttpExchange(None, self._flush)
        exchange.head_only = head_only
        self._exchanges.append(exchange)
        exchange.respond(response)

    def _flush(self) -> None:
        """Send the responses whose turn it is."""
        while self._exchanges and (data := self._exchanges[0].data) is not None:
            after = self._exchanges.popleft().after
            if self._transport.is_closing():
                continue
            self._transport.write(data)
            if after is After.CLOSE:
                close_soon(self._transport, self._context.settings.limits.handshake_timeout_s)
            elif after is After.REFUSE:
                close_lingering(self._transport)
        if self._ended:
            return
        if not self._exchanges:
            self._arm()
            if self._by_proxy:  # which may use the connection for somebody else
                self._context.limits.move(self._counted, None)
                self._counted = None
        if self._blocked and len(self._exchanges) < PIPELINED:
            self._blocked = False
            if self._writable:
                self._transport.resume_reading()
        if self._buffer:
            self._requests()

    def _arm(self) -> None:
        """From now on, the next request or some progress in reading the answer is awaited."""
        self._timer.cancel()
        timeout_s = self._context.settings.limits.handshake_timeout_s
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._late)

    def _late(self) -> None:
        """No whole request in time, or an answer that is not read."""
        if (self._buffer or self._posted) and self._writable and not self._ended:
            REFUSED.labels("http", "408").inc()
            self._close_with(text_response(408, "the request took too long"))
        else:
            self._transport.abort()

    # what takes over

    def _open_xmpp(self, request: Request) -> None:
        accepted = accept_xmpp(request)
        self._check_alone()
        if self._context.draining:
            raise HttpError(503, "the server is about to restart", {"Retry-After": "10"})
        RESPONSES.labels("101").inc()
        self._transport.write(accepted)
        follows = request.query == MOVABLE
        self._hand_over(XmppWebSocket(self._context, self._transport, self._source, self._lost, follows))

    def _open_tunnel(self, request: Request) -> None:
        self._check_alone()
        self._hand_over(Tunnel(self._context, self._transport, request, self._lost))

    def _check_alone(self) -> None:
        """Refuse a WebSocket on a connection whose responses have not all been sent."""
        if self._exchanges:
            raise HttpError(400, "a WebSocket is opened when all requests before it are answered")

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
        for exchange in self._exchanges:
            if exchange.on_lost is not None:
                exchange.on_lost()
        self._exchanges.clear()
        self._context.discard(self._session or self)
        if self._admitted:
            self._admitted = False
            self._context.limits.release(self._counted)
        CONNECTIONS.dec()
