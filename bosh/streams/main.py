"""The part `streams`: between front and XMPP server, it keeps guests' streams while the front is away."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import structlog
from aiohttp import web

from bosh.streams.kept_stream import KeptStream, State
from bosh.streams.metrics import KEPT, KEPT_EVENTS
from bosh.streams.shelf import Shelf
from bosh.upstream import WRITE_BUFFER_BYTES, Upstream
from carillon.control import ControlError, listen
from carillon.handover import Handover, HandoverError, HasFileno
from carillon.part import Part, PartError
from carillon.settings import Settings

TOKEN_BYTES = 24
"""Of a token: as good as a password that nobody can guess."""

BACKLOG = 1024
"""Connections that the kernel keeps until we take them: a whole front may come back in one second."""

log = structlog.get_logger()


class Streams:
    """The listener, and every stream."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = Path(settings.streams.socket)
        self._shelf = Shelf(settings.streams.max_held)
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        """What takes connections on it now."""
        self._handed: list[_Stream] = []
        """What stands still, because a successor is taking it."""
        self._live: set[_Stream] = set()
        KEPT.labels("held").set_function(lambda: self.held)
        KEPT.labels("open").set_function(lambda: len(self._live) - self.held)

    async def start(self) -> None:
        """Listen. Raises PartError."""
        try:
            self._listener = listen(self._path)
        except ControlError as error:
            raise PartError(str(error)) from error
        self._listener.listen(BACKLOG)
        await self._serve()

    async def _serve(self) -> None:
        """Take connections: on a duplicate, so that the listener itself outlives that."""
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connection, sock=self._listener.dup())

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # replacement

    def hand_over(self) -> Handover:
        """The listener and every stream on whose connections nothing waits to be written."""
        assert self._listener is not None
        handover = Handover()
        self._close_server()
        self._handed = [stream for stream in self._live if stream.freeze()]
        handover.state["listener"] = handover.lend(self._listener)
        handover.state["streams"] = [stream.given(handover) for stream in self._handed]
        return handover

    async def take_over(self, handover: Handover) -> None:
        """Go on with the listener and the streams of the predecessor."""
        self._listener = handover.take(handover.state["listener"])
        for given in handover.state.get("streams", ()):
            try:
                stream = self._stream()
                await stream.take(given, handover)
            except ValueError as error:
                raise HandoverError(str(error)) from error
        await self._serve()

    async def resume(self) -> None:
        """Nobody has taken over: go on."""
        handed, self._handed = self._handed, []
        for stream in handed:
            stream.thaw()
        await self._serve()

    def released(self) -> None:
        """The successor has what was handed over; the rest goes on here."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for stream in self._handed:
            stream.forget()
            self._live.discard(stream)
        self._handed = []

    def trouble(self) -> str | None:
        """None once it listens."""
        return None if self._server is not None else "it does not listen yet"

    async def stop(self) -> None:
        """End every stream."""
        self._close_server()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)
        for stream in list(self._live):
            stream.end()

    def reload(self, settings: Settings) -> None:
        """Take up limits, for streams that begin from now on."""
        self._settings = settings
        self._shelf.max_held = settings.streams.max_held

    def drain(self) -> None:
        """The front, which ends first, begins nothing new."""

    @property
    def held(self) -> int:
        """The streams that wait for their client."""
        return self._shelf.held

    def remaining(self) -> Mapping[str, int]:
        """The streams whose client is there."""
        return {"streams": len(self._live) - self.held}

    def routes(self) -> Iterable[web.RouteDef]:
        """Nothing beside what every part has."""
        return ()

    def _connection(self) -> _Client:
        return self._stream().client

    def _stream(self) -> _Stream:
        stream = _Stream(self._settings, self._shelf, self._live.discard)
        self._live.add(stream)
        return stream


class _Client(asyncio.Protocol):
    """A connection of the front: one client's stream."""

    def __init__(self, stream: _Stream) -> None:
        self.stream = stream
        self.transport: asyncio.Transport | None = None
        self.full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The front has connected."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; one that has come back on another connection says all of it again there."""
        if self.stream.client is self:
            self.stream.core.receive_client(data)

    def pause_writing(self) -> None:
        """The client takes no more bytes."""
        self.full = True
        self.stream.apply_flow()

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self.full = False
        self.stream.apply_flow()

    def connection_lost(self, exc: Exception | None) -> None:
        """The front has closed it, or is gone."""
        self.transport = None
        if self.stream.client is self:
            self.stream.core.lost_client()
            self.stream.apply_flow()

    def close(self) -> None:
        """After what was written."""
        if self.transport is not None:
            self.transport.close()


