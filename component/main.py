"""The part `component`: links to the XMPP server, one for each of its hosts, and the services on them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiohttp import web

from carillon.part import Part
from carillon.settings import Settings, read_secret
from component.administration.service import Administration
from component.bytestreams.service import Bytestreams
from component.calls.service import Calls
from component.delegation import VERSIONS, Delegation, nodes
from component.disco import FOCUS, FOCUS_NS, Disco
from component.external_services import NAMESPACES, ExternalServices
from component.focus.metrics import HEALTHY
from component.focus.oversight import Oversight
from component.focus.service import Focus
from component.link import ComponentLink
from component.links import NO_SUCH_HOST, limits_of, link_of, trouble
from component.self_check import SelfCheck


def make(settings: Settings) -> Part:
    """The component as a part. Raises SettingsError when a secret is missing."""
    return Component(settings)


class Component:
    """The links and the services on them, started and stopped together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        xmpp, calls = settings.xmpp, settings.calls
        self._link = link_of(settings, settings.focus.domain)
        self._links = [self._link]
        disco = Disco(self._link, FOCUS, (FOCUS_NS, *NAMESPACES, *VERSIONS), nodes(NAMESPACES))
        own_domains = frozenset((xmpp.domain, xmpp.guest_domain))
        self._external_services = ExternalServices(
            self._link,
            Delegation(self._link, own_domains),
            settings.turn,
            read_secret(settings.turn.secret_file),
            own_domains,
            clock=time.time,
        )
        self._focus = Focus(settings, self._link)
        self._administration = Administration(
            self._link, Oversight(self._focus, settings, clock=time.time), settings, clock=time.monotonic
        )
        disco.extend(self._administration)
        HEALTHY.set_function(lambda: self.trouble() is None)
        self._calls: Calls | None = None
        self._bytestreams: Bytestreams | None = None
        if calls.enabled:
            link = link_of(settings, calls.domain)
            self._links.append(link)
            self._calls = Calls(settings, link, _pin(settings))
        if settings.socks5.enabled:
            link = link_of(settings, settings.socks5.domain)
            self._links.append(link)
            self._bytestreams = Bytestreams(settings, link, clock=time.monotonic)
        self._check = SelfCheck(self._links, xmpp.muc, xmpp.domain)

    async def start(self) -> None:
        """Start the services, then the links: they hear of the first session."""
        await self._focus.start()
        if self._calls is not None:
            await self._calls.start()
        if self._bytestreams is not None:
            await self._bytestreams.start()
        for link in self._links:
            await link.start()

    async def stop(self) -> None:
        """Stop the services, whose farewells still go out, then the links."""
        if self._calls is not None:
            await self._calls.stop()
        await self._focus.stop()
        if self._bytestreams is not None:
            await self._bytestreams.stop()
        for link in self._links:
            await link.stop()

    def reload(self, settings: Settings) -> None:
        """Take up limits, secrets and what is offered; conferences and calls go on. Raises SettingsError."""
        turn_secret, secret = read_secret(settings.turn.secret_file), read_secret(settings.xmpp.secret_file)
        pin = _pin(settings)
        self._settings = settings
        for link in self._links:
            link.reload(secret, limits_of(settings))
        self._external_services.reload(settings.turn, turn_secret)
        self._focus.reload(settings)
        self._administration.reload(settings)
        if self._calls is not None:
            self._calls.reload(settings, pin)
        if self._bytestreams is not None:
            self._bytestreams.reload(settings)

    def drain(self) -> None:
        """Begin no new conference and take no new call."""
        self._focus.drain()
        if self._calls is not None:
            self._calls.drain()

    def remaining(self) -> Mapping[str, int]:
        """Conferences with somebody in them, and calls."""
        conferences = self._focus.conferences.values()
        return {
            "conferences": sum(bool(conference.participants) for conference in conferences),
            "calls": self._calls.calls if self._calls else 0,
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """What administration and self-check add to the control API."""
        return *self._administration.routes(), *self._check.routes()

    def trouble(self) -> str | None:
        """Why there is no session with the XMPP server, and what to do.

        A server that knows no host for calls or bytestreams is no trouble: meetings do without, and the log
        says it.
        """
        link = next((link for link in self._links if not link.up and not self._done_without(link)), None)
        if link is None:
            return None
        loss = link.loss
        if loss is None:
            return "connecting to the XMPP server"
        return trouble(self._settings, link.domain, loss)

    def _done_without(self, link: ComponentLink) -> bool:
        return link is not self._link and link.loss is not None and link.loss.kind in NO_SUCH_HOST


def _pin(settings: Settings) -> str:
    """The PIN of calls to rooms; "" when none is wanted. Raises SettingsError."""
    calls = settings.calls
    return read_secret(Path(calls.pin_file)) if calls.enabled and calls.rooms == "pin" else ""
