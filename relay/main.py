"""The relay as a part of carillon: settings in, listeners and control API out."""

from __future__ import annotations

import ipaddress
import resource
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from random import SystemRandom

import structlog
from aiohttp import web
from prometheus_client import REGISTRY

from carillon.guard.addresses import canonical
from carillon.part import Part, PartError
from carillon.settings import Settings, TurnSettings, read_secret
from carillon.settings_rules import host_and_port
from carillon.tls import CertificateError, ServerTls
from relay.turn.metrics import TurnCollector
from relay.turn.peers import PeerPolicy, Scope
from relay.turn.server import Server
from relay.turn.sockets import MAX_CONNECTIONS, Sockets
from relay.turn.tls import ALPN
from relay.turn.udp import bound_socket

log = structlog.get_logger()

_OTHER_FILES = 64  # descriptors besides relay ports and connections


def make(settings: Settings) -> Part:
    """Return the relay."""
    return Relay(settings)


def peer_policy(settings: Settings) -> PeerPolicy:
    """Return which peers this configuration lets the relay reach."""
    turn, bridge, xmpp = settings.turn, settings.bridge, settings.xmpp
    relayed = [canonical(ip) for ip in (turn.address, turn.advertise)]
    own = [*relayed, *(canonical(ip) for ip in (*bridge.address, *bridge.advertise))]
    bridges = [(canonical(ip), bridge.port) for ip in (*bridge.address, *bridge.advertise)]
    bridges += [(canonical(ip), port) for ip, port in map(host_and_port, turn.bridges)]
    own_ports = {turn.udp_port, turn.tcp_port, turn.tls_port, xmpp.c2s_port, xmpp.component_port}
    own_ports |= {settings.front.port, settings.front.http_port, host_and_port(bridge.rest)[1]}
    return PeerPolicy(
        allowed=tuple(map(ipaddress.ip_network, turn.allow_peers)),
        # 0.0.0.0 as a peer would be this machine's loopback.
        bridges=frozenset(pair for pair in bridges if not pair[0].is_unspecified),
        relayed=frozenset(address for address in relayed if not address.is_unspecified),
        own=frozenset(own),
        own_ports=frozenset(own_ports),
        account_domain=None if xmpp.guest_domain == xmpp.domain else xmpp.domain,
        guest_scope=Scope(turn.guest_scope),
    )


class Relay:
    """STUN and TURN over UDP, TCP and TLS."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sockets: Sockets | None = None
        self._collector: TurnCollector | None = None
        self._tls: ServerTls | None = None

    async def start(self) -> None:
        """Open the listeners. Raises PartError when a port is in use, SettingsError without a secret."""
        turn = self._settings.turn
        if canonical(turn.address).version != canonical(turn.advertise).version:
            raise PartError("turn.address and turn.advertise must be of the same family, IPv4 or IPv6")
        secret = read_secret(turn.secret_file)
        _raise_file_limit(turn.max_allocations + MAX_CONNECTIONS + _OTHER_FILES)
        sockets = Sockets(turn.address, self._settings.limits.handshake_timeout_s)
        sockets.server = Server(
            turn, secret, peer_policy(self._settings), sockets, random=SystemRandom(), unix_time=time.time
        )
        tls = _server_tls(turn)
        with ExitStack() as opened:
            udp = opened.enter_context(_listener(socket.SOCK_DGRAM, turn.address, turn.udp_port, "udp"))
            tcp = opened.enter_context(_listener(socket.SOCK_STREAM, turn.address, turn.tcp_port, "tcp"))
            if tls:
                over_tls = opened.enter_context(
                    _listener(socket.SOCK_STREAM, turn.address, turn.tls_port, "tls")
                )
            opened.pop_all()
        await sockets.listen(udp, tcp)
        if tls:
            await sockets.listen_tls(over_tls, tls)
        self._sockets = sockets
        self._tls = tls
        self._collector = TurnCollector(sockets.server)
        REGISTRY.register(self._collector)

    def trouble(self) -> str | None:
        """Return "not listening" until it does."""
        return None if self._sockets else "not listening"

    async def stop(self) -> None:
        """Close all listeners, connections and relay ports."""
        if self._sockets is not None:
            sockets, self._sockets = self._sockets, None
            await sockets.close()
        if self._collector is not None:
            REGISTRY.unregister(self._collector)
            self._collector = None

    def reload(self) -> None:
        """Read certificate and key again, for new connections."""
        if self._tls is not None:
            self._tls.reload()

    def routes(self) -> Iterable[web.RouteDef]:
        """Return `GET /turn/allocations`."""
        return (web.get("/turn/allocations", self._allocations),)

    async def _allocations(self, request: web.Request) -> web.Response:
        """Return a list of the allocations; no secrets, and it changes nothing."""
        allocations = self._sockets.server.allocations.by_client.values() if self._sockets else ()
        return web.json_response([entry.summary() for entry in allocations])


def _server_tls(turn: TurnSettings) -> ServerTls | None:
    """TLS of the relay, None when there is none. Raises PartError."""
    if not turn.tls_port:
        return None
    try:
        return ServerTls(turn.certificate, turn.key, ALPN)
    except CertificateError as error:
        raise PartError(f"{error}; turn.tls_port = 0 does without TURN over TLS") from error


def _listener(kind: socket.SocketKind, address: str, port: int, name: str) -> socket.socket:
    try:
        return bound_socket(kind, address, port)
    except OSError as error:
        raise PartError(
            f"turn.{name}_port {port} on {address} cannot be opened: {error.strerror}; "
            f"stop what uses it or set another turn.{name}_port"
        ) from error


def _raise_file_limit(wanted: int) -> None:
    """Ask for as many descriptors as the limits of the configuration need: each allocation is a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < wanted:
        log.warning("fewer file descriptors than turn.max_allocations may need", limit=limit, wanted=wanted)
