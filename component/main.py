"""The part `component`: one link to the XMPP server and the services on it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from aiohttp import web

from carillon.part import Part
from carillon.settings import Settings, read_secret
from component.disco import Disco
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


def make(settings: Settings) -> Part:
    """The component as a part. Raises SettingsError when a secret is missing."""
    return Component(settings)


class Component:
    """The link, service discovery, external services and the focus, started and stopped together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        xmpp, limits = settings.xmpp, settings.limits
        self._link = ComponentLink(
            settings.focus.domain,
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
        Disco(self._link, features=NAMESPACES)
        ExternalServices(
            self._link,
            settings.turn,
            read_secret(settings.turn.secret_file),
            frozenset((xmpp.domain, xmpp.guest_domain)),
            clock=time.time,
        )
        self._focus = Focus(settings, self._link)

    async def start(self) -> None:
        """Start the focus, then the link: the focus hears of the first session."""
        await self._focus.start()
        await self._link.start()

    async def stop(self) -> None:
        """Stop the focus, whose farewells still go out, then the link."""
        await self._focus.stop()
        await self._link.stop()

    def routes(self) -> Iterable[web.RouteDef]:
        """What the focus adds to the control API."""
        return self._focus.routes()

    def trouble(self) -> str | None:
        """Why there is no session with the XMPP server, and what to do."""
        if self._link.up:
            return None
        loss = self._link.loss
        if loss is None:
            return "connecting to the XMPP server"
        xmpp = self._settings.xmpp
        return _TROUBLES.get(loss.kind, _LOST).format(
            where=f"{xmpp.server}:{xmpp.component_port}",
            domain=self._settings.focus.domain,
            secret=xmpp.secret_file,
            detail=loss.text,
        )
