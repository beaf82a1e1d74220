"""XMPP over WebSocket (RFC 7395) on one side, a client's stream to the server on the other. No I/O.

Whole messages of the client and raw bytes of the server come in, a `StreamOutput` is told what to send.
Between the two only the framing changes: `<open/>` and `<close/>` for the stream tags.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol
from xml.sax.saxutils import quoteattr

from bosh.framed_message import parse_message, top_tag
from bosh.restricted_xml import XmlError
from bosh.server_stream import (
    PENDING_BYTES,
    ServerConnection,
    ServerStream,
    StreamRefused,
    stream_error,
)
from bosh.stanza_framer import Stanza, StreamHeader
from carillon.settings import LimitSettings

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAM_MANAGEMENT = "urn:xmpp:sm:"
CLOSE = b"<close xmlns='%s'/>" % FRAMING.encode()


class State(Enum):
    """Where a session stands."""

    WAITING = auto()
    """for the client's first `<open/>`"""
    OPENING = auto()
    """the server's stream is awaited (also at a restart)"""
    OPEN = auto()
    CLIENT_CLOSING = auto()
    """the client said `<close/>`, the server's rest is still delivered"""
    MOVED = auto()
    """we said `<close/>` with another place; what the client has sent before it heard that still passes"""
    SERVER_CLOSING = auto()
    """we said `<close/>`, the client's is awaited"""
    CLOSED = auto()


class StreamOutput(ServerConnection, Protocol):
    """What a stream asks of the connections around it."""

    def send_client(self, message: bytes) -> None:
        """Send one message to the client."""

    def closing(self) -> None:
        """`<close/>` was sent: give the client a bounded time."""

    def close_client(self) -> None:
        """Nothing will be sent any more: begin the closing handshake of the WebSocket."""

    def refused(self, condition: str, text: str) -> None:
        """A stream error was sent: to be counted and logged."""


