"""The bridge's one UDP port: an asyncio shell around the registry."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import Any

import structlog

from bridge.ice_data import Address
from bridge.metrics import REJECTED
from bridge.registry import Registry
from carillon.part import PartError

logger = structlog.get_logger()

BUFFER_BYTES = 4 << 20
"""Of the socket, each way: a second of a large meeting. The kernel may grant less."""
MIN_SLEEP_S = 0.005
"""Between two ticks, however much is due."""
BURST = 64
"""Datagrams read before other work gets its turn."""
MAX_DATAGRAM = 2048
"""Longer ones are no media of ours (the path's MTU is 1500) and fail to authenticate when cut."""

SO_TIMESTAMPNS = 35
"""Linux, <asm-generic/socket.h>: the time of arrival comes with each datagram. Python has no name for it."""
TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC.size)

QUIET_S = 10.0
"""Between two log lines about errors of ours."""


class MediaPort:
    """Owns the socket and the clock: datagrams in, datagrams out, ticks."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._socket: socket.socket
        self._ticker: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._quiet_until = 0.0
        self._ticked = 0.0
        self.address: Address | None = None
        """Where the port listens; None while it does not."""

    async def open(self, ip: str, port: int) -> None:
        """Bind the port and begin to tick. Raises PartError when it is in use or the address is not ours."""
        try:
            bound = _socket(ip, port)
        except OSError as error:
            raise PartError(f"cannot listen on UDP {ip} port {port}: {error.strerror}") from error
        self._socket = bound
        self.address = bound.getsockname()[:2]
        self._registry.send_datagram = self._send
        self._loop.add_reader(bound, self._drain)
        self._ticker = asyncio.create_task(self._tick())

    def _drain(self) -> None:
        """Hand over the datagrams that wait, a bounded number at a time."""
        for _ in range(BURST):
            try:
                data, ancillary, _, addr = self._socket.recvmsg(MAX_DATAGRAM, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for something we sent: consent decides about the peer
            try:
                self._receive(data, addr, self._arrival(ancillary))
            except Exception:
                self._report("a datagram was dropped by an error")

    def _receive(self, data: bytes, addr: tuple[Any, ...], now: float) -> None:
        if "%" in addr[0]:
            REJECTED.labels("udp", "link_local").inc()
        else:
            self._registry.receive(data, (addr[0], addr[1]), now)

    def _arrival(self, ancillary: list[tuple[int, int, bytes]]) -> float:
        """When the kernel got the datagram, on the loop's clock and never before the last tick.

        The time at which it is read would tell the sender's congestion control that the network is slow
        whenever this process is busy.
        """
        now = self._loop.time()
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) == TIMESPEC.size:
                seconds, nanoseconds = TIMESPEC.unpack(value)
                waited: float = time.time() - seconds - nanoseconds / 1e9
                return max(now - max(waited, 0.0), self._ticked)
        return now

    def _send(self, data: bytes, address: Address) -> None:
        """Straight to the kernel: the transport would queue without end what the kernel does not take."""
        try:
            self._socket.sendto(data, address)
        except OSError:
            REJECTED.labels("udp", "not_sent").inc()

    def error_received(self, exc: Exception) -> None:
        """An ICMP error for something we sent: consent decides about the peer, not this."""

    def _report(self, what: str) -> None:
        """Count an error of ours and log it now and then: many datagrams must not become many lines."""
        REJECTED.labels("udp", "internal").inc()
        now = self._loop.time()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_S
            logger.exception(what)

    async def _tick(self) -> None:
        while True:
            self._drain()  # what arrived before the tick is seen before it, so that time never runs backwards
            now = due = self._ticked = self._loop.time()
            try:
                due = self._registry.tick(now)
            except Exception:
                self._report("a tick was cut short by an error")
            await asyncio.sleep(max(MIN_SLEEP_S, due - self._loop.time()))

    async def close(self) -> None:
        """Close the port; idempotent."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        if self.address is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self.address = None


def _socket(ip: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            bound.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        bound.bind((ip, port))
    except OSError:
        bound.close()
        raise
    return bound
