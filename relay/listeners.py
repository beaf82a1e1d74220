"""The sockets on which the relay meets its clients, as the configuration names them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from carillon.guard.addresses import Address, canonical
from carillon.part import PartError
from carillon.settings import Settings
from carillon.unreadable import port_reason
from relay.turn.udp import bound_socket


class Inherited:
    """The listeners of the process before this one, by what they listen on."""

    def __init__(self, listeners: Iterable[socket.socket] = ()) -> None:
        self._by_place: dict[tuple[int, Address, int], socket.socket] = {}
        for one in listeners:
            place = self._place(one.type, *one.getsockname()[:2])
            if place in self._by_place:
                one.close()
            else:
                self._by_place[place] = one

    def claim(self, kind: socket.SocketKind, address: str, port: int) -> socket.socket | None:
        """Take the one that listens there, if there is one."""
        return self._by_place.pop(self._place(kind, address, port), None)

    def close(self) -> None:
        """Close those that nobody has claimed: the configuration does not name them any more."""
        while self._by_place:
            self._by_place.popitem()[1].close()

    @staticmethod
    def _place(kind: int, address: str, port: int) -> tuple[int, Address, int]:
        return kind, canonical(address), port


@dataclass(frozen=True)
class Listeners:
    """Bound sockets."""

    udp: socket.socket
    tcp: socket.socket
    tls: socket.socket | None
    streams: tuple[socket.socket, ...]
    """Of the bytestream proxy; none: there is no proxy."""
    same_udp: bool
    """Whether `udp` was inherited, so that it reaches the clients of the process before this one."""

    def all(self) -> list[socket.socket]:
        """Every one of them."""
        return [self.udp, self.tcp, *([self.tls] if self.tls else []), *self.streams]


@contextmanager
def listeners(settings: Settings, inherited: Inherited, *, tls: bool) -> Iterator[Listeners]:
    """The listeners of this configuration, inherited or new; when the body raises, they are closed.

    Raises PartError when a port is in use.
    """
    turn, socks5 = settings.turn, settings.socks5
    with ExitStack() as opened:
        opened.callback(inherited.close)

        def listener(kind: socket.SocketKind, address: str, port: int, setting: str) -> socket.socket:
            bound = inherited.claim(kind, address, port) or _bound(kind, address, port, setting)
            return opened.enter_context(bound)

        udp = inherited.claim(socket.SOCK_DGRAM, turn.address, turn.udp_port)
        if udp:
            opened.enter_context(udp)
        yield Listeners(
            udp=udp or listener(socket.SOCK_DGRAM, turn.address, turn.udp_port, "turn.udp_port"),
            tcp=listener(socket.SOCK_STREAM, turn.address, turn.tcp_port, "turn.tcp_port"),
            tls=listener(socket.SOCK_STREAM, turn.address, turn.tls_port, "turn.tls_port") if tls else None,
            streams=tuple(
                listener(socket.SOCK_STREAM, ip, socks5.port, "socks5.port")
                for ip in socks5.address
                if socks5.enabled
            ),
            same_udp=udp is not None,
        )
        opened.pop_all()
    inherited.close()


def _bound(kind: socket.SocketKind, address: str, port: int, setting: str) -> socket.socket:
    try:
        return bound_socket(kind, address, port)
    except OSError as error:
        in_use = f"{error.strerror}; stop what uses it or set another {setting}"
        why = port_reason(error, address, setting.partition(".")[0]) or in_use
        raise PartError(f"{setting} {port} on {address} cannot be opened: {why}") from error
