"""The relay as a part of carillon: settings in, listeners and control API out."""

from __future__ import annotations

import ipaddress
import os
import resource
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import SystemRandom

import structlog
from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from carillon.guard.addresses import canonical
from carillon.handover import Handover, HandoverError
from carillon.part import Part, PartError
from carillon.settings import Settings, TurnSettings, read_secret
from carillon.settings.rules import host_and_port
from carillon.shelf import Shelf
from carillon.tls import CertificateError, ServerTls
from relay.last_state import LastState
from relay.listeners import Inherited, listeners
from relay.socks5.control import Socks5Control
from relay.socks5.metrics import Socks5Collector
from relay.socks5.proxy import Proxy
from relay.socks5.state import Socks5State
from relay.state import RelayState, StateError, decoded, encoded
from relay.turn.metrics import TurnCollector
from relay.turn.peers import PeerPolicy, Scope
from relay.turn.server import Server
from relay.turn.sockets import MAX_CONNECTIONS, Sockets
from relay.turn.state import TurnState
from relay.turn.tls import ALPN

log = structlog.get_logger()

_OTHER_FILES = 64  # descriptors besides relay ports and connections
_FILES_OF_STREAM = 8  # two connections that wait, two that are active, and the pipes of both directions


def make(settings: Settings) -> Part:
    """Return the relay."""
    return Relay(settings, Shelf.inherited(os.environ))


