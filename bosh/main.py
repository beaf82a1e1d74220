"""The part `front`: one HTTP port for WebSocket, pages, host-meta and the bridge channel."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Iterable

import structlog
from aiohttp import web

from bosh.closing import CLOSE_TIMEOUT_S
from bosh.connection import Connection
from bosh.connection_limits import ConnectionLimits
from bosh.context import Context
from bosh.pages import Site
from carillon.part import Part, PartError
from carillon.settings import FrontSettings, Settings

BACKLOG = 1024
"""Connections that the kernel keeps until we take them: a whole meeting may come back in one second."""
TLS_HANDSHAKE_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
"""How long clients have to take our goodbye."""

log = structlog.get_logger()


class Front:
    """The listener and everything it accepted."""

    def __init__(self, settings: Settings) -> None:
        front = settings.front
        self._settings = settings
        limits = ConnectionLimits(front.max_connections, front.max_connections_per_address)
        self._context = Context(settings, Site(settings), limits)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises PartError."""
        front = self._settings.front
        context = tls_context(front)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._context),
                front.address,
                front.port,
                backlog=BACKLOG,
                ssl=context,
                ssl_handshake_timeout=TLS_HANDSHAKE_TIMEOUT_S if context else None,
                ssl_shutdown_timeout=CLOSE_TIMEOUT_S if context else None,
            )
        except OSError as error:
            raise PartError(_why_not_listening(front, error)) from error
        log.info("front listens", address=front.address, port=self.port, tls=context is not None)

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
        for connection in list(self._context.live):
            connection.shut_down()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while self._context.live:
                    await self._context.empty.wait()
        except TimeoutError:
            log.warning("connections cut", count=len(self._context.live))

    def routes(self) -> Iterable[web.RouteDef]:
        """Nothing beside what every part has."""
        return ()


def make(settings: Settings) -> Part:
    """The front as a part."""
    return Front(settings)


def tls_context(front: FrontSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or later with the configured certificate, None without one. Raises PartError."""
    if not front.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(front.certificate, front.key)
    except (OSError, ssl.SSLError) as error:
        raise PartError(f"front.certificate {front.certificate} cannot be used: {error}") from error
    return context


def _why_not_listening(front: FrontSettings, error: OSError) -> str:
    where = f"{front.address}:{front.port}"
    if error.errno == errno.EADDRINUSE:
        return f"port {front.port} is in use: the front cannot listen on {where}; set front.port"
    if error.errno == errno.EACCES:
        return f"the front may not listen on {where}: ports below 1024 need a privilege; set front.port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {front.address}: the front cannot listen on {where}"
    return f"the front cannot listen on {where}: {error.strerror or error}"
