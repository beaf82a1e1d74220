"""The part `front`: one HTTP port for WebSocket, BOSH, pages, host-meta and the bridge channel."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping

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
from bosh.tunnel import Tunnel
from bosh.xmpp_websocket import XmppWebSocket
from carillon.part import Part, PartError
from carillon.settings import FrontSettings, Settings
from carillon.tls import HANDSHAKE_TIMEOUT_S, CertificateError, ServerTls

BACKLOG = 1024
"""Connections that the kernel keeps until we take them: a whole meeting may come back in one second."""
STOP_TIMEOUT_S = 2.0
"""How long clients have to take our goodbye."""

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
        self._server: asyncio.Server | None = None
        self._plain: asyncio.Server | None = None
        """The listener without TLS that leads to the other one."""
        self._tls: ServerTls | None = None

    async def start(self) -> None:
        """Listen. Raises PartError."""
        front = self._settings.front
        self._tls = tls = _server_tls(front)
        self._server = await self._listen(lambda: Connection(self._context), front.port, tls)
        if front.http_port:
            try:
                self._plain = await self._listen(
                    lambda: PlainConnection(self._context), front.http_port, None
                )
            except PartError:
                await self.stop()
                raise
        log.info("front listens", address=front.address, port=self.port, tls=tls is not None)

    async def _listen(
        self, connection: Callable[[], Connection], port: int, tls: ServerTls | None
    ) -> asyncio.Server:
        address = self._settings.front.address
        try:
            return await asyncio.get_running_loop().create_server(
                connection,
                address,
                port,
                backlog=BACKLOG,
                ssl=tls.context if tls else None,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if tls else None,
                ssl_shutdown_timeout=CLOSE_TIMEOUT_S if tls else None,
            )
        except OSError as error:
            raise PartError(_why_not_listening(address, port, error)) from error

    @property
    def port(self) -> int:
        """The port it listens on (the settings may say 0)."""
        assert self._server is not None, "started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def trouble(self) -> str | None:
        """None once it listens."""
        return None if self._server is not None else "the front does not listen yet"

    async def stop(self) -> None:
        """Say goodbye to everybody and close."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        if self._plain is not None:
            self._plain.close()
            self._plain = None
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
