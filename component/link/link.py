"""The component link: keeps one session with the server up and stands for it towards the services."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from xml.etree.ElementTree import Element

import structlog

from component import stanza as stanzas
from component.link import metrics
from component.link.dispatch import Dispatch
from component.link.intake import Limit, Limits, Refused
from component.link.interface import (
    IqHandler,
    LinkDown,
    RequestTimeout,
    StanzaHandler,
    StanzaTooLarge,
    StateHandler,
)
from component.link.requests import Requests
from component.link.shell import Listener, Shell
from component.loss import Backoff, Loss, LossKind, Timing
from component.stanza import Kind
from component.stanza_error import StanzaError

# Prosody ends the stream at 512 KiB (component_stanza_size_limit) and calls it not well-formed.
MAX_STANZA_BYTES = 480_000
_PING = "{urn:xmpp:ping}ping"
# The link answers when it has a session, and otherwise after a second, with the reason.
ASK_AGAIN_S = 0.05

_log = structlog.get_logger()


class ComponentLink:
    """The Link of `domain`, connected to `server` (host, port) as long as it is started."""

    def __init__(
        self,
        domain: str,
        secret: str,
        server: tuple[str, int] | str,
        *,
        pinged: str,
        limits: Limits,
        timing: Timing | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`pinged` is the JID whose answers show that the server is alive: a domain it serves.

        `server` is the XMPP server's host and port, or the UNIX socket of `carillon link`, which holds the
        session for us: there is at most one instance of the component at work, and others stand by.
        """
        self.domain = domain
        self._secret = secret
        self._server = server
        self._pinged = pinged
        self._limits = limits
        self._timing = timing or Timing()
        self._backoff = Backoff(rng or random.SystemRandom())
        self._requests = Requests()
        self._dispatch = Dispatch(domain, self._requests, self.send, settled=self._handled)
        self._state_handlers: list[StateHandler] = []
        self._before_acknowledging: list[Callable[[], None]] = []
        self._shell: Shell | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._up_since: float | None = None
        self._loss: Loss | None = None
        self._stands_by = False
        self._replaced: Callable[[], None] = lambda: None
        self._limits_logged: set[Limit] = set()

    @property
    def up(self) -> bool:
        """Whether there is a session."""
        return self._up_since is not None

    @property
    def session(self) -> str:
        """See Link.session."""
        return self._shell.session if self.up and self._shell is not None else ""

    @property
    def loss(self) -> Loss | None:
        """Why there is no session, once an attempt has failed."""
        return None if self.up else self._loss

    def reload(self, secret: str, limits: Limits) -> None:
        """Take another secret, for the next session, and other limits; a session that is up stays."""
        self._secret, self._limits = secret, limits
        if self._shell is not None:
            self._shell.reload(secret, limits)

    async def start(self) -> None:
        """Begin to connect, and return at once."""
        self._shell = Shell(
            self.domain,
            self._secret,
            self._server,
            limits=self._limits,
            listener=Listener(
                self._on_up,
                self._dispatch.receive,
                self._on_refused,
                self._on_standby,
                self._count_handled,
            ),
        )
        self._supervisor = asyncio.create_task(self._keep_up(self._shell))

    async def stop(self) -> None:
        """End the session in order; idempotent."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        if self._shell is not None:
            await self._shell.close()
            self._on_down("the link was stopped")
            self._dispatch.cancel()
        self._supervisor = self._shell = None

    def on_iq(self, type: str, payload_tag: str, handler: IqHandler) -> None:
        """See Link.on_iq."""
        self._dispatch.on_iq(type, payload_tag, handler)

    def on_presence(self, handler: StanzaHandler) -> None:
        """See Link.on_presence."""
        self._dispatch.on_stanza(Kind.PRESENCE, handler)

    def on_message(self, handler: StanzaHandler) -> None:
        """See Link.on_message."""
        self._dispatch.on_stanza(Kind.MESSAGE, handler)

    def on_state(self, handler: StateHandler) -> None:
        """See Link.on_state."""
        self._state_handlers.append(handler)

    def on_replaced(self, handler: Callable[[], None]) -> None:
        """Call `handler` when another process has become the component in our place: it is for good."""
        self._replaced = handler

    def before_acknowledging(self, handler: Callable[[], None]) -> None:
        """See Link.before_acknowledging."""
        self._before_acknowledging.append(handler)

    def send(self, stanza: Element) -> None:
        """See Link.send."""
        self._transmit(stanza)

    async def request(self, iq: Element, timeout_s: float = 15.0) -> Element:
        """See Link.request."""
        answer = self._requests.open(iq)
        sent = False
        try:
            sent = self._transmit(iq)
            if not sent:
                raise LinkDown("no session with the XMPP server")
        finally:
            if not sent:
                self._requests.close(iq)
        return await self._requests.answer(iq, answer, timeout_s)

    def expect(self, iq: Element, timeout_s: float = 15.0) -> Awaitable[Element]:
        """See Link.expect."""
        return self._requests.answer(iq, self._requests.open(iq), timeout_s)

    def _transmit(self, stanza: Element) -> bool:
        """Send or drop; whether it was sent."""
        data = stanzas.serialise(stanza)
        if len(data) > MAX_STANZA_BYTES:
            raise StanzaTooLarge(f"{len(data)} bytes")
        if self._shell is None or not self.up:
            metrics.DROPPED.labels("down").inc()
            return False
        if not self._shell.write(data):
            metrics.DROPPED.labels("backlog").inc()
            return False
        return True

    async def _keep_up(self, shell: Shell) -> None:
        """Connect, wait for the end, wait some more, for ever."""
        while True:
            before = self._loss
            loss, session_s = await self._session(shell)
            if loss.kind is LossKind.REPLACED:
                _log.warning("another process is the component now", component=self.domain)
                self._replaced()
                return
            delay_s = ASK_AGAIN_S if loss.told_by_link else self._backoff.delay_s(loss.kind, session_s)
            is_news = session_s or before is None or before.kind is not loss.kind
            if is_news or not loss.told_by_link:
                metrics.LOSSES.labels(loss.kind.value).inc()
            if is_news:
                _log.warning(
                    "no session with the XMPP server",
                    component=self.domain,
                    reason=loss.kind.value,
                    detail=loss.text,
                )
            await asyncio.sleep(delay_s)

    async def _session(self, shell: Shell) -> tuple[Loss, float]:
        """One attempt and, if it succeeds, its session: why it ended and how long it lasted."""
        try:
            async with asyncio.timeout(self._timing.connect_s):
                await shell.open()
        except (OSError, ValueError) as error:  # ValueError: a host name that is none
            kind = LossKind.NO_LINK if isinstance(self._server, str) else LossKind.REFUSED
            self._loss = Loss(kind, type(error).__name__)
            return self._loss, 0.0
        loop = asyncio.get_running_loop()
        watchdog = loop.call_later(self._timing.handshake_s, self._silent, shell)
        try:
            self._loss = await asyncio.shield(shell.ended)
        finally:
            watchdog.cancel()
            self._stands_by = False
        session_s = 0.0
        if self._up_since is not None:
            session_s = loop.time() - self._up_since
            metrics.DISCONNECTS.inc()
        self._on_down("the session was lost")
        return self._loss, session_s

    def _silent(self, shell: Shell) -> None:
        if not self.up and not self._stands_by:
            kind = LossKind.LINK_SILENT if isinstance(self._server, str) else LossKind.SILENT
            shell.give_up(Loss(kind, "the handshake was not answered"))

    def _on_standby(self, active: str) -> None:
        self._stands_by = True
        self._loss = Loss(LossKind.STANDBY, f"process {active[:20]}")
        _log.info("stands by", component=self.domain, active=active[:20])

    def _count_handled(self) -> int:
        for handler in self._before_acknowledging:
            handler()
        return self._dispatch.handled()

    def _handled(self) -> None:
        """Something that took longer has been handled."""
        if self._shell is not None and self.up:
            self._shell.acknowledge()

    def _on_up(self) -> None:
        self._up_since = asyncio.get_running_loop().time()
        self._stands_by = False
        self._limits_logged.clear()
        metrics.UP.labels(self.domain).set(1)
        _log.info("connected to the XMPP server", component=self.domain)
        self._watch = asyncio.create_task(self._ping())
        self._tell(True)

    def _on_down(self, reason: str) -> None:
        if not self.up:
            return
        self._up_since = None
        metrics.UP.labels(self.domain).set(0)
        if self._watch is not None:
            self._watch.cancel()
        self._dispatch.end_session()
        self._requests.fail_all(LinkDown(reason))
        self._tell(False)

    def _tell(self, up: bool) -> None:
        for handler in self._state_handlers:
            try:
                handler(up)
            except Exception as error:
                _log.error("a state handler failed", error=type(error).__name__, exc_info=error)

    def _on_refused(self, event: Refused) -> None:
        metrics.REFUSED.labels(event.limit.value).inc()
        if event.limit not in self._limits_logged:  # once in a session: the counter has the rest
            self._limits_logged.add(event.limit)
            _log.warning("a stanza broke a limit", limit=event.limit.value, sender=event.stanza.get("from"))
        self._dispatch.refuse(event.stanza)

    async def _ping(self) -> None:
        """Keepalive by XEP-0199: any answer will do, none ends the session."""
        while True:
            await asyncio.sleep(self._timing.ping_interval_s)
            ping = stanzas.iq("get", self._pinged, self.domain, Element(_PING))
            try:
                await self.request(ping, self._timing.ping_timeout_s)
            except StanzaError:
                continue
            except (RequestTimeout, LinkDown):  # down: the server takes nothing any more
                if self._shell is not None:
                    self._shell.give_up(Loss(LossKind.UNANSWERED, "the server does not answer pings"))
                return
