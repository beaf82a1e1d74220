"""The media bridge as a part of carillon: media port, REST interface and bridge channel put together."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Iterable, Mapping

from aiohttp import web
from prometheus_client import REGISTRY

from bridge.channel import ChannelEndpoint
from bridge.colibri import SERVER_ID, Site
from bridge.conference import MakeRouter, Router
from bridge.ice_data import Address
from bridge.jvb_metrics import JvbCollector
from bridge.media import opus
from bridge.media.router import Output
from bridge.media.router import Router as MediaRouter
from bridge.media_port import Bound, MediaPort
from bridge.registry import Registry
from bridge.rest import MAX_BODY_BYTES, Rest, programs_only
from bridge.statistics import Statistics
from carillon.handover import Handover
from carillon.part import Part, PartError
from carillon.settings import FIRST_BRIDGE, BridgeSettings, Settings


def make_router(output: Output, random_source: random.Random) -> Router:
    """The router of the pure-Python engine."""
    return MediaRouter(output, random=random_source, codec=opus.load())


def make(settings: Settings) -> Part:
    """The bridge of these settings."""
    return Bridge(settings.bridge, make_router, server_id(settings.bridge_name))


def server_id(name: str) -> str:
    """How the bridge of this name calls itself in addresses of bridge channels."""
    return SERVER_ID if name == FIRST_BRIDGE else name


class Bridge:
    """See the module."""

    def __init__(self, settings: BridgeSettings, make_router: MakeRouter, server_id: str = SERVER_ID) -> None:
        self._settings = settings
        self._server_id = server_id
        self.registry = Registry(make_router, settings.max_endpoints, settings.consent_timeout_s)
        self._statistics = Statistics(self.registry)
        self._collector: JvbCollector | None = None
        self._port: MediaPort | None = None
        self._runner: web.AppRunner | None = None
        self._listener: socket.socket | None = None
        """Of the REST interface; it outlives the server that accepts on a duplicate of it."""
        self._server: asyncio.Server | None = None
        self._released = False
        self.rest_port = 0
        """The TCP port of the REST listener, once it listens."""

    async def start(self) -> None:
        """Open media port and REST listener. Raises PartError."""
        await self._start({}, None)

    async def _start(self, media: Mapping[str, Bound], rest: socket.socket | None) -> None:
        """Start with the sockets that there are already."""
        self._port = MediaPort(self.registry)
        await self._port.open(self._settings.address, self._settings.port, media)
        told = self._settings.advertise or self._settings.address
        site = Site(told, self._port.port or 0, self._settings.websocket_url, self._server_id)
        application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[programs_only])
        application.on_response_prepare.append(_say_nothing_of_us)
        application.add_routes(Rest(self.registry, site, self._statistics).routes())
        application.add_routes(ChannelEndpoint(self.registry, self._server_id).routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            self._listener = rest or _listening(*_loopback(self._settings.rest))
        except PartError:
            await self.stop()
            raise
        await self._accept()
        self.rest_port = self._listener.getsockname()[1]
        clock = asyncio.get_running_loop().time
        self._collector = JvbCollector(
            self.registry, self._statistics, healthy=lambda: self.trouble() is None, clock=clock
        )
        REGISTRY.register(self._collector)

    async def _accept(self) -> None:
        assert self._runner is not None and self._runner.server is not None and self._listener is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._runner.server, sock=self._listener.dup())

    def _accept_no_more(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # A newer version takes over the sockets. Conferences stay behind: the focus, which sees another instance,
    # has everybody's media moved to it.

    def hand_over(self) -> Handover:
        """The sockets."""
        assert self._port is not None and self._listener is not None
        self._accept_no_more()
        handover = Handover()
        media = [
            {"ip": ip, "udp": handover.lend(udp), "tcp": handover.lend(tcp)}
            for ip, (udp, tcp) in self._port.pause().items()
        ]
        rest = {"address": self._settings.rest, "socket": handover.lend(self._listener)}
        handover.state = {"port": self._port.port, "media": media, "rest": rest}
        return handover

    async def take_over(self, handover: Handover) -> None:
        """Start on the sockets of another process, where they are those that this configuration wants."""
        state, wanted = handover.state, self._settings
        media = {}
        if wanted.port in (0, state["port"]):
            media = {
                one["ip"]: Bound(handover.take(one["udp"]), handover.take(one["tcp"]))
                for one in state["media"]
                if one["ip"] in wanted.address
            }
        same = state["rest"]["address"] == wanted.rest
        await self._start(media, handover.take(state["rest"]["socket"]) if same else None)

    async def resume(self) -> None:
        """Go on with the sockets."""
        assert self._port is not None
        await self._port.resume()
        await self._accept()

    def released(self) -> None:
        """The sockets are another process's now: not a word on them any more."""
        self._released = True
        self.registry.send_datagram = _say_nothing

    def trouble(self) -> str | None:
        """Why media does not flow, or None."""
        if self._port is None or self._port.port is None:
            return "the media port is not open"
        return None

    async def stop(self) -> None:
        """End all conferences, close the listeners; idempotent."""
        now = asyncio.get_running_loop().time()
        for conference in () if self._released else tuple(self.registry.conferences.values()):
            self.registry.expire_conference(conference, "expired", now)
        if self._collector is not None:
            REGISTRY.unregister(self._collector)
            self._collector = None
        self._accept_no_more()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
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
        conferences = () if self._released else self.registry.conferences.values()
        return {"conferences": sum(bool(conference.endpoints) for conference in conferences)}

    def routes(self) -> Iterable[web.RouteDef]:
        """The statistics, on the control socket too."""
        return [web.get("/colibri/stats", self._stats)]

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(self._statistics.all(asyncio.get_running_loop().time()))


async def _say_nothing_of_us(request: web.Request, response: web.StreamResponse) -> None:
    """The channel's answers reach strangers through the front: no product, no version."""
    response.headers.pop("Server", None)


def _say_nothing(data: bytes, address: Address) -> None:
    """Instead of sending."""


def _listening(ip: str, port: int) -> socket.socket:
    """A socket for the REST interface. Raises PartError."""
    try:
        return socket.create_server((ip, port), family=socket.AF_INET6 if ":" in ip else socket.AF_INET)
    except OSError as error:
        raise PartError(f"cannot listen on TCP {ip} port {port}: {error.strerror}") from error


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
