"""A client's connection joined to one of ours to a server behind the front, with back-pressure both ways."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

from bosh.closing import close_soon

WRITE_BUFFER_BYTES = 65536
"""What may wait for a slow reader before the other side is not read any more."""


class _Upstream(asyncio.Protocol):
    """Our connection to the server; tells everything to the joined connection."""

    def __init__(self, joined: JoinedConnection) -> None:
        self._joined = joined

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._joined.upstream_connected(cast(asyncio.Transport, transport))  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._joined.upstream_received(data)

    def pause_writing(self) -> None:
        self._joined.upstream_writable(False)

    def resume_writing(self) -> None:
        self._joined.upstream_writable(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._joined.upstream_ended()


class JoinedConnection(asyncio.Protocol, ABC):
    """Takes over a client's transport after the HTTP upgrade. What passes through is up to the subclass."""

    def __init__(self, transport: asyncio.Transport, lost: Callable[[], None]) -> None:
        """`lost` is called once when the client's connection has ended."""
        self.client = transport
        self.upstream: asyncio.Transport | None = None
        self._lost: Callable[[], None] | None = lost
        self._connecting: asyncio.Task[None] | None = None
        self._client_full = False
        self._upstream_full = False

    # for the subclass

    @abstractmethod
    def upstream_made(self) -> None:
        """The connection asked for with `connect_upstream` is there."""

    @abstractmethod
    def upstream_failed(self, error: OSError) -> None:
        """It could not be made in time."""

    @abstractmethod
    def upstream_received(self, data: bytes) -> None:
        """Bytes came from the server."""

    @abstractmethod
    def upstream_lost(self) -> None:
        """The server's connection ended, and not because of us."""

    def client_lost(self) -> None:
        """The client's connection ended; the server's is closed already."""

    def connect_upstream(self, host: str, port: int, timeout_s: float) -> None:
        """Begin to connect to the server; the client is not read meanwhile."""
        self._connecting = asyncio.get_running_loop().create_task(self._connect(host, port, timeout_s))
        self.apply_flow()

    async def _connect(self, host: str, port: int, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                await loop.create_connection(lambda: _Upstream(self), host, port)
        except OSError as error:  # TimeoutError is one
            if self._connecting is not None:
                self._connecting = None
                self.apply_flow()
                self.upstream_failed(error)

    def upstream_connected(self, transport: asyncio.Transport) -> None:
        """The connection is there; nobody may want it any more."""
        if self._connecting is None:
            transport.abort()
            return
        self._connecting = None
        self.upstream = transport
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self.apply_flow()
        self.upstream_made()

    def close_upstream(self) -> None:
        """End the server's connection after what was written; `upstream_lost` is not called for it."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self.upstream is not None:
            upstream, self.upstream = self.upstream, None
            self._upstream_full = False
            close_soon(upstream)
            self.apply_flow()

    # flow control

    def apply_flow(self) -> None:
        """Read each side only while what it causes can be written; a client's ping is answered to itself."""
        if not self.client.is_closing():
            if self._client_full or self._upstream_full or self._connecting is not None:
                self.client.pause_reading()
            else:
                self.client.resume_reading()
        if self.upstream is not None and not self.upstream.is_closing():
            if self._client_full:
                self.upstream.pause_reading()
            else:
                self.upstream.resume_reading()

    def upstream_writable(self, writable: bool) -> None:
        """The server's connection takes bytes again, or no more."""
        self._upstream_full = not writable and self.upstream is not None
        self.apply_flow()

    def pause_writing(self) -> None:
        """The client's connection takes no more bytes."""
        self._client_full = True
        self.apply_flow()

    def resume_writing(self) -> None:
        """The client's connection takes bytes again."""
        self._client_full = False
        self.apply_flow()

    # ends

    def upstream_ended(self) -> None:
        """The server's connection is gone."""
        if self.upstream is not None:
            self.upstream = None
            self._upstream_full = False
            self.apply_flow()
            self.upstream_lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client's connection is gone: the server's goes without a word."""
        self.close_upstream()
        self.client_lost()
        if self._lost is not None:
            lost, self._lost = self._lost, None
            lost()
