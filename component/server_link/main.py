"""The part `link`: holds the sessions with the XMPP server while components come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiohttp import web

from carillon.control import ControlError, listen
from carillon.handover import Handover
from carillon.part import Part, PartError
from carillon.settings import Settings
from component.hosts import NO_SUCH_HOST, trouble
from component.server_link.service import Service
from component.server_link.succession import handed_over, taken_over

ACTIVATE_S = 3.0
"""How long an answer to POST /activate may take: longer than the old one has to make way."""


def make(settings: Settings) -> Part:
    """The link as a part. Raises SettingsError when the secret is missing."""
    return ServerLink(settings)


class ServerLink:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = Path(settings.link.socket)
        self._service = Service(settings, time.monotonic)

    async def start(self) -> None:
        """Listen for components; the server is connected when one wants it. Raises PartError."""
        try:
            self._service.start(listen(self._socket))
        except ControlError as error:
            raise PartError(f"link.socket: {error}") from None

    async def stop(self) -> None:
        """End everything in order; idempotent."""
        if self._service.listener is not None:
            self._socket.unlink(missing_ok=True)
        await self._service.stop()

    def reload(self, settings: Settings) -> None:
        """Take up secret, limits and the bounds of the buffer. Raises SettingsError."""
        self._service.reload(settings)
        self._settings = settings

    def hand_over(self) -> Handover:
        """Every socket, and every byte that is on its way. Raises HandoverError."""
        return handed_over(self._service, time.monotonic())

    async def take_over(self, handover: Handover) -> None:
        """Go on with what another process has handed over. Raises HandoverError."""
        taken_over(self._service, handover, time.monotonic())

    async def resume(self) -> None:
        """The other one has not taken over: go on."""
        self._service.go_on()

    def released(self) -> None:
        """The other one is at work: let go of everything."""
        self._service.release()

    def drain(self) -> None:
        """Nothing of what it does has an end of its own."""

    def remaining(self) -> Mapping[str, int]:
        """Nothing that would be waited for."""
        return {}

    def trouble(self) -> str | None:
        """Why there is no session with the XMPP server that a component wants, and what to do.

        A server that knows no host for calls or bytestreams is no trouble: meetings do without.
        """
        hosts = self._service.hosts
        for number, (name, host) in enumerate(hosts.items()):
            loss = host.upstream.loss
            if host.session or not host.upstream.wanted or loss is None:
                continue
            if number == 0 or loss.kind not in NO_SUCH_HOST:
                return trouble(self._settings, name, loss)
        return None

    def routes(self) -> Iterable[web.RouteDef]:
        """`GET /instances` and `POST /activate`."""
        return web.get("/instances", self._instances), web.post("/activate", self._activate)

    async def _instances(self, _request: web.Request) -> web.Response:
        return web.json_response(self._service.state())

    async def _activate(self, request: web.Request) -> web.Response:
        """Body: `{"pid": PID}` of an instance that stands by."""
        try:
            pid = int((await request.json())["pid"])
            self._service.replace(pid)
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": "no component with this pid stands by"}, status=404)
        try:
            async with asyncio.timeout(ACTIVATE_S):
                while self._service.instances.active != pid:  # noqa: ASYNC110 - it is brief
                    await asyncio.sleep(0.005)
        except TimeoutError:
            return web.json_response({"error": "it has not become the active one"}, status=503)
        return web.json_response(self._service.state())
