"""One stream of a component process: to it, this is the XMPP server (XEP-0114)."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Iterable
from enum import Enum
from typing import Protocol

import structlog

from component.limited_stream import Broken, Closed, Limits, Opened, Refused
from component.loss import Loss
from component.server_link import metrics, stream
from component.server_link.buffer import Kept
from component.server_link.channel import Channel
from component.server_link.delivery import (
    ACKNOWLEDGE,
    ASK,
    ENABLE,
    ENABLED_BYTES,
    SM_NS,
    CountError,
    Delivery,
)
from component.server_link.framer import Framer, Stanza

OWN_LIMITS = Limits(bytes=1024 * 1024, depth=1000, elements=100_000, attributes=1000)
"""What a stanza of the component may be: it is ours, and servers take less."""
UNACKNOWLEDGED_BYTES = 8 * 1024 * 1024
"""A component that is so far behind gets nothing more until it has acknowledged some."""

_log = structlog.get_logger()


class Stage(Enum):
    """How far a stream is."""

    OPENING = "opening"
    """Nothing but the connection."""
    HELD = "held"
    """It has said which host it is; the server's session of that host is awaited."""
    GREETED = "greeted"
    """It has our header; its handshake is awaited."""
    STANDBY = "standby"
    """The handshake was good; it is answered when the instance becomes active."""
    ACTIVE = "active"
    LEAVING = "leaving"
    """It was told to go; its last words still count."""
    OVER = "over"


PASSING = frozenset((Stage.ACTIVE, Stage.LEAVING))
"""Stages in which what it sends goes to the server."""
PROVEN = frozenset((Stage.STANDBY, *PASSING))
"""Stages in which it has shown that it knows the secret."""


class Host(Protocol):
    """What an attachment sees of its host."""

    name: str

    @property
    def session(self) -> str:
        """The id of the server's stream; "" while there is none."""

    @property
    def namespaces(self) -> Iterable[tuple[str | None, str]]:
        """What the server's header declares."""

    def to_server(self, stanzas: list[Stanza], sender: Attachment) -> None:
        """Pass these on."""

    def eased(self) -> None:
        """A component takes more than before."""


class House(Protocol):
    """What an attachment sees of the link."""

    secret: str

    def host_of(self, attachment: Attachment, name: str) -> Host | None:
        """The host of that name, if there is one: its session is wanted from now on."""

    def proven(self, attachment: Attachment) -> None:
        """It has shown that it knows the secret."""

    def over(self, attachment: Attachment, *, proven: bool, by_us: bool) -> None:
        """It has ended; `proven`: the instance had it, `by_us`: we have ended it, not the component."""


