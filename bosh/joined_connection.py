"""A client's connection joined to one of ours to a server behind the front, with back-pressure both ways."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from bosh.upstream import Upstream


class JoinedConnection(asyncio.Protocol, ABC):
    """Takes over a client's transport after the HTTP upgrade. What passes through is up to the subclass."""

    def __init__(self, transport: asyncio.Transport, lost: Callable[[], None]) -> None:
        """`lost` is called once when the client's connection has ended."""
        self.client = transport
        self.upstream = Upstream(self)
        """The connection to the server; the client is not read while it is being made."""
        self._lost: Callable[[], None] | None = lost
        self._client_full = False

    # UpstreamUser, for the subclass

    @abstractmethod
    def upstream_made(self) -> None:
        """The connection asked for with `upstream.connect` is there."""

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

    # flow control

    def apply_flow(self) -> None:
        """Read each side only while what it causes can be written; a client's ping is answered to itself."""
        if not self.client.is_closing():
            if self._client_full or self.upstream.full or self.upstream.connecting:
                self.client.pause_reading()
            else:
                self.client.resume_reading()
        self.upstream.read(not self._client_full)

    def pause_writing(self) -> None:
        """The client's connection takes no more bytes."""
        self._client_full = True
        self.apply_flow()

    def resume_writing(self) -> None:
        """The client's connection takes bytes again."""
        self._client_full = False
        self.apply_flow()

    # ends

    def connection_lost(self, exc: Exception | None) -> None:
        """The client's connection is gone: the server's goes without a word."""
        self.upstream.close()
        self.client_lost()
        if self._lost is not None:
            lost, self._lost = self._lost, None
            lost()