class XmppStream:
    """One session. The caller serialises the calls; none raises, whatever the input is."""

    __slots__ = (
        "_domains",
        "_limits",
        "_new_id",
        "_output",
        "_pending",
        "_pending_bytes",
        "_server",
        "resumable",
        "state",
    )

    def __init__(
        self, output: StreamOutput, domains: frozenset[str], limits: LimitSettings, new_id: Callable[[], str]
    ) -> None:
        """`domains` may be asked for in `to`; `new_id` makes ids for streams that end before the server's."""
        self._output = output
        self._domains = domains
        self._limits = limits
        self._new_id = new_id
        self._server = ServerStream(output, self, domains, limits)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.resumable = False
        """Whether the client may go on with its stream on another connection (XEP-0198)."""
        self.state = State.WAITING

    @property
    def authenticated(self) -> bool:
        """Whether the server has accepted a login on this connection."""
        return self._server.authenticated

    # what the client sends

    def receive_message(self, message: bytes) -> None:
        """Take one WebSocket message."""
        if self.state is State.OPENING:
            self._keep(message)
            return
        if self.state is State.CLIENT_CLOSING or self.state is State.CLOSED:
            return
        try:
            stanza = parse_message(message, self._limits)
            if stanza.namespace == FRAMING:
                self._framing(stanza)
            elif self.state in (State.OPEN, State.MOVED):
                self._server.send(stanza)
            elif self.state is State.WAITING:
                raise StreamRefused("bad-format", "the first message must be <open/>")
        except (XmlError, StreamRefused) as error:
            self._fail(error.condition, str(error))

    def _keep(self, message: bytes) -> None:
        self._pending.append(message)
        self._pending_bytes += len(message) + 1
        if self._pending_bytes > PENDING_BYTES:
            self._fail("policy-violation", "too much before the stream is open")

    def _framing(self, stanza: Stanza) -> None:
        tag = top_tag(stanza)
        if stanza.name == "close" and tag.empty:
            self._client_close()
        elif stanza.name != "open" or not tag.empty:
            raise StreamRefused("bad-format", "neither <open/> nor <close/>")
        elif self.state is State.WAITING or self._server.may_open:
            self._server.open(tag.attributes)
            self.state = State.OPENING
        elif self.state is State.OPEN:
            raise StreamRefused("bad-format", "a stream is open already")

    def _client_close(self) -> None:
        if self.state is State.WAITING:
            self._output.send_client(_open_message(self._new_id(), ""))
            self._output.send_client(CLOSE)
            self._end()
        elif self.state in (State.SERVER_CLOSING, State.MOVED):
            self._end()
        else:
            self.state = State.CLIENT_CLOSING
            self._server.end()
            self._output.closing()

    # what the server does

    def upstream_connected(self) -> None:
        """The connection that `connect` asked for is there."""
        self._server.connected()

    def upstream_failed(self) -> None:
        """The connection that `connect` asked for cannot be made."""
        self._server.not_connected()

    def upstream_lost(self) -> None:
        """The server's connection ended."""
        self._server.lost()

    def receive_upstream(self, data: bytes) -> None:
        """Take bytes of the server."""
        self._server.receive(data)

    # StreamListener

    def stream_opened(self, header: StreamHeader) -> None:
        """Tell the client, and take what it has sent meanwhile."""
        names = ("from", "to", "id", "version", "xml:lang")
        shown = "".join(
            f" {name}={quoteattr(header.attributes[name])}" for name in names if name in header.attributes
        )
        self._output.send_client(f"<open xmlns='{FRAMING}'{shown}/>".encode())
        if self.state is not State.OPENING:
            return
        self.state = State.OPEN
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        for message in pending:
            self.receive_message(message)

    def stream_element(self, element: Stanza) -> None:
        """Pass it on. Who is told to come elsewhere gets it there, as it is not acknowledged."""
        if element.namespace.startswith(STREAM_MANAGEMENT):
            self.resumable |= element.name == "resumed" or (
                element.name == "enabled" and b" resume=" in element.data
            )
        if self.state is not State.MOVED:
            self._output.send_client(element.data)

    def stream_ended(self) -> None:
        """Close, or answer `<close/>`: who said it first begins the WebSocket's closing handshake too."""
        if self.state is State.CLIENT_CLOSING:
            self._output.send_client(CLOSE)
            self.state = State.CLOSED
            self._server.close()
        elif self.state is State.MOVED:
            self._end()
        else:
            self._close_first()

    def stream_failed(self, condition: str, text: str) -> None:
        """Tell the client why it cannot go on."""
        self._fail(condition, text)

    # both

    def move(self, uri: str) -> None:
        """Tell the client to go on at another place (RFC 7395 §3.6.1). The server's stream is not ended."""
        if self.state is State.OPEN:
            self._output.send_client(f"<close xmlns='{FRAMING}' see-other-uri={quoteattr(uri)}/>".encode())
            self.state = State.MOVED
            self._output.closing()

    def time_out(self) -> None:
        """Nobody has logged in for too long."""
        self._fail("connection-timeout", "no login in time")

    def _fail(self, condition: str, text: str) -> None:
        """Send a stream error and close (RFC 7395 §3.5); the one place where refusals become XML."""
        if self.state is State.MOVED:
            self._end()
        if self.state in (State.SERVER_CLOSING, State.CLOSED):
            return
        if self.state in (State.WAITING, State.OPENING):
            self._output.send_client(_open_message(self._new_id(), min(self._domains, key=len, default="")))
        self._output.send_client(stream_error(condition, text))
        self._output.refused(condition, text)
        self._close_first()

    def _close_first(self) -> None:
        self._output.send_client(CLOSE)
        self.state = State.SERVER_CLOSING
        self._pending.clear()
        self._server.close()
        self._output.closing()

    def _end(self) -> None:
        self.state = State.CLOSED
        self._server.close()
        self._output.close_client()


def _open_message(stream_id: str, domain: str) -> bytes:
    sender = f" from={quoteattr(domain)}" if domain else ""
    return f"<open xmlns='{FRAMING}'{sender} id='{stream_id}' version='1.0' xml:lang='en'/>".encode()
