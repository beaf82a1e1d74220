"""The part `front`: one HTTP port for WebSocket, BOSH, pages, host-meta and the bridge channel."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections.abc import Iterable, Mapping
from functools import partial

import structlog
from aiohttp import web

from bosh.closing import CLOSE_TIMEOUT_S
from bosh.connection import Connection
from bosh.connection_limits import ConnectionLimits
from bosh.context import Context
from bosh.cross_origin import Origins
from bosh.forwarded_for import TrustedProxies
from bosh.http_bind import HttpBind
from bosh.pages import Site
from bosh.plain_connection import PlainConnection
from bosh.predecessor import Predecessor
from bosh.strays import Strays
from bosh.tunnel import Tunnel
from bosh.xmpp_websocket import XmppWebSocket
from carillon.handover import Handover, HandoverError
from carillon.part import Part, PartError
from carillon.settings import FrontSettings, Settings
from carillon.tls import HANDSHAKE_TIMEOUT_S, CertificateError, ServerTls

BACKLOG = 1024
"""Connections that the kernel keeps until we take them: a whole meeting may come back in one second."""
STOP_TIMEOUT_S = 2.0
"""How long clients have to take our goodbye."""
MOVE_S = 3.0
"""Over how long clients are sent to a successor: not all at once."""

log = structlog.get_logger()


class Front:
    """The listener and everything it accepted."""

    def __init__(self, settings: Settings) -> None:
        front = settings.front
        self._settings = settings
        limits = ConnectionLimits(front.max_connections, front.max_connections_per_address)
        origins = Origins(front)
        proxies, bosh = TrustedProxies(front.trusted_proxies), HttpBind(settings, origins)
        self._context = Context(settings, Site(settings), limits, origins, bosh, proxies)
        self._listeners: dict[str, socket.socket] = {}
        """By the names of _KINDS; they live as long as this process, or are handed over."""
        self._servers: list[asyncio.Server] = []
        """What takes connections on them now."""
        self._strays: Strays | None = None
        self._tls: ServerTls | None = None

    async def start(self) -> None:
        """Listen. Raises PartError."""
        front = self._settings.front
        self._tls = _server_tls(front)
        try:
            self._listeners["http"] = _listener(front.address, front.port)
            if front.http_port:
                self._listeners["plain"] = _listener(front.address, front.http_port)
        except PartError:
            self._close_listeners()
            raise
        await self._serve()
        log.info("front listens", address=front.address, port=self.port, tls=self._tls is not None)

    async def _serve(self) -> None:
        """Take connections: on duplicates, so that the listeners themselves outlive that."""
        loop = asyncio.get_running_loop()
        for name, listener in self._listeners.items():
            kind, tls = _KINDS[name], self._tls if name == "http" else None
            self._servers.append(
                await loop.create_server(
                    partial(kind, self._context),
                    sock=listener.dup(),
                    backlog=BACKLOG,
                    ssl=tls.context if tls else None,
                    ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if tls else None,
                    ssl_shutdown_timeout=CLOSE_TIMEOUT_S if tls else None,
                )
            )

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _close_listeners(self) -> None:
        self._close_servers()
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    @property
    def port(self) -> int:
        """The port it listens on (the settings may say 0)."""
        port: int = self._listeners["http"].getsockname()[1]
        return port

    def trouble(self) -> str | None:
        """None once it listens."""
        return None if self._servers else "the front does not listen yet"

    # replacement

    def hand_over(self) -> Handover:
        """The listeners, and where the requests of the BOSH sessions that stay here are taken."""
        handover = Handover()
        handover.state["listeners"] = {name: handover.lend(one) for name, one in self._listeners.items()}
        self._strays = Strays(self._context, self._settings.front.control)
        handover.state["sessions"] = self._strays.path
        self._close_servers()
        return handover

    async def take_over(self, handover: Handover) -> None:
        """Listen with the sockets of the predecessor, whose sessions stay there."""
        self._tls = _server_tls(self._settings.front)
        lent = handover.state.get("listeners", {})
        self._listeners = {name: handover.take(number) for name, number in lent.items() if name in _KINDS}
        if "http" not in self._listeners:
            raise HandoverError("the predecessor has handed over no listener")
        if sessions := handover.state.get("sessions"):
            self._context.bosh.before = Predecessor(str(sessions))
        await self._serve()
        log.info("front listens", address=self._settings.front.address, port=self.port, taken_over=True)

    async def resume(self) -> None:
        """Nobody has taken over: take connections again."""
        self._close_strays()
        await self._serve()

    def released(self) -> None:
        """The successor takes connections; who loses nothing by it is sent there, the others stay."""
        self._close_listeners()
        self._context.leaving = self._context.draining = True
        if self._strays is not None:
            self._strays.open()
        loop = asyncio.get_running_loop()
        for connection in list(self._context.live):
            if isinstance(connection, XmppWebSocket) and connection.movable:
                loop.call_later(random.uniform(0, MOVE_S), connection.move)
            elif isinstance(connection, Connection):
                connection.leave()

    def _close_strays(self) -> None:
        if self._strays is not None:
            self._strays.close()
            self._strays = None

    # the end

    async def stop(self) -> None:
        """Say goodbye to everybody and close."""
        self._close_listeners()
        self._close_strays()
        self._context.bosh.shut_down()
        for connection in list(self._context.live):
            connection.shut_down()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while self._context.live:
                    await self._context.empty.wait()
        except TimeoutError:
            log.warning("connections cut", count=len(self._context.live))

    def reload(self, settings: Settings) -> None:
        """Take up limits, addresses and certificate, for what begins from now on."""
        front, context = settings.front, self._context
        context.settings, context.origins = settings, Origins(front)
        context.site.reload(settings)
        context.limits.reload(front.max_connections, front.max_connections_per_address)
        context.bosh.reload(settings, context.origins)
        context.proxies = TrustedProxies(front.trusted_proxies)
        if self._tls is not None:
            self._tls.reload(front.certificate, front.key)

    def drain(self) -> None:
        """Refuse new XMPP streams. It goes on listening: BOSH needs connections for every request."""
        self._context.draining = True
        self._context.bosh.drain()

    def remaining(self) -> Mapping[str, int]:
        """The streams and bridge channels that are open."""
        live = self._context.live
        return {
            "streams": sum(isinstance(one, XmppWebSocket) for one in live) + self._context.bosh.sessions,
            "bridge channels": sum(isinstance(one, Tunnel) for one in live),
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """Nothing beside what every part has."""
        return ()


_KINDS: dict[str, type[Connection]] = {"http": Connection, "plain": PlainConnection}
"""What answers on each listener; the second, without TLS, leads to the first."""


def _listener(address: str, port: int) -> socket.socket:
    """A socket that listens there. Raises PartError."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PartError(_why_not_listening(address, port, error)) from error
    listener.setblocking(False)
    return listener


def make(settings: Settings) -> Part:
    """The front as a part."""
    return Front(settings)


def _server_tls(front: FrontSettings) -> ServerTls | None:
    """TLS with the configured certificate, None without one. Raises PartError."""
    if not front.certificate:
        return None
    try:
        return ServerTls(front.certificate, front.key, ("http/1.1",))
    except CertificateError as error:
        raise PartError(str(error)) from error


def _why_not_listening(address: str, port: int, error: OSError) -> str:
    where = f"{address}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: the front cannot listen on {where}; set another port in [front]"
    if error.errno == errno.EACCES:
        return f"the front may not listen on {where}: ports below 1024 need a privilege; set another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {address}: set front.address to one that it has"
    return f"the front cannot listen on {where}: {error.strerror or error}"
