"""Our connection to a server behind the front: connecting in a bounded time, flow, ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from typing import Protocol, cast

import structlog

from bosh.closing import close_lingering, close_soon
from bosh.keepalive import probe
from carillon.settings import Settings

log = structlog.get_logger()

WRITE_BUFFER_BYTES = 65536
"""What may wait for a slow reader before the other side is not read any more."""


class UpstreamUser(Protocol):
    """Who a connection is for."""

    def upstream_made(self) -> None:
        """The connection asked for is there."""

    def upstream_failed(self, error: OSError) -> None:
        """It could not be made in time."""

    def upstream_received(self, data: bytes) -> None:
        """Bytes came from the server."""

    def upstream_lost(self) -> None:
        """The server's connection ended, and not because of us."""

    def apply_flow(self) -> None:
        """`connecting` or `full` has changed."""


_missing: set[str] = set()
"""Where nobody has answered the last time: that is said once."""


async def _only(made: Awaitable[object]) -> None:
    await made


class Upstream(asyncio.Protocol):
    """One connection, made at most once; tells everything to its user, which serialises."""

    def __init__(self, user: UpstreamUser) -> None:
        self._user = user
        self.transport: asyncio.Transport | None = None
        """The connection while it is there and wanted."""
        self._connecting: asyncio.Task[None] | None = None
        self.full = False
        """Whether the server takes no more bytes at the moment."""

    @property
    def connecting(self) -> bool:
        """Whether the connection is being made."""
        return self._connecting is not None

    def connect(self, host: str, port: int, timeout_s: float, kept_at: str = "") -> None:
        """Begin to connect; first to the UNIX socket `kept_at`, where the part `streams` stands between."""
        made = self._connect(host, port, timeout_s, kept_at)
        self._connecting = asyncio.get_running_loop().create_task(made)
        self._user.apply_flow()

    def adopt(self, connection: socket.socket) -> None:
        """Go on with a connection that another process has made."""
        made = asyncio.get_running_loop().create_connection(lambda: self, sock=connection)
        self._connecting = asyncio.get_running_loop().create_task(_only(made))

    def connect_to_server(self, settings: Settings) -> None:
        """Begin to connect to the XMPP server, through the part `streams` where there is one."""
        xmpp, streams = settings.xmpp, settings.streams
        kept_at = streams.socket if streams.enabled else ""
        self.connect(xmpp.server, xmpp.c2s_port, settings.limits.handshake_timeout_s / 2, kept_at)

    async def _connect(self, host: str, port: int, timeout_s: float, kept_at: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                if not (kept_at and await self._connect_kept(kept_at)):
                    await loop.create_connection(lambda: self, host, port)
        except OSError as error:  # TimeoutError is one
            if self._connecting is not None:
                self._connecting = None
                self._user.apply_flow()
                self._user.upstream_failed(error)

    async def _connect_kept(self, path: str) -> bool:
        """Whether it is there: without it, people meet all the same."""
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, path)
        except OSError as error:
            if path not in _missing:
                _missing.add(path)
                log.warning("guests' streams are not kept", reason=error.strerror or str(error), socket=path)
            return False
        _missing.discard(path)
        return True

    def write(self, data: bytes) -> None:
        """Send bytes, as long as there is a connection."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def read(self, wanted: bool) -> None:
        """Go on reading, or not."""
        if self.transport is not None and not self.transport.is_closing():
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def close(self) -> None:
        """End the connection after what was written; the user hears no more of it."""
        if transport := self._let_go():
            close_soon(transport)
            self._user.apply_flow()

    def leave(self) -> None:
        """As `close`, so that the server reads all that was written although it may still be sending."""
        if transport := self._let_go():
            close_lingering(transport)
            self._user.apply_flow()

    def _let_go(self) -> asyncio.Transport | None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        transport, self.transport = self.transport, None
        self.full = False
        return transport

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there; nobody may want it any more."""
        made = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self._connecting is None:
            made.abort()
            return
        self._connecting = None
        self.transport = made
        made.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        probe(made)
        self._user.apply_flow()
        self._user.upstream_made()

    def data_received(self, data: bytes) -> None:
        """Bytes of the server; after `leave` they are nobody's."""
        if self.transport is not None:
            self._user.upstream_received(data)

    def pause_writing(self) -> None:
        """The server takes no more bytes."""
        self._writable(False)

    def resume_writing(self) -> None:
        """The server takes bytes again."""
        self._writable(True)

    def _writable(self, writable: bool) -> None:
        self.full = not writable and self.transport is not None
        self._user.apply_flow()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self.transport is not None:
            self.transport = None
            self.full = False
            self._user.apply_flow()
            self._user.upstream_lost()
