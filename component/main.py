"""The part `component`: links to the XMPP server, one for each of its hosts, and the services on them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from carillon.control import ControlError, ask
from carillon.handover import Handover, HandoverError
from carillon.journal import at_work
from carillon.journal.stores import journal_of
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
from component.hosts import NO_SUCH_HOST, limits_of, trouble
from component.link import ComponentLink, LossKind
from component.links import link_of
from component.self_check import SelfCheck

TAKE_OVER_S = 30.0
"""What a newer version may take to become the active component; this one works meanwhile."""
ACTIVATE_S = 10.0
"""What the link may take to make it that."""
LOOK_S = 0.02


def make(settings: Settings) -> Part:
    """The component as a part. Raises SettingsError when a secret is missing."""
    return Component(settings)


class Component:
    """The links and the services on them, started and stopped together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._journal = journal_of(settings)
        self._journal_kept: asyncio.Task[None] | None = None
        xmpp, calls = settings.xmpp, settings.calls
        self._link = link_of(settings, settings.focus.domain)
        self._links = [self._link]
        disco = Disco(self._link, FOCUS, (FOCUS_NS, *NAMESPACES, *VERSIONS), nodes(NAMESPACES))
        own_domains = frozenset((xmpp.domain, xmpp.guest_domain))
        self._external_services = ExternalServices(
            self._link,
            Delegation(self._link, own_domains, self._journal),
            settings.turn,
            read_secret(settings.turn.secret_file),
            own_domains,
            clock=time.time,
        )
        self._focus = Focus(settings, self._link, self._journal)
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
            self._calls = Calls(settings, link, _pin(settings), self._focus.bridges, self._journal)
        if settings.socks5.enabled:
            link = link_of(settings, settings.socks5.domain)
            self._links.append(link)
            self._bytestreams = Bytestreams(settings, link, clock=time.monotonic)
        self._check = SelfCheck(self._links, xmpp.muc, xmpp.domain)
        self._handing_over = False
        self._replaced = False
        for link in self._links:
            link.on_replaced(self._end_replaced)

    async def start(self) -> None:
        """Start the services, then the links: they hear of the first session."""
        self._journal_kept = asyncio.create_task(at_work.keep(self._journal))
        await self._focus.start()
        if self._calls is not None:
            await self._calls.start()
        if self._bytestreams is not None:
            await self._bytestreams.start()
        for link in self._links:
            await link.start()

    async def stop(self) -> None:
        """Stop the services, whose farewells still go out, then the links."""
        if not self._replaced:
            await self._stop_services()
        for link in self._links:
            await link.stop()
        if self._journal_kept is not None:
            self._journal_kept.cancel()
        self._journal.close()

    async def _stop_services(self) -> None:
        if self._calls is not None:
            await self._calls.stop()
        await self._focus.stop()
        if self._bytestreams is not None:
            await self._bytestreams.stop()

    def _end_replaced(self) -> None:
        """Another process has taken over all that goes on: end, without a farewell to anybody."""
        if not self._replaced:
            self._replaced = True
            self._focus.abandon()
            if self._calls is not None:
                self._calls.abandon()
            self._journal.close()  # it is the other's now
            if not self._handing_over:
                signal.raise_signal(signal.SIGINT)

    # A newer version takes over: it attaches to the link beside this one, which works until the link prefers
    # the other. That one reads from the journal what goes on.

    def hand_over(self) -> Handover:
        """Nothing: all of it is in the journal."""
        self._handing_over = True
        return Handover(within_s=TAKE_OVER_S)

    async def take_over(self, handover: Handover) -> None:
        """Stand by at the link, and become the active component. Raises HandoverError.

        Without a link the sessions are free only when the other process has gone: this one connects then.
        """
        await self.start()
        if not self._settings.link.enabled:
            return
        try:
            async with asyncio.timeout(TAKE_OVER_S):
                while not all(map(self._attached, self._links)):  # noqa: ASYNC110 - it takes a moment
                    await asyncio.sleep(LOOK_S)
                if not self._link.up:
                    await self._activate()
                while not self._link.up:  # noqa: ASYNC110 - it takes a moment
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise HandoverError(self.trouble() or "the link takes too long") from None

    async def _activate(self) -> None:
        control = self._settings.link.control
        if not control:
            raise HandoverError("the link has no control socket: set link.control")
        try:
            status, text = await ask(control, "/activate", ACTIVATE_S, body={"pid": str(os.getpid())})
        except ControlError as error:
            raise HandoverError(f"the link does not answer: {error}") from None
        if status != HTTPStatus.OK:
            raise HandoverError(f"the link does not make this process the active one: {text}")

    def _attached(self, link: ComponentLink) -> bool:
        stands_by = link.loss is not None and link.loss.kind is LossKind.STANDBY
        return link.up or stands_by or self._done_without(link)

    async def resume(self) -> None:
        """Go on, unless the link has preferred the other already: then there is nothing to go on with."""
        self._handing_over = False
        if self._replaced:
            signal.raise_signal(signal.SIGINT)

    def released(self) -> None:
        """The other process is at work."""
        self._end_replaced()

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
        if self._replaced:
            return {}
        conferences = self._focus.conferences.values()
        return {
            "conferences": sum(bool(conference.participants) for conference in conferences),
            "calls": self._calls.calls if self._calls else 0,
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """What administration, self-check and journal add to the control API."""
        return *self._administration.routes(), *self._check.routes(), *at_work.routes(self._journal)

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
