"""The bridge's one port, UDP and TCP, on each of its addresses: an asyncio shell around the registry."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import NamedTuple

import structlog

from bridge.ice_data import Address, Base
from bridge.metrics import REJECTED
from bridge.registry import Registry
from bridge.tcp import TcpListener
from bridge.udp import UdpSocket
from carillon.part import PartError
from carillon.unreadable import port_reason

logger = structlog.get_logger()

MIN_SLEEP_S = 0.005
"""Between two ticks, however much is due."""
ANY_PORT_TRIES = 10
"""A number that is free over UDP may be in use over TCP."""
QUIET_S = 10.0
"""Between two log lines about errors of ours."""


class Bound(NamedTuple):
    """What is bound to the port at one address before it is opened here; None: nothing."""

    udp: socket.socket | None
    tcp: socket.socket | None


class MediaPort:
    """Owns the sockets and the clock: datagrams in, datagrams out, ticks."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._sockets: dict[Base, UdpSocket] = {}
        self._listeners: dict[Base, TcpListener] = {}
        self._loop = asyncio.get_running_loop()
        self._next_tick: asyncio.Handle | None = None
        self._next_tick_at = 0.0
        """Kept here: what uvloop gives back for a time that has come cannot be asked for it."""
        self._may_tick_at = 0.0
        self._quiet_until = 0.0
        self._latest = 0.0
        """The time last told to the registry: it never runs backwards."""
        self._bound: dict[str, Bound] = {}
        self.port: int | None = None
        """The number, None while it is not open."""

    async def open(
        self, addresses: tuple[str, ...], port: int, bound: Mapping[str, Bound] | None = None
    ) -> None:
        """Bind the port on all addresses, begin to tick; 0 is any free port.

        What is `bound` to it at an address already is taken as it is. Raises PartError when the port is in
        use or an address is not ours.
        """
        self._bound = dict(bound or {})
        self._registry.send_datagram = self._send
        self._registry.release = self._release
        self._registry.wake = self._wake
        tries = 1 if port else ANY_PORT_TRIES
        while not await self._bind(addresses, port, last=tries == 1):
            tries -= 1
        self._begin()

    def _begin(self) -> None:
        for each in self._sockets.values():
            self._loop.add_reader(each, each.drain)
        self._tick()

    def pause(self) -> dict[str, tuple[UdpSocket, TcpListener]]:
        """Read and accept nothing until `resume`. Gives the sockets by address, for another process."""
        self._quieten()
        for listener in self._listeners.values():
            listener.pause()
        pairs = zip(self._sockets.values(), self._listeners.values(), strict=True)
        return {udp.name[0]: (udp, tcp) for udp, tcp in pairs}

    async def resume(self) -> None:
        """Go on after `pause`."""
        for listener in self._listeners.values():
            await listener.resume()
        self._begin()

    def _quieten(self) -> None:
        if self._next_tick is not None:
            self._next_tick.cancel()
            self._next_tick = None
        for each in self._sockets.values():
            self._loop.remove_reader(each)

    async def _bind(self, addresses: tuple[str, ...], port: int, *, last: bool) -> bool:
        """Whether the port could be had on all addresses. Raises PartError when not and this was the last."""
        for ip in addresses:
            try:
                kind = "UDP"
                theirs = self._bound.pop(ip, Bound(None, None))
                bound = UdpSocket(ip, port, self._receive, theirs.udp)
                self._sockets[bound.base] = bound
                port = bound.name[1]
                kind = "TCP"
                listener = TcpListener(self._registry, self._hand_over)
                self._listeners[listener.base] = listener
                await listener.open(ip, port, theirs.tcp)
            except OSError as error:
                await self.close()
                if last:
                    why = port_reason(error, ip, "bridge") or os.strerror(error.errno or 0)
                    raise PartError(f"cannot listen on {kind} {ip} port {port}: {why}") from error
                return False
        self.port = port
        return True

    def _receive(self, data: bytes, source: Address, waited_s: float) -> None:
        self._hand_over(data, source, self._loop.time() - waited_s)

    def _hand_over(self, data: bytes, source: Address, arrived: float) -> None:
        self._latest = max(arrived, self._latest)
        try:
            self._registry.receive(data, source, self._latest)
        except Exception:
            self._report("a datagram was dropped by an error")

    def _send(self, data: bytes, address: Address) -> None:
        base = address.base
        (self._sockets.get(base) or self._listeners[base]).send(data, address)

    def _release(self, address: Address) -> None:
        listener = self._listeners.get(address.base)
        if listener is not None:
            listener.release(address)

    def _report(self, what: str) -> None:
        """Count an error of ours and log it now and then: many datagrams must not become many lines."""
        REJECTED.labels("udp", "internal").inc()
        now = self._loop.time()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_S
            logger.exception(what)

    def _tick(self) -> None:
        self._next_tick = None
        for each in self._sockets.values():
            each.drain()  # what arrived before the tick is seen before it
        now = due = self._latest = self._loop.time()
        try:
            due = self._registry.tick(now)
        except Exception:
            self._report("a tick was cut short by an error")
        self._may_tick_at = self._loop.time() + MIN_SLEEP_S
        self._tick_at(max(due, self._may_tick_at))

    def _wake(self, due: float) -> None:
        """Something is due: before the next tick as it is set, or not."""
        at = max(due, self._may_tick_at)
        if self._next_tick is not None and at < self._next_tick_at:
            self._next_tick.cancel()
            self._tick_at(at)

    def _tick_at(self, at: float) -> None:
        self._next_tick_at = at
        self._next_tick = self._loop.call_at(at, self._tick)

    async def close(self) -> None:
        """Close the port; idempotent."""
        self.port = None
        self._quieten()
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()
        for listener in self._listeners.values():
            await listener.close()
        self._listeners.clear()
