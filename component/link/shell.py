"""slixmpp's ComponentXMPP with the parts replaced that one stanza could break.

Of slixmpp remain the connection's life, the stream header, the handshake and its place for extensions. Its
parser, its handlers and its queue see no stanza: they copy, match and expand what users send, without limits.
The private methods that are overridden or relied on here are pinned by tests/component/test_link_shell.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp import ComponentXMPP
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.link.intake import STREAM_NS, Broken, Closed, Intake, Limits, Opened, Refused
from component.loss import LINK_NS, Loss, LossKind, loss_by_error
from component.stanza import COMPONENT_NS, KINDS, serialise

_HANDSHAKE = f"{{{COMPONENT_NS}}}handshake"
_STREAM_ERROR = f"{{{STREAM_NS}}}error"
_STANDBY, _LOST = f"{{{LINK_NS}}}standby", f"{{{LINK_NS}}}lost"
_SM_NS = "urn:xmpp:sm:3"
_ENABLED, _ASKED = f"{{{_SM_NS}}}enabled", f"{{{_SM_NS}}}r"
_ENABLE = f"<enable xmlns='{_SM_NS}'/>".encode()
# What we may have written and the server not yet read: one so far behind is not worth more memory.
MAX_BACKLOG_BYTES = 8 * 1024 * 1024
# Answers to one read are written together, in pieces of this size.
_WRITE_BYTES = 65536


@dataclass(frozen=True)
class Listener:
    """Whom the shell tells what happens."""

    up: Callable[[], None]
    stanza: Callable[[Element], None]
    refused: Callable[[Refused], None]
    stands_by: Callable[[str], None] = lambda _active: None
    """Gets the process id of the instance that is active."""
    handled: Callable[[], int] = lambda: 0
    """How many stanzas of this session have been handled, without a gap."""


class Shell(ComponentXMPP):
    """One component connection after the other; `ended` of each is the reason why it is over."""

    def __init__(
        self, domain: str, secret: str, server: tuple[str, int] | str, *, limits: Limits, listener: Listener
    ) -> None:
        """`server` is the XMPP server's host and port, or the UNIX socket of the link before it."""
        self._socket = server if isinstance(server, str) else ""
        host, port = ("", 0) if isinstance(server, str) else server
        super().__init__(domain, secret, host, port, fix_error_ns=True)  # type: ignore[no-untyped-call]
        self._limits = limits
        self._listener = listener
        self._intake = Intake(limits)
        self._loss: Loss | None = None
        self._established = False
        self._paused = False
        self._reading = False
        self._acknowledges = False
        """Whether the link wants to know what has been handled (XEP-0198)."""
        self._asked = self._owes_count = False
        """Whether it has asked, and whether it knows less than there is to know."""
        self._received = self._told = 0
        self.session = ""
        """The id of the server's stream."""
        self._out: list[bytes] = []
        self._out_bytes = 0
        self.ended: asyncio.Future[Loss] = self.loop.create_future()

    def reload(self, secret: str, limits: Limits) -> None:
        """Take the secret for the next handshake, and the limits for the next stanza."""
        self.secret = secret
        self._limits = self._intake.limits = limits

    async def open(self) -> None:
        """Make the connection; the header and the handshake follow by themselves. Raises OSError."""
        self.ended = self.loop.create_future()
        self._loss = None
        if self._socket:
            await self.loop.create_unix_connection(lambda: self, self._socket)
        else:
            await self.loop.create_connection(lambda: self, self.server_host, self.server_port)

    def give_up(self, loss: Loss) -> None:
        """End the connection at once, for this reason."""
        if self._loss is None:
            self._loss = loss
        self.abort()

    def write(self, data: bytes) -> bool:
        """Send bytes of whole stanzas; False when the server is too far behind, and nothing was sent."""
        if self.transport is None or (self._paused and self._backlog() + len(data) > MAX_BACKLOG_BYTES):
            return False
        self._out.append(data)
        self._out_bytes += len(data)
        if not self._reading or self._out_bytes > _WRITE_BYTES:
            self._flush()
        return True

    async def close(self) -> None:
        """End the stream in order, or after a moment without."""
        if self.transport is None:
            return
        self.write(self.stream_footer.encode())
        self.transport.close()
        try:
            async with asyncio.timeout(2.0):
                await asyncio.shield(self.ended)
        except TimeoutError:
            self.abort()

    # --- slixmpp's seams ---

    def init_parser(self) -> None:
        """Called by slixmpp for each new connection."""
        self._intake = Intake(self._limits)
        self._established = False
        self._paused = False
        self._acknowledges = self._asked = self._owes_count = False
        self._received = self._told = 0
        self._out, self._out_bytes = [], 0

    def data_received(self, data: bytes | str) -> None:
        """Take what the server sent. Nothing leaves this method: asyncio would close the connection."""
        if isinstance(data, str):
            data = data.encode()
        self._reading = True
        try:
            for event in self._intake.feed(data):
                self._take(event)
        except Exception as error:
            self.give_up(Loss(LossKind.BROKEN, f"internal error {type(error).__name__}"))
        finally:
            self.acknowledge()
            self._reading = False
            self._flush()

    def connection_lost(self, exception: BaseException | None) -> None:
        """Called by asyncio once for each connection."""
        self._out, self._out_bytes = [], 0
        super().connection_lost(exception)
        if not self.ended.done():
            self.ended.set_result(self._loss or Loss(LossKind.CLOSED, "the connection was closed"))

    def pause_writing(self) -> None:
        """The server reads slower than we write: stop giving it reasons for more answers."""
        self._paused = True
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """The server caught up."""
        self._paused = False
        if self.transport is not None:
            self.transport.resume_reading()

    def send(self, data: StanzaBase | str, use_filters: bool = True) -> None:
        """What slixmpp itself sends goes out at once or not at all: its queue would outlive the session."""
        self.write(data.encode() if isinstance(data, str) else serialise(data.xml))

    def send_raw(self, data: str | bytes) -> None:
        """As slixmpp's own, without a log line that holds the data."""
        self.write(data.encode() if isinstance(data, str) else data)

    def _start_keepalive(self, event: Any) -> None:
        """No white space: only a ping tells whether the server still answers."""

    # --- our own ---

    def acknowledge(self) -> None:
        """Tell the link what has been handled, if it waits for that."""
        if not self._owes_count:
            return
        handled = self._listener.handled()
        if handled != self._told or self._asked:
            self._asked, self._told = False, handled
            self.write(f"<a xmlns='{_SM_NS}' h='{handled % 2**32}'/>".encode())
        self._owes_count = handled < self._received

    def _take(self, event: Element | Opened | Refused | Closed | Broken) -> None:
        if isinstance(event, Element):
            if event.tag in KINDS:
                if self._established:
                    self._received += 1
                    self._listener.stanza(event)
            else:
                self._take_other(event)
        elif isinstance(event, Refused):
            self._received += 1
            self._listener.refused(event)
        elif isinstance(event, Opened):
            self.session = event.id
            if self._socket:
                self.write(_ENABLE)  # before the handshake, behind which every stanza is to count
            self.start_stream_handler(Element("stream", {"id": event.id}))  # type: ignore[no-untyped-call]
        elif isinstance(event, Closed):
            self.give_up(Loss(LossKind.CLOSED, "the server ended the stream"))
        else:
            self.give_up(Loss(LossKind.BROKEN, event.reason))

    def _take_other(self, element: Element) -> None:
        if element.tag == _HANDSHAKE:
            self._accepted(element)
        elif element.tag == _STREAM_ERROR:
            self.give_up(self._stream_loss(element))
        elif element.tag == _ENABLED:
            self._acknowledges = True
        elif element.tag == _ASKED:
            self._asked = self._owes_count = self._acknowledges
        elif element.tag == _STANDBY:
            self._listener.stands_by(element.get("active", ""))

    def _stream_loss(self, error: Element) -> Loss:
        lost = error.find(_LOST)
        if lost is not None and self._socket:
            kind = lost.get("kind", "")
            known = LossKind(kind) if kind in set(LossKind) else LossKind.CLOSED
            return Loss(known, lost.text or "", told_by_link=True)
        loss = loss_by_error(child.tag.rpartition("}")[2] for child in error)
        if loss.kind is LossKind.CONFLICT and self._socket:
            return Loss(LossKind.REPLACED, loss.text)
        return loss

    def _accepted(self, handshake: Element) -> None:
        if not self._established:
            self._established = True
            self._handle_handshake(handshake)  # type: ignore[no-untyped-call]
            self._listener.up()

    def _backlog(self) -> int:
        return self._out_bytes + (self.transport.get_write_buffer_size() if self.transport else 0)

    def _flush(self) -> None:
        if self._out and self.transport is not None:
            data = b"".join(self._out)
            self._out, self._out_bytes = [], 0
            self.transport.write(data)
