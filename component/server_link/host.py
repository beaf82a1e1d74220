"""One host of the component: the server's session, what waits, and who is attached."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from component.limited_stream import Limit, Limits, Refused
from component.loss import Loss, LossKind, Timing
from component.server_link import metrics
from component.server_link.attachment import Attachment, Stage
from component.server_link.buffer import Buffer
from component.server_link.framer import Stanza
from component.server_link.presences import Presences
from component.server_link.upstream import Listener, Upstream
from component.stanza import IQ, PRESENCE, iq, presence, serialise
from component.stanza_error import StanzaError

HOLD_S = 1.0
"""How long a component waits for the server's session until it is told why there is none; it asks again."""
PATIENCE_S = 5.0
"""The same when the server has not even refused: below the 10 s after which a component gives up the link."""

_log = structlog.get_logger()


class Host:
    """See the module."""

    def __init__(
        self,
        name: str,
        secret: str,
        server: tuple[str, int],
        *,
        pinged: str,
        limits: Limits,
        buffer: Buffer,
        clock: Callable[[], float],
        timing: Timing | None = None,
    ) -> None:
        """`clock` gives seconds."""
        self.name = name
        self.buffer = buffer
        self.presences = Presences()
        self.attachments: list[Attachment] = []
        """Those that have named this host, in the order of their coming."""
        self.active: Attachment | None = None
        """Who gets what the server sends."""
        self._clock = clock
        self._limits_logged: set[Limit] = set()
        self._dropped_counted = dict(buffer.dropped)
        listener = Listener(self._up, self._down, self.from_server, self._refused, self._server_eased)
        self.upstream = Upstream(
            name,
            secret,
            server,
            pinged=pinged,
            limits=limits,
            listener=listener,
            clock=clock,
            timing=timing,
        )

    @property
    def session(self) -> str:
        """See attachment.Host."""
        return self.upstream.session

    @property
    def namespaces(self) -> Iterable[tuple[str | None, str]]:
        """See attachment.Host."""
        return self.upstream.framer.namespaces

    def tick(self, now: float) -> None:
        """What time brings; wants to be called a few times a second."""
        self.upstream.tick(now)
        for stanza in self.buffer.expired(now):
            self._try_again(stanza, "age")
        for attachment in list(self.attachments):
            if attachment.stage is Stage.HELD and now - attachment.since >= HOLD_S:
                loss = self.upstream.loss
                if loss is None and now - attachment.since >= PATIENCE_S:
                    loss = Loss(LossKind.SILENT, "the link is still connecting")
                if loss is not None:
                    self._tell_loss(attachment, loss)
        for sort, count in self.buffer.dropped.items():
            metrics.DROPPED.labels(sort.value).inc(count - self._dropped_counted[sort])
        self._dropped_counted = dict(self.buffer.dropped)

    # The components

    def activate(self, attachment: Attachment) -> None:
        """This one is the component from now on, and gets first what has waited."""
        self.active = attachment
        attachment.activate()
        waiting = self.buffer.take()
        if waiting:
            _log.info("what has waited goes to the component", host=self.name, stanzas=len(waiting))
            attachment.deliver(waiting)
        self.eased()

    def make_way(self, pid: int) -> None:
        """The streams of this instance are to end: another one takes its place."""
        for attachment in self.attachments:
            if attachment.pid == pid and attachment.stage is Stage.ACTIVE:
                self.active = None
                attachment.make_way()

    def detach(self, attachment: Attachment) -> None:
        """It has ended; what it had not acknowledged waits for the next one."""
        if attachment in self.attachments:
            self.attachments.remove(attachment)
        if self.active is attachment:
            self.active = None
        if attachment.delivery is not None and self.session:
            metrics.REPEATED.inc(len(attachment.delivery.pending))
            self.buffer.put_back(attachment.delivery.pending)
            attachment.delivery = None
        self.eased()

    def abandon(self) -> None:
        """Nobody comes any more: leave the rooms and the server."""
        if not self.upstream.wanted:
            return
        _log.warning("no component has come: leaves the XMPP server", component=self.name)
        for kept in self.buffer.take():
            self._try_again(kept.stanza, "abandoned")
        self.farewell()
        self.upstream.rest()

    def farewell(self) -> None:
        """Say unavailable to whoever thinks that the component is there."""
        for ours, theirs in self.presences:
            self._to_server(serialise(presence(theirs, ours, type="unavailable")))
        self.presences.clear()

    # Stanzas

    def from_server(self, stanzas: list[Stanza]) -> None:
        """Give these to the component, or keep them for it."""
        now, active = self._clock(), self.active
        for stanza in stanzas:
            if stanza.tag == PRESENCE:
                self.presences.received(stanza)
        if active is not None:
            active.deliver([self.buffer.number(stanza, now) for stanza in stanzas])
            if active.full:
                self._hold_server(holds=True)
            return
        for stanza in stanzas:
            if self.buffer.put(stanza, now) is not None:
                self._try_again(stanza, "room")

    def to_server(self, stanzas: list[Stanza], sender: Attachment) -> None:
        """See attachment.Host."""
        for stanza in stanzas:
            if stanza.tag == PRESENCE:
                self.presences.sent(stanza)
        self._to_server(b"".join(stanza.data for stanza in stanzas))
        metrics.TO_SERVER.inc(len(stanzas))
        channel = self.upstream.channel
        if channel is not None and channel.congested:
            sender.channel.hold(True)

    def eased(self) -> None:
        """See attachment.Host."""
        if self.active is None or not self.active.full:
            self._hold_server(holds=False)

    def _hold_server(self, *, holds: bool) -> None:
        if self.upstream.channel is not None:
            self.upstream.channel.hold(holds)

    def _server_eased(self) -> None:
        for attachment in self.attachments:
            attachment.channel.hold(False)

    def _to_server(self, data: bytes) -> None:
        if self.session and self.upstream.channel is not None:
            self.upstream.channel.write(data)

    def _try_again(self, request: Stanza, reason: str) -> None:
        """Tell who asks that there is no component now."""
        metrics.TRY_AGAIN.labels(reason).inc()
        text = "the service is being restarted"
        self._answer(request.attributes, StanzaError("service-unavailable", text, type="wait"))

    def _answer(self, attributes: dict[str, str], error: StanzaError) -> None:
        get = attributes.get
        if get("from") and get("id") and get("type") in ("get", "set"):
            request = iq("get", get("to", ""), get("from", ""), id=get("id"))
            self._to_server(serialise(error.reply(request)))

    def _refused(self, event: Refused) -> None:
        metrics.REFUSED.labels(event.limit.value).inc()
        stanza = event.stanza
        if event.limit not in self._limits_logged:  # once in a session: the counter has the rest
            self._limits_logged.add(event.limit)
            _log.warning("a stanza broke a limit", limit=event.limit.value, sender=stanza.get("from"))
        if stanza.tag == IQ:
            self._answer(stanza.attrib, StanzaError("policy-violation", "the stanza is beyond a limit"))

    # The server's session

    def _up(self) -> None:
        self._limits_logged.clear()
        for attachment in list(self.attachments):
            if attachment.stage is Stage.HELD:
                attachment.greet()

    def _down(self, loss: Loss) -> None:
        """Whatever was of that session is of no use any more, and the component has to know."""
        self.buffer.take()
        self.presences.clear()
        for attachment in list(self.attachments):
            if attachment.stage is not Stage.HELD:
                self._tell_loss(attachment, loss)

    def _tell_loss(self, attachment: Attachment, loss: Loss) -> None:
        attachment.end("remote-connection-failed", lost=loss)
