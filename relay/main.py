"""The relay as a part of carillon: settings in, listeners and control API out."""

from __future__ import annotations

import ipaddress
import resource
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from random import SystemRandom

import structlog
from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from carillon.guard.addresses import canonical
from carillon.part import Part, PartError
from carillon.settings import Settings, TurnSettings, read_secret
from carillon.settings.rules import host_and_port
from carillon.tls import CertificateError, ServerTls
from carillon.unreadable import port_reason
from relay.socks5.control import Socks5Control
from relay.socks5.metrics import Socks5Collector
from relay.socks5.proxy import Proxy
from relay.turn.metrics import TurnCollector
from relay.turn.peers import PeerPolicy, Scope
from relay.turn.server import Server
from relay.turn.sockets import MAX_CONNECTIONS, Sockets
from relay.turn.tls import ALPN
from relay.turn.udp import bound_socket

log = structlog.get_logger()

_OTHER_FILES = 64  # descriptors besides relay ports and connections
_FILES_OF_STREAM = 8  # two connections that wait, two that are active, and the pipes of both directions


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
    own_ports |= {settings.socks5.port}
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
    """STUN and TURN over UDP, TCP and TLS, and the SOCKS5 bytestream proxy."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socks5_control = Socks5Control(lambda: self._proxy)
        self._sockets: Sockets | None = None
        self._proxy: Proxy | None = None
        self._collectors: list[Collector] = []
        self._tls: ServerTls | None = None

    async def start(self) -> None:
        """Open the listeners. Raises PartError when a port is in use, SettingsError without a secret."""
        turn, socks5 = self._settings.turn, self._settings.socks5
        if canonical(turn.address).version != canonical(turn.advertise).version:
            raise PartError("turn.address and turn.advertise must be of the same family, IPv4 or IPv6")
        secret = read_secret(turn.secret_file)
        _raise_file_limit(_files_wanted(self._settings))
        sockets = Sockets(turn.address, self._settings.limits.handshake_timeout_s)
        sockets.server = Server(
            turn, secret, peer_policy(self._settings), sockets, random=SystemRandom(), unix_time=time.time
        )
        tls = _server_tls(turn)
        with ExitStack() as opened:
            udp = opened.enter_context(
                _listener(socket.SOCK_DGRAM, turn.address, turn.udp_port, "turn.udp_port")
            )
            tcp = opened.enter_context(
                _listener(socket.SOCK_STREAM, turn.address, turn.tcp_port, "turn.tcp_port")
            )
            if tls:
                over_tls = opened.enter_context(
                    _listener(socket.SOCK_STREAM, turn.address, turn.tls_port, "turn.tls_port")
                )
            for_streams = [
                opened.enter_context(_listener(socket.SOCK_STREAM, ip, socks5.port, "socks5.port"))
                for ip in socks5.address
                if socks5.enabled
            ]
            opened.pop_all()
        await sockets.listen(udp, tcp)
        if tls:
            await sockets.listen_tls(over_tls, tls)
        self._sockets = sockets
        self._tls = tls
        self._collectors.append(TurnCollector(sockets.server))
        if for_streams:
            self._proxy = Proxy(socks5, self._settings.limits.handshake_timeout_s)
            self._proxy.start(for_streams)
            self._collectors.append(Socks5Collector(self._proxy))
        for collector in self._collectors:
            REGISTRY.register(collector)

    def trouble(self) -> str | None:
        """Return "not listening" until it does."""
        if self._proxy and not self._proxy.mover.works:
            return "no bytestream moves any more: the log says why; restart the relay"
        return None if self._sockets else "not listening"

    async def stop(self) -> None:
        """Close all listeners, connections and relay ports."""
        if self._sockets is not None:
            sockets, self._sockets = self._sockets, None
            await sockets.close()
        if self._proxy is not None:
            proxy, self._proxy = self._proxy, None
            await proxy.stop()
        while self._collectors:
            REGISTRY.unregister(self._collectors.pop())

    def reload(self, settings: Settings) -> None:
        """Take up limits, policy, secret and certificate; what runs goes on. Raises SettingsError."""
        if self._sockets is None:
            return
        turn, timeout_s = settings.turn, settings.limits.handshake_timeout_s
        secret = read_secret(turn.secret_file)
        _raise_file_limit(_files_wanted(settings))
        self._sockets.server.reload(turn, secret, peer_policy(settings))
        self._sockets.reload(timeout_s)
        if self._proxy is not None:
            self._proxy.reload(settings.socks5, timeout_s)
        if self._tls is not None:
            self._tls.reload(turn.certificate, turn.key)

    def drain(self) -> None:
        """Refuse new allocations and new connections of bytestreams."""
        if self._sockets is not None:
            self._sockets.server.allocations.draining = True
        if self._proxy is not None:
            self._proxy.drain()

    def remaining(self) -> Mapping[str, int]:
        """Allocations and streams that live."""
        return {
            "allocations": len(self._sockets.server.allocations.by_client) if self._sockets else 0,
            "bytestreams": self._proxy.streams.active if self._proxy else 0,
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """Return `GET /turn/allocations` and what the bytestream proxy adds."""
        return web.get("/turn/allocations", self._allocations), *self._socks5_control.routes()

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


def _listener(kind: socket.SocketKind, address: str, port: int, setting: str) -> socket.socket:
    try:
        return bound_socket(kind, address, port)
    except OSError as error:
        in_use = f"{error.strerror}; stop what uses it or set another {setting}"
        why = port_reason(error, address, setting.partition(".")[0]) or in_use
        raise PartError(f"{setting} {port} on {address} cannot be opened: {why}") from error


def _files_wanted(settings: Settings) -> int:
    """Descriptors that the limits of the configuration may come to."""
    streams = settings.socks5.max_streams * _FILES_OF_STREAM if settings.socks5.enabled else 0
    return settings.turn.max_allocations + MAX_CONNECTIONS + streams + _OTHER_FILES


def _raise_file_limit(wanted: int) -> None:
    """Ask for as many descriptors as the limits of the configuration need: each allocation is a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < wanted:
        log.warning(
            "fewer file descriptors than turn.max_allocations and socks5.max_streams may need",
            limit=limit,
            wanted=wanted,
        )
