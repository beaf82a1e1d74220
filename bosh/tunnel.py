"""/colibri-ws/: the bridge channel's WebSocket, passed to the media bridge as bytes.

The bridge's REST API stands behind the same listener, so nothing but one WebSocket request passes: its path
is checked, and the client's bytes follow only after the bridge has answered 101.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import structlog

from bosh.closing import close_lingering, close_soon
from bosh.context import Context
from bosh.http import HEAD_BYTES, HttpError, Request, encode, text_response
from bosh.joined_connection import JoinedConnection
from bosh.metrics import REFUSED, RESPONSES, SESSIONS
from bosh.websocket_handshake import check_upgrade
from carillon.settings import Settings
from carillon.settings.rules import host_and_port

PREFIX = "/colibri-ws/"

log = structlog.get_logger()
_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ")
_HIDDEN = (b"server:", b"date:")
_SESSIONS = SESSIONS.labels(kind="bridge")


def check_request(request: Request) -> None:
    """Refuse what is not one plain WebSocket request below PREFIX. Raises HttpError."""
    check_upgrade(request)
    segments = request.path.removeprefix(PREFIX).split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments) or not _QUERY.fullmatch(request.query):
        raise HttpError(400, "not an address of a bridge channel")


def bridge_of(request: Request, settings: Settings) -> tuple[str, int]:
    """Where the bridge listens whose channel is asked for.

    What its name is not that of a further bridge is for the first: JVB's own may be called anything.
    """
    name = request.path.removeprefix(PREFIX).partition("/")[0]
    return host_and_port(settings.bridges.get(name, settings.bridge).rest)


class Tunnel(JoinedConnection):
    """One bridge channel: first the bridge's answer, then bytes both ways."""

    def __init__(
        self, context: Context, transport: asyncio.Transport, request: Request, lost: Callable[[], None]
    ) -> None:
        super().__init__(transport, lost)
        self._head = request.head
        self._early = b""
        """What the client sent before it was let in."""
        self._refused = False
        self._answer: bytearray | None = bytearray()
        """The bridge's response head; None once the channel is open."""
        timeout_s = context.settings.limits.handshake_timeout_s
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._late)
        self.upstream.connect(*bridge_of(request, context.settings), timeout_s)
        _SESSIONS.inc()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        if self._refused:
            return
        if self._answer is not None:
            self._early += data
            if len(self._early) > HEAD_BYTES:
                self._refuse(400, "too much before the channel is open")
        else:
            self.upstream.write(data)

    def upstream_made(self) -> None:
        """Connected: pass the request on."""
        self.upstream.write(self._head)

    def upstream_failed(self, error: OSError) -> None:
        """Not connected."""
        log.warning("media bridge not reachable", error=str(error) or "timed out")
        self._refuse(502, "the media bridge does not answer")

    def upstream_received(self, data: bytes) -> None:
        """Bytes of the bridge."""
        if self._answer is None:
            self.client.write(data)
            return
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end >= 0:
            self._answered(bytes(self._answer[:end]), bytes(self._answer[end + 4 :]))
        elif len(self._answer) > HEAD_BYTES:
            self._refuse(502, "the media bridge answered with something else than HTTP")

    def upstream_lost(self) -> None:
        """The bridge ended the connection."""
        if self._answer is not None:
            self._refuse(502, "the media bridge closed the connection")
        else:
            close_soon(self.client)

    def client_lost(self) -> None:
        """The client is gone."""
        self._timer.cancel()
        _SESSIONS.dec()

    def shut_down(self) -> None:
        """The front stops."""
        close_soon(self.client)

    def _answered(self, head: bytes, rest: bytes) -> None:
        status = _STATUS.match(head)
        code = int(status[1]) if status else 502
        if code != 101:
            self._refuse(code if code >= 400 else 502, "the media bridge refused the channel")
            return
        self._timer.cancel()
        self._answer = None
        RESPONSES.labels("101").inc()
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(_HIDDEN)]
        self.client.write(b"\r\n".join(lines) + b"\r\n\r\n" + rest)
        if self._early:
            self.upstream.write(self._early)
            self._early = b""

    def _refuse(self, status: int, text: str) -> None:
        self._timer.cancel()
        self._refused = True
        RESPONSES.labels(str(status)).inc()
        REFUSED.labels("bridge", str(status)).inc()
        self.upstream.close()
        if not self.client.is_closing():
            self.client.write(encode(text_response(status, text)))
            close_lingering(self.client)

    def _late(self) -> None:
        self._refuse(504, "the media bridge does not answer in time")
