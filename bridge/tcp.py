"""ICE over TCP (RFC 6544): a passive base, the connections that clients make to it, and their limits."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from bridge.ice_data import Address, Base
from bridge.metrics import REJECTED, TCP_CONNECTIONS
from bridge.registry import Registry
from bridge.tcp_framing import Framing, FramingError, frame
from carillon.guard.addresses import source

MAX_CONNECTIONS = 512
"""Of all clients together; Chromium makes two at a time."""
MAX_UNPROVEN = 16
"""From one address (IPv6: one /64) without a good check yet: many clients behind it may come together."""
PROOF_TIMEOUT_S = 10.0
"""A connection without a good check is closed after this time."""
MAX_DATAGRAM = 2048
"""Longer ones are no media of ours (the path's MTU is 1500)."""
MAX_QUEUED_MEDIA = 1 << 16
"""Bytes that wait to be sent. More media is dropped: late is of no use, and the sender hears of the loss."""
MAX_QUEUED = 1 << 17
"""The same for everything else."""
SEND_BUFFER_BYTES = 1 << 17
"""The kernel would queue megabytes, which is seconds."""
BACKLOG = 64


class TcpListener:
    """One passive base. `receive` gets each datagram, its source, and the time."""

    def __init__(self, registry: Registry, receive: Callable[[bytes, Address, float], None]) -> None:
        self.registry = registry
        self.receive = receive
        self.base = Base("tcp")
        self.unproven: Counter[str] = Counter()
        """Connections without a good check, by the client's address as the limit counts it."""
        self._connections: dict[Address, TcpConnection] = {}
        self._listener: socket.socket | None = None
        """It outlives the server that accepts on a duplicate of it: another process may go on with it."""
        self._server: asyncio.Server | None = None

    async def open(self, ip: str, port: int, bound: socket.socket | None = None) -> None:
        """Listen, unless one is `bound` there already: then with that one. Raises OSError."""
        self._listener = bound or _listener(ip, port)
        await self.resume()

    async def resume(self) -> None:
        """Accept connections."""
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: TcpConnection(self), sock=self._listener.dup(), backlog=BACKLOG
        )

    def pause(self) -> None:
        """Accept no connection; those that come wait in the socket."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def fileno(self) -> int:
        """Of the socket that listens."""
        return -1 if self._listener is None else self._listener.fileno()

    def admit(self, connection: TcpConnection) -> bool:
        """Whether one more connection is within the limits."""
        key = source(connection.address.ip)
        if len(self._connections) >= MAX_CONNECTIONS or self.unproven[key] >= MAX_UNPROVEN:
            return False
        self.unproven[key] += 1
        self._connections[connection.address] = connection
        TCP_CONNECTIONS.inc()
        return True

    def proven(self, connection: TcpConnection) -> None:
        """A connection has carried its first good check, or ends without."""
        key = source(connection.address.ip)
        self.unproven[key] -= 1
        if not self.unproven[key]:
            del self.unproven[key]

    def forget(self, connection: TcpConnection) -> None:
        """It is closed."""
        if self._connections.pop(connection.address, None) is not None:
            TCP_CONNECTIONS.dec()

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram; nothing happens when the connection is closed."""
        connection = self._connections.get(address)
        if connection is not None:
            connection.send(data)

    def release(self, address: Address) -> None:
        """No endpoint is reached at this address any more."""
        connection = self._connections.get(address)
        if connection is not None and connection.is_proven:
            connection.close()

    async def close(self) -> None:
        """Close the listener and all connections."""
        self.pause()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._connections.values()):
            connection.close()


def _listener(ip: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    listener = socket.create_server((ip, port), family=family, backlog=BACKLOG)
    for level, option, value in (  # inherited by the connections
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES),
    ):
        listener.setsockopt(level, option, value)
    return listener


class TcpConnection(asyncio.Protocol):
    """One connection of a client. What it may do before its first good check is little."""

    def __init__(self, listener: TcpListener) -> None:
        self.address: Address
        self.is_proven = False
        self._listener = listener
        self._framing = Framing(MAX_DATAGRAM)
        self._loop = asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of no class of asyncio
        peer: tuple[Any, ...] | None = transport.get_extra_info("peername")
        if not peer or "%" in peer[0]:
            self._refuse("link_local")
            return
        self.address = Address(peer[0], peer[1], self._listener.base)
        self._admitted = self._listener.admit(self)
        if not self._admitted:
            self._refuse("limit")
            return
        self._deadline = self._loop.call_later(PROOF_TIMEOUT_S, self._refuse, "timeout")

    def data_received(self, data: bytes) -> None:
        """Hand over the datagrams that are complete."""
        if self._transport.is_closing():
            return
        try:
            datagrams = self._framing.feed(data)
        except FramingError:
            self._refuse("framing")
            return
        now = self._loop.time()
        for datagram in datagrams:
            self._listener.receive(datagram, self.address, now)
            if not self.is_proven:
                self._look_for_proof()

    def _look_for_proof(self) -> None:
        if self._listener.registry.knows(self.address):
            self.is_proven = True
            self._listener.proven(self)
            if self._deadline is not None:
                self._deadline.cancel()

    def send(self, data: bytes) -> None:
        """Send one datagram, or drop it when too much waits."""
        queued = self._transport.get_write_buffer_size()
        media = data[0] >= 128  # RFC 7983
        if queued > (MAX_QUEUED_MEDIA if media else MAX_QUEUED):
            REJECTED.labels("tcp", "not_sent").inc()
        elif not self._transport.is_closing():
            self._transport.write(frame(data))

    def _refuse(self, reason: str) -> None:
        REJECTED.labels("tcp", reason).inc()
        self.close()

    def close(self) -> None:
        """Close it at once, whatever waits."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._admitted:
            return
        self._listener.forget(self)
        if not self.is_proven:
            self._listener.proven(self)
        self._listener.registry.lost(self.address, self._loop.time())
