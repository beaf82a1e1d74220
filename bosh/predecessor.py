"""BOSH sessions of a front that this one has replaced: their requests come to us, and are passed on to it.

A session cannot be handed over while it runs without losing what is under way. It stays with the process it
began in, which listens on a UNIX socket for the requests that clients send on new connections; when the last
session has ended, that process ends and the socket with it.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol, cast

import structlog

from bosh.bosh_body import Condition, terminal_body
from bosh.http import Request

MAX_RESPONSE_BYTES = 4 << 20
"""What a response of our own predecessor never exceeds."""

log = structlog.get_logger()
_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
_CONTENT_TYPE = re.compile(rb"\r\nContent-Type: ([^\r\n]*)")


class Waiting(Protocol):
    """The exchange of a client that waits for its response."""

    content_type: str

    def respond(self, body: bytes) -> None:
        """Answer with a body of BOSH."""

    def refuse(self, status: int, text: str) -> None:
        """Answer without BOSH."""


class Predecessor:
    """The front that this one has replaced, as long as it is there."""

    def __init__(self, path: str) -> None:
        """`path` is its UNIX socket."""
        self._path = path
        self._passing: set[asyncio.Task[None]] = set()
        self.gone = False
        """Whether it does not listen any more."""

    def post(self, request: Request, body: bytes, waiting: Waiting) -> _Passing:
        """Pass a request on; the client gets the answer."""
        passing = _Passing(_encode(request, body), waiting)
        task = asyncio.get_running_loop().create_task(self._connect(passing))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        return passing

    async def _connect(self, passing: _Passing) -> None:
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: passing, self._path)
        except OSError:
            if not self.gone:
                log.info("the front of before has ended")
            self.gone = True
            passing.no_session()


class _Passing(asyncio.Protocol):
    """One request on its way, on a connection of its own."""

    def __init__(self, request: bytes, waiting: Waiting) -> None:
        self._request = request
        self._waiting = waiting
        self._response = bytearray()
        self._transport: asyncio.Transport | None = None
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: ask."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self._lost:
            self._transport.abort()
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """A piece of the answer, whose end is that of the connection."""
        self._response += data
        if len(self._response) > MAX_RESPONSE_BYTES and self._transport is not None:
            self._response.clear()
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """All of it is here, or nothing will come."""
        head, end, body = bytes(self._response).partition(b"\r\n\r\n")
        status, kind = _HEAD.match(head), _CONTENT_TYPE.search(head)
        if not end or status is None:
            self.no_session()
        elif status[1] != b"200":
            self._waiting.refuse(int(status[1]), "the front of before refuses the request")
        else:
            if kind is not None:
                self._waiting.content_type = kind[1].decode("latin-1")
            self._waiting.respond(body)

    def client_lost(self) -> None:
        """The client has gone: so does its request."""
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    def no_session(self) -> None:
        """The session has ended with the process that led it."""
        self._waiting.respond(terminal_body(Condition.ITEM_NOT_FOUND))


def _encode(request: Request, body: bytes) -> bytes:
    origin = request.headers.get("origin")
    lines = [
        f"POST {request.path} HTTP/1.1",
        "Host: predecessor",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *([f"Origin: {origin}"] if origin else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
