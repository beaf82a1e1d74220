"""UDP sockets of the relay: bare sockets on the event loop, whose bounded buffers are the kernel's."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

_MAX_DATAGRAM = 65535
_RECEIVE_BUFFER_BYTES = (
    4 << 20
)  # bursts of many clients meet on one socket; the kernel caps it (net.core.rmem_max)

Receive = Callable[[bytes, tuple[str, int]], None]


def bound_socket(kind: socket.SocketKind, ip: str, port: int) -> socket.socket:
    """Return a non-blocking socket of the address's family bound to it. Raises OSError."""
    ipv6 = ipaddress.ip_address(ip).version == 6
    bound = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, kind)
    try:
        bound.setblocking(False)
        if ipv6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind is socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((ip, port))
    except OSError:
        bound.close()
        raise
    return bound


class UdpSocket:
    """One bound UDP socket that hands each datagram with its source to `receive`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: socket.socket, receive: Receive) -> None:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._loop = loop
        self._socket = bound
        self._receive = receive
        self.resume()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def pause(self) -> None:
        """Read nothing for now: what comes waits in the kernel."""
        self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        """Read again."""
        # By number: uvloop would hold a socket object open until the next turn of the loop.
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, data: bytes, address: tuple[str, int]) -> bool:
        """Send a datagram; False when the kernel does not take it now or cannot reach the address."""
        try:
            self._socket.sendto(data, address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket at once: its port is free when this returns."""
        self.pause()
        self._socket.close()

    def _readable(self) -> None:
        # One datagram per turn of the loop: measured no dearer than reading on, and fair to the others.
        try:
            data, address = self._socket.recvfrom(_MAX_DATAGRAM)
        except OSError:
            return
        self._receive(data, address[:2])