def peer_policy(settings: Settings) -> PeerPolicy:
    """Return which peers this configuration lets the relay reach."""
    turn, xmpp = settings.turn, settings.xmpp
    relayed = [canonical(ip) for ip in (turn.address, turn.advertise)]
    bridges = [
        (canonical(ip), bridge.port)
        for bridge in settings.all_bridges.values()
        for ip in (*bridge.address, *bridge.advertise)
    ]
    own = [*relayed, *(ip for ip, _ in bridges)]
    bridges += [(canonical(ip), port) for ip, port in map(host_and_port, turn.bridges)]
    own_ports = {turn.udp_port, turn.tcp_port, turn.tls_port, xmpp.c2s_port, xmpp.component_port}
    own_ports |= {settings.front.port, settings.front.http_port}
    own_ports |= {host_and_port(bridge.rest)[1] for bridge in settings.all_bridges.values()}
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

    def __init__(self, settings: Settings, shelf: Shelf | None = None) -> None:
        """On `shelf` the listeners outlive this process, should it be killed."""
        self._settings = settings
        self._shelf = shelf
        self._socks5_control = Socks5Control(lambda: self._proxy)
        self._sockets: Sockets | None = None
        self._proxy: Proxy | None = None
        self._collectors: list[Collector] = []
        self._tls: ServerTls | None = None
        self._last: LastState | None = None

    async def start(self) -> None:
        """Open the listeners. Raises PartError when a port is in use, SettingsError without a secret."""
        self._begin(Handover(), None)

    async def take_over(self, handover: Handover) -> None:
        """Go on with the work of another process: its listeners, as far as they are wanted, and clients.

        Raises HandoverError, PartError or SettingsError; nothing has been read then.
        """
        try:
            self._begin(handover, decoded(handover.state))
        except (StateError, OSError) as error:
            raise HandoverError(str(error)) from error

    def _begin(self, handover: Handover, state: RelayState | None) -> None:
        """Start, or go on. Nothing waits in here, so that nothing is read before all of it has worked."""
        settings, turn = self._settings, self._settings.turn
        if canonical(turn.address).version != canonical(turn.advertise).version:
            raise PartError("turn.address and turn.advertise must be of the same family, IPv4 or IPv6")
        secret = read_secret(turn.secret_file)
        _raise_file_limit(_files_wanted(settings))
        tls = _server_tls(turn)
        path = str(Path(turn.control).with_suffix(".state")) if turn.control else ""
        last = LastState(path, turn.address, turn.udp_port)
        sockets = Sockets(turn.address, settings.limits.handshake_timeout_s, last.write)
        sockets.server = Server(
            turn, secret, peer_policy(settings), sockets, random=SystemRandom(), unix_time=time.time
        )
        found = self._shelf.take() if self._shelf and not state else ()
        inherited = Inherited((*map(handover.take, state.listeners if state else ()), *found))
        with listeners(settings, inherited, tls=tls is not None) as opened:
            if state:
                _take(sockets, state.turn, handover, same_udp=opened.same_udp)
            elif left := last.take():  # only now: whoever listens here is alone
                clients = sockets.reopen(left)
                log.info("goes on with UDP clients of a relay that was killed", clients=clients)
        if self._shelf:
            self._shelf.put(opened.all())
        sockets.listen(opened.udp, opened.tcp)
        if opened.tls and tls:
            sockets.listen_tls(opened.tls, tls)
        self._sockets, self._tls, self._last = sockets, tls, last
        self._collectors.append(TurnCollector(sockets.server))
        if opened.streams:
            self._start_proxy(opened.streams, handover, state.socks5 if state else None)
        for collector in self._collectors:
            REGISTRY.register(collector)

    def _start_proxy(
        self, bound: Iterable[socket.socket], handover: Handover, state: Socks5State | None
    ) -> None:
        timeout_s, moved = self._settings.limits.handshake_timeout_s, state.moved if state else 0
        self._proxy = Proxy(self._settings.socks5, timeout_s, moved)
        if state:
            self._proxy.take(state, handover)
        self._proxy.start(bound)
        self._collectors.append(Socks5Collector(self._proxy))

    def hand_over(self) -> Handover:
        """All but TLS clients and active bytestreams, which stay. Raises HandoverError."""
        if self._sockets is None:
            raise HandoverError("it does not listen yet")
        handover = Handover()
        try:
            numbers, turn = self._sockets.hand_over(handover)
            socks5 = None
            if self._proxy is not None:
                more, socks5 = self._proxy.hand_over(handover)
                numbers += more
        except HandoverError:
            handover.close()
            self._resume()
            raise
        handover.state = encoded(RelayState(turn, tuple(numbers), socks5))
        return handover

    async def resume(self) -> None:
        """Nobody has taken over: go on."""
        self._resume()

    def _resume(self) -> None:
        if self._sockets is not None:
            self._sockets.resume()
        if self._proxy is not None:
            self._proxy.resume()

    def released(self) -> None:
        """The successor is at work: go on with TLS clients and active bytestreams alone."""
        self._shelf = None  # what lies there is the successor's
        self._last = None  # what is left is what the successor leaves
        if self._sockets is not None:
            self._sockets.released()
        if self._proxy is not None:
            self._proxy.released()

    def trouble(self) -> str | None:
        """Return "not listening" until it does."""
        if self._proxy and not self._proxy.mover.works:
            return "no bytestream moves any more: the log says why; restart the relay"
        return None if self._sockets else "not listening"

    async def stop(self) -> None:
        """Close all listeners, connections and relay ports."""
        self._clear_shelf()
        if self._sockets is not None:
            sockets, self._sockets = self._sockets, None
            if self._last is not None:
                self._last.remove()
            sockets.close()
        if self._proxy is not None:
            proxy, self._proxy = self._proxy, None
            await proxy.stop()
        while self._collectors:
            REGISTRY.unregister(self._collectors.pop())

    def _clear_shelf(self) -> None:
        """Nobody goes on listening: who comes now is refused at once."""
        if self._shelf:
            self._shelf.put(())

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
        """Refuse new allocations and new connections of bytestreams; let go those of silent clients."""
        self._clear_shelf()
        if self._sockets is not None:
            allocations = self._sockets.server.allocations
            allocations.draining = allocations.leaving = True
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


def _take(sockets: Sockets, state: TurnState, handover: Handover, *, same_udp: bool) -> None:
    """Go on with the clients of another process, or close what is theirs. Raises HandoverError, OSError."""
    if not same_udp and any(one.transport == "udp" for one in state.allocations):
        raise HandoverError("turn.address or turn.udp_port has changed: that needs a restart of the relay")
    try:
        sockets.take(state, handover)
    except BaseException:
        sockets.close()
        raise


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