class Attachment:
    """One connection of a component on the UNIX socket."""

    def __init__(self, connected: socket.socket, pid: int, house: House, now: float) -> None:
        self.pid = pid
        """The process at the other end, as the kernel says."""
        self.since = now
        """When it came."""
        self.stage = Stage.OPENING
        self.host: Host | None = None
        self.framer = Framer(OWN_LIMITS)
        self.channel = Channel(connected, self._received, self._ended, self._eased)
        self.delivery: Delivery | None = None
        """What it has been given, once it has asked for acknowledgements."""
        self.heard = 0
        """Stanzas that came from it since then."""
        self._house = house
        self._refused_logged = False

    @property
    def full(self) -> bool:
        """Whether it should get nothing more now."""
        behind = self.delivery is not None and self.delivery.bytes > UNACKNOWLEDGED_BYTES
        return behind or self.channel.congested

    @property
    def proven(self) -> bool:
        """Whether it has shown that it knows the secret."""
        return self.stage in PROVEN

    def stand_by(self, active: int) -> None:
        """Tell it that it waits for the end of the instance `active`."""
        self.channel.write(stream.standby(active))

    def greet(self) -> None:
        """Answer its header: the server's session is there."""
        assert self.host is not None
        self.stage = Stage.GREETED
        name = self.framer.header.get("to", "")
        self.channel.write(stream.header(self.host.namespaces, from_=name, id=self.host.session))

    def activate(self) -> None:
        """Answer its handshake: it is the component now."""
        self.stage = Stage.ACTIVE
        self.channel.write(stream.ACCEPTED + (ENABLED_BYTES if self.delivery is not None else b""))

    def deliver(self, stanzas: list[Kept]) -> None:
        """Give it stanzas of the server."""
        data = [kept.stanza.data for kept in stanzas]
        if self.delivery is not None:
            for kept in stanzas:
                self.delivery.give(kept)
            data.append(self.delivery.question())
        self.channel.write(b"".join(data))
        metrics.TO_COMPONENT.inc(len(stanzas))

    def make_way(self) -> None:
        """Tell it that another has its place. It closes the stream, and what it still says is passed on."""
        self.stage = Stage.LEAVING
        self.channel.write(stream.error("conflict", "another component process has taken over"))

    def end(self, condition: str, text: str = "", lost: Loss | None = None) -> None:
        """End the stream with an error."""
        if self.stage is Stage.OVER:
            return
        if self.stage in (Stage.OPENING, Stage.HELD):
            name = self.framer.header.get("to", "")
            self.channel.write(stream.header(from_=name, id=""))
        self.channel.write(stream.error(condition, text, lost))
        self.channel.finish()
        self._set_over(by_us=True)

    def leave(self) -> None:
        """End it without a reason: it said goodbye, or another stream has its place."""
        if self.stage is not Stage.OVER:
            self.channel.write(stream.END)
            self.channel.finish()
            self._set_over(by_us=False)

    # What it sends

    def _received(self, data: bytes) -> None:
        stanzas: list[Stanza] = []
        for event in self.framer.feed(data):
            if isinstance(event, Stanza) and event.kind is not None:
                if self.stage in PASSING:
                    stanzas.append(event)
                else:
                    self.end("not-authorized")
            elif self.stage is not Stage.OVER:
                self._pass(stanzas)
                stanzas = []
                self._take(event)
        self._pass(stanzas)

    def _pass(self, stanzas: list[Stanza]) -> None:
        if stanzas and self.host is not None:
            self.heard += len(stanzas)
            self.host.to_server(stanzas, self)

    def _take(self, event: Stanza | Opened | Refused | Closed | Broken) -> None:
        if isinstance(event, Stanza):
            self._take_other(event)
        elif isinstance(event, Opened):
            self._opened()
        elif isinstance(event, Refused):
            self._refused(event)
        elif isinstance(event, Closed):
            self.leave()
        else:
            self.end("not-well-formed")

    def _take_other(self, element: Stanza) -> None:
        if element.tag == stream.HANDSHAKE:
            if self.stage is Stage.GREETED:
                self._shown(element)
        elif element.tag == ENABLE:
            if self.stage in (Stage.GREETED, *PROVEN) and self.delivery is None:
                self.delivery, self.heard = Delivery(), 0
                if self.stage in PASSING:
                    self.channel.write(ENABLED_BYTES)
        elif element.tag == ACKNOWLEDGE:
            self._acknowledged(element)
        elif element.tag == ASK and self.delivery is not None:
            self.channel.write(f"<a xmlns='{SM_NS}' h='{self.heard % 2**32}'/>".encode())

    def _opened(self) -> None:
        if set(self.framer.namespaces) != stream.NAMESPACES:
            self.end("invalid-namespace", "only those of XEP-0114: stanzas are passed on as they are")
            return
        self.host = self._house.host_of(self, self.framer.header.get("to", ""))
        if self.host is None:
            self.end("host-unknown")
            return
        self.stage = Stage.HELD
        if self.host.session:
            self.greet()

    def _shown(self, handshake: Stanza) -> None:
        assert self.host is not None
        shown = (stream.element(handshake, self.framer).text or "").strip()
        if hmac.compare_digest(shown.encode(), stream.proof(self.host.session, self._house.secret).encode()):
            self.stage = Stage.STANDBY
            self._house.proven(self)
        else:
            self.end("not-authorized")

    def _acknowledged(self, element: Stanza) -> None:
        if self.delivery is None:
            return
        try:
            self.delivery.acknowledge(element.attributes.get("h", ""))
        except CountError:
            self.end("undefined-condition", "it acknowledges what it was not given")
            return
        self._eased()

    def _refused(self, event: Refused) -> None:
        metrics.REFUSED.labels(event.limit.value).inc()
        if not self._refused_logged:  # once for each stream: the counter has the rest
            self._refused_logged = True
            _log.error("a stanza of the component broke a limit and is dropped", limit=event.limit.value)

    # The connection

    def _eased(self) -> None:
        if self.host is not None:
            self.host.eased()

    def _ended(self, _why: str) -> None:
        self._set_over(by_us=False)

    def _set_over(self, *, by_us: bool) -> None:
        before, self.stage = self.stage, Stage.OVER
        if before is not Stage.OVER:
            self._house.over(self, proven=before in PROVEN, by_us=by_us)
