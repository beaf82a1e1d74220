"""The part `component`: links to the XMPP server, one for each of its hosts, and the services on them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web

from carillon.part import Part
from carillon.settings import Settings, read_secret
from component.bytestreams.service import Bytestreams
from component.calls.service import Calls
from component.disco import FOCUS, FOCUS_NS, Disco
from component.external_services import NAMESPACES, ExternalServices
from component.focus.service import Focus
from component.link import ComponentLink, Limits, LossKind

_LOST = "the session with the XMPP server at {where} was lost: {detail}"
_TROUBLES = {
    LossKind.REFUSED: "nothing answers at {where} ({detail}): does the XMPP server run, and listen there for"
    " components?",
    LossKind.SILENT: "what listens at {where} does not answer the handshake: is it the XMPP server's port for"
    " components?",
    LossKind.NOT_AUTHORIZED: "the XMPP server refuses the secret for {domain}: the one in {secret} must stand"
    " in its configuration too (ejabberd: or it does not know this host)",
    LossKind.HOST_UNKNOWN: "the XMPP server knows no component {domain}: add it to its configuration",
    LossKind.CONFLICT: "another process is connected to the XMPP server as {domain}",
}
_NO_SUCH_HOST = {LossKind.HOST_UNKNOWN, LossKind.NOT_AUTHORIZED}
"""How servers say that they have no such component: Prosody, and ejabberd."""


def make(settings: Settings) -> Part:
    """The component as a part. Raises SettingsError when a secret is missing."""
    return Component(settings)


class Component:
    """The links and the services on them, started and stopped together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        xmpp, calls = settings.xmpp, settings.calls
        self._link = _link(settings, settings.focus.domain)
        self._links = [self._link]
        Disco(self._link, FOCUS, (FOCUS_NS, *NAMESPACES))
        ExternalServices(
            self._link,
            settings.turn,
            read_secret(settings.turn.secret_file),
            frozenset((xmpp.domain, xmpp.guest_domain)),
            clock=time.time,
        )
        self._focus = Focus(settings, self._link)
        self._calls: Calls | None = None
        self._bytestreams: Bytestreams | None = None
        if calls.enabled:
            link = _link(settings, calls.domain)
            self._links.append(link)
            pin = read_secret(Path(calls.pin_file)) if calls.rooms == "pin" else ""
            self._calls = Calls(settings, link, pin)
        if settings.socks5.enabled:
            link = _link(settings, settings.socks5.domain)
            self._links.append(link)
            self._bytestreams = Bytestreams(settings, link, clock=time.monotonic)

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

    def routes(self) -> Iterable[web.RouteDef]:
        """What the focus adds to the control API."""
        return self._focus.routes()

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
        xmpp = self._settings.xmpp
        return _TROUBLES.get(loss.kind, _LOST).format(
            where=f"{xmpp.server}:{xmpp.component_port}",
            domain=link.domain,
            secret=xmpp.secret_file,
            detail=loss.text,
        )

    def _done_without(self, link: ComponentLink) -> bool:
        return link is not self._link and link.loss is not None and link.loss.kind in _NO_SUCH_HOST


def _link(settings: Settings, host: str) -> ComponentLink:
    xmpp, limits = settings.xmpp, settings.limits
    return ComponentLink(
        host,
        read_secret(xmpp.secret_file),
        (xmpp.server, xmpp.component_port),
        pinged=xmpp.domain,
        limits=Limits(
            bytes=limits.stanza_bytes,
            depth=limits.stanza_depth,
            elements=limits.stanza_elements,
            attributes=limits.stanza_attributes,
        ),
    )