class _Stream:
    """Implements Output and UpstreamUser."""

    def __init__(self, settings: Settings, shelf: Shelf, over: Callable[[_Stream], None]) -> None:
        self._settings = settings
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._snapshot: dict[str, Any] | None = None
        self._upstream = Upstream(self)
        self.client = _Client(self)
        """The connection on which the client is, or was."""
        streams = settings.streams
        self.core = KeptStream(
            self,
            shelf,
            settings.limits,
            lambda: secrets.token_urlsafe(TOKEN_BYTES),
            resume_s=streams.resume_s,
            keep_bytes=streams.keep_bytes,
        )

    def end(self) -> None:
        """The part stops."""
        self.core.end()

    # another process

    def freeze(self) -> bool:
        """Stand still, to be handed over: whether that can be."""
        transports = [one for one in (self.client.transport, self._upstream.transport) if one is not None]
        wanted = 1 if self.core.state is State.HELD else 2
        busy = [one for one in transports if one.is_closing() or one.get_write_buffer_size()]
        if len(transports) != wanted or busy:
            return False
        self._snapshot = self.core.snapshot()
        if self._snapshot is None:
            return False
        for transport in transports:
            transport.pause_reading()
        self.wake_in(None)
        return True

    def thaw(self) -> None:
        """Go on: nobody has taken it."""
        if self.core.state is State.HELD:
            self.wake_in(self._settings.streams.resume_s)
        self.apply_flow()

    def given(self, handover: Handover) -> dict[str, Any]:
        """What a successor gets of it; its sockets are lent."""
        assert self._upstream.transport is not None and self._snapshot is not None, "frozen"
        given = {**self._snapshot, "server": handover.lend(_socket_of(self._upstream.transport))}
        if self.client.transport is not None:
            given["client"] = handover.lend(_socket_of(self.client.transport))
        return given

    async def take(self, given: Mapping[str, Any], handover: Handover) -> None:
        """Be the stream that a predecessor has given. Raises ValueError, HandoverError."""
        self.core.restore(given)
        self._upstream.adopt(handover.take(given["server"]))
        if "client" in given:
            client = handover.take(given["client"])
            await self._loop.connect_accepted_socket(lambda: self.client, client)

    def forget(self) -> None:
        """Its connections are another process's: let go of them without a word."""
        self.core.let_go()
        for transport in (self.client.transport, self._upstream.transport):
            if transport is not None:
                transport.abort()

    # Output

    def connect(self) -> None:
        """Connect to the XMPP server: it serves all our domains."""
        xmpp = self._settings.xmpp
        timeout_s = self._settings.limits.handshake_timeout_s / 2
        self._upstream.connect(xmpp.server, xmpp.c2s_port, timeout_s)

    def send_server(self, data: bytes) -> None:
        """Send it."""
        self._upstream.write(data)

    def close_server(self) -> None:
        """Nothing more is wanted of the server."""
        self._upstream.close()
        self._over(self)

    def send_client(self, data: bytes) -> None:
        """Send it."""
        transport = self.client.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def close_client(self) -> None:
        """Nothing more comes."""
        self.client.close()

    def give_client(self, stream: KeptStream) -> None:
        """Whoever was the client of the other is nobody now."""
        taker = cast(_Stream, stream.output)
        given, self.client = self.client, _Client(self)
        given.stream, taker.client = taker, given
        taker.apply_flow()

    def wake_in(self, seconds: float | None) -> None:
        """Have the core look at what is due then."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self.core.tick)

    def tell(self, what: str) -> None:
        """Count it."""
        KEPT_EVENTS.labels(what).inc()
        log.info("guest's stream", what=what)

    # UpstreamUser

    def upstream_made(self) -> None:
        """Connected."""
        self.core.connected()

    def upstream_failed(self, error: OSError) -> None:
        """Not connected."""
        log.warning("XMPP server not reachable", error=str(error) or "timed out")
        self.core.lost_server()

    def upstream_received(self, data: bytes) -> None:
        """Bytes of the server."""
        self.core.receive_server(data)

    def upstream_lost(self) -> None:
        """The server ended the connection."""
        self.core.lost_server()

    def apply_flow(self) -> None:
        """Read each side only while what it causes can be written, or is kept."""
        transport = self.client.transport
        if transport is not None and not transport.is_closing():
            if self._upstream.full or self._upstream.connecting:
                transport.pause_reading()
            else:
                transport.resume_reading()
        self._upstream.read(transport is None or not self.client.full or self.core.state is State.HELD)


def _socket_of(transport: asyncio.Transport) -> HasFileno:
    found: HasFileno = transport.get_extra_info("socket")
    return found


def make(settings: Settings) -> Part:
    """The streams as a part."""
    return Streams(settings)
