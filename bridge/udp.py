"""A UDP base: one socket, read a bounded number of datagrams at a time, with the kernel's time of arrival."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from bridge.ice_data import Address, Base
from bridge.metrics import REJECTED

BUFFER_BYTES = 4 << 20
"""Of the socket, each way: a second of a large meeting. The kernel may grant less."""
BURST = 64
"""Datagrams read before other work gets its turn."""
MAX_DATAGRAM = 2048
"""Longer ones are no media of ours (the path's MTU is 1500) and fail to authenticate when cut."""

SO_TIMESTAMPNS = 35
"""Linux, <asm-generic/socket.h>: the time of arrival comes with each datagram. Python has no name for it."""
TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC.size)


class UdpSocket:
    """See the module. `receive` gets each datagram, its source, and for how long it has waited (seconds)."""

    def __init__(
        self,
        ip: str,
        port: int,
        receive: Callable[[bytes, Address, float], None],
        bound: socket.socket | None = None,
    ) -> None:
        """Bind it, unless one is `bound` there already. Raises OSError."""
        self.base = Base("udp")
        self._receive = receive
        self._socket = bound or _socket(ip, port)

    @property
    def name(self) -> tuple[str, int]:
        """Where it is bound."""
        name: tuple[Any, ...] = self._socket.getsockname()
        return name[0], name[1]

    def fileno(self) -> int:
        """For the event loop."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Hand over the datagrams that wait, a bounded number at a time."""
        for _ in range(BURST):
            try:
                data, ancillary, _, source = self._socket.recvmsg(MAX_DATAGRAM, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for something we sent: consent decides about the peer
            if "%" in source[0]:
                REJECTED.labels("udp", "link_local").inc()
            else:
                self._receive(data, Address(source[0], source[1], self.base), _waited_s(ancillary))

    def send(self, data: bytes, address: Address) -> None:
        """Straight to the kernel: the transport would queue without end what the kernel does not take."""
        try:
            self._socket.sendto(data, address[:2])
        except OSError:
            REJECTED.labels("udp", "not_sent").inc()

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def _waited_s(ancillary: list[tuple[int, int, bytes]]) -> float:
    """How long the datagram has been in the kernel.

    The time at which it is read would tell the sender's congestion control that the network is slow whenever
    this process is busy.
    """
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) == TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack(value)
            waited: float = time.time() - seconds - nanoseconds / 1e9
            return max(waited, 0.0)
    return 0.0


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
