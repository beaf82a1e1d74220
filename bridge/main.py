"""The media bridge as a part of carillon: media port, REST interface and bridge channel put together."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Iterable, Mapping

from aiohttp import web
from prometheus_client import REGISTRY

from bridge.channel import ChannelEndpoint
from bridge.colibri import Site
from bridge.conference import MakeRouter, Router
from bridge.jvb_metrics import JvbCollector
from bridge.media import opus
from bridge.media.router import Output
from bridge.media.router import Router as MediaRouter
from bridge.media_port import MediaPort
from bridge.registry import Registry
from bridge.rest import MAX_BODY_BYTES, Rest, programs_only
from bridge.statistics import Statistics
from carillon.part import Part, PartError
from carillon.settings import BridgeSettings, Settings


def make_router(output: Output, random_source: random.Random) -> Router:
    """The router of the pure-Python engine."""
    return MediaRouter(output, random=random_source, codec=opus.load())


def make(settings: Settings) -> Part:
    """The bridge of these settings."""
    return Bridge(settings.bridge, make_router)


class Bridge:
    """See the module."""

    def __init__(self, settings: BridgeSettings, make_router: MakeRouter) -> None:
        self._settings = settings
        self.registry = Registry(make_router, settings.max_endpoints, settings.consent_timeout_s)
        self._statistics = Statistics(self.registry)
        self._collector: JvbCollector | None = None
        self._port: MediaPort | None = None
        self._runner: web.AppRunner | None = None
        self.rest_port = 0
        """The TCP port of the REST listener, once it listens."""

    async def start(self) -> None:
        """Open media port and REST listener. Raises PartError."""
        rest_ip, rest_port = _loopback(self._settings.rest)
        self._port = MediaPort(self.registry)
        await self._port.open(self._settings.address, self._settings.port)
        told = self._settings.advertise or self._settings.address
        site = Site(told, self._port.port or 0, self._settings.websocket_url)
        application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[programs_only])
        application.on_response_prepare.append(_say_nothing_of_us)
        application.add_routes(Rest(self.registry, site, self._statistics).routes())
        application.add_routes(ChannelEndpoint(self.registry).routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        listener = web.TCPSite(self._runner, rest_ip, rest_port)
        try:
            await listener.start()
        except OSError as error:
            await self.stop()
            raise PartError(f"cannot listen on TCP {rest_ip} port {rest_port}: {error.strerror}") from error
        self.rest_port = self._runner.addresses[0][1]
        clock = asyncio.get_running_loop().time
        self._collector = JvbCollector(
            self.registry, self._statistics, healthy=lambda: self.trouble() is None, clock=clock
        )
        REGISTRY.register(self._collector)

    def trouble(self) -> str | None:
        """Why media does not flow, or None."""
        if self._port is None or self._port.port is None:
            return "the media port is not open"
        return None

    async def stop(self) -> None:
        """End all conferences, close the listeners; idempotent."""
        now = asyncio.get_running_loop().time()
        for conference in tuple(self.registry.conferences.values()):
            self.registry.expire_conference(conference, "expired", now)
        if self._collector is not None:
            REGISTRY.unregister(self._collector)
            self._collector = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._port is not None:
            await self._port.close()
            self._port = None

    def reload(self, settings: Settings) -> None:
        """Take up the limits, for endpoints that begin from now on."""
        self.registry.max_endpoints = settings.bridge.max_endpoints
        self.registry.consent_timeout_s = settings.bridge.consent_timeout_s

    def drain(self) -> None:
        """Refuse new conferences, as JVB does when it is told to shut down gracefully."""
        self.registry.draining = self._statistics.graceful_shutdown = True

    def remaining(self) -> Mapping[str, int]:
        """The conferences that have endpoints: one without them is only waiting for its end."""
        return {
            "conferences": sum(
                bool(conference.endpoints) for conference in self.registry.conferences.values()
            )
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """The statistics, on the control socket too."""
        return [web.get("/colibri/stats", self._stats)]

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(self._statistics.all(asyncio.get_running_loop().time()))


async def _say_nothing_of_us(request: web.Request, response: web.StreamResponse) -> None:
    """The channel's answers reach strangers through the front: no product, no version."""
    response.headers.pop("Server", None)


def _loopback(text: str) -> tuple[str, int]:
    """Address and port of bridge.rest, which has no password and so must not be reachable from outside."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
        number = int(port)
    except ValueError:
        raise PartError(f"bridge.rest is not address:port: {text}") from None
    if not address.is_loopback:
        raise PartError(f"bridge.rest must be a loopback address, it has no password: {text}")
    return str(address), number
