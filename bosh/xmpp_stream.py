"""XMPP over WebSocket (RFC 7395) on one side, a client's stream over TCP (RFC 6120) on the other. No I/O.

Whole messages of the client and raw bytes of the server come in, a `StreamOutput` is told what to send.
Between the two only the framing changes: `<open/>` and `<close/>` for the stream tags, `xmlns` on every
element, and the features that belong to the TCP connection are left out. Stanzas are checked and passed on as
bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol
from xml.sax.saxutils import escape, quoteattr

from bosh.restricted_xml import XmlError
from bosh.stanza_framer import Event, Stanza, StanzaFramer, StreamEnd, StreamHeader, parse_message, top_tag
from bosh.stream_features import FeaturesError, offered_to_websocket
from carillon.settings import LimitSettings

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAMS = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
SASL = ("urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:2")
FOREIGN = frozenset(("", "jabber:server", "jabber:component:accept", "jabber:component:connect"))
"""Namespaces of other kinds of streams, which no client speaks (RFC 6120 §4.9.3.10)."""

PENDING_BYTES = 65536
"""What is kept of a client that does not wait for the server's stream to open."""
MAX_LOGIN_FAILURES = 5
"""Refused logins on one connection: RFC 6120 §6.4.5 wants at least 2 and at most 5 retries."""

CLOSE = b"<close xmlns='%s'/>" % FRAMING.encode()


class State(Enum):
    """Where a session stands."""

    WAITING = auto()
    """for the client's first `<open/>`"""
    CONNECTING = auto()
    """to the server; nothing was sent there"""
    OPENING = auto()
    """our stream header is sent, the server's is awaited (also at a restart)"""
    OPEN = auto()
    CLIENT_CLOSING = auto()
    """the client said `<close/>`, the server's rest is still delivered"""
    SERVER_CLOSING = auto()
    """we said `<close/>`, the client's is awaited"""
    CLOSED = auto()


class StreamOutput(Protocol):
    """What a stream asks of the connections around it."""

    def connect(self, domain: str) -> None:
        """Connect to the server of `domain`, then call `upstream_connected` or `upstream_failed`."""

    def send_client(self, message: bytes) -> None:
        """Send one message to the client."""

    def send_upstream(self, data: bytes) -> None:
        """Send bytes to the server."""

    def close_upstream(self) -> None:
        """End the connection to the server, if there is one, after what was sent."""

    def closing(self) -> None:
        """`<close/>` was sent: give the client a bounded time."""

    def close_client(self) -> None:
        """Nothing will be sent any more: begin the closing handshake of the WebSocket."""

    def refused(self, condition: str, text: str) -> None:
        """A stream error was sent: to be counted and logged."""


class XmppStream:
    """One session. The caller serialises the calls; none raises, whatever the input is."""

    __slots__ = (
        "_domains", "_failures", "_framer", "_header", "_limits", "_new_id", "_output", "_pending",
        "_pending_bytes", "_restart_allowed", "authenticated", "state",
    )  # fmt: skip

    def __init__(
        self, output: StreamOutput, domains: frozenset[str], limits: LimitSettings, new_id: Callable[[], str]
    ) -> None:
        """`domains` may be asked for in `to`; `new_id` makes ids for streams that end before the server's."""
        self._output = output
        self._domains = domains
        self._limits = limits
        self._new_id = new_id
        self._framer = StanzaFramer(limits)
        self._header = b""
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._restart_allowed = False
        self._failures = 0
        self.authenticated = False
        """Whether the server has accepted a login on this connection."""
        self.state = State.WAITING

    # what the client sends

    def receive_message(self, message: bytes) -> None:
        """Take one WebSocket message."""
        if self.state in (State.CONNECTING, State.OPENING):
            self._keep(message)
            return
        if self.state is State.CLIENT_CLOSING or self.state is State.CLOSED:
            return
        try:
            stanza = parse_message(message, self._limits)
        except XmlError as error:
            self._fail(error.condition, str(error))
            return
        if stanza.namespace == FRAMING:
            self._framing(stanza)
        elif self.state is State.OPEN:
            self._stanza(stanza)
        elif self.state is State.WAITING:
            self._fail("bad-format", "the first message must be <open/>")

    def _keep(self, message: bytes) -> None:
        self._pending.append(message)
        self._pending_bytes += len(message) + 1
        if self._pending_bytes > PENDING_BYTES:
            self._fail("policy-violation", "too much before the stream is open")

    def _stanza(self, stanza: Stanza) -> None:
        if stanza.namespace in FOREIGN:
            self._fail("invalid-namespace", "a namespace that is not a client's")
        elif stanza.namespace == STREAMS and stanza.name != "error":
            self._fail("bad-format", "streams are opened with <open/> here")
        else:
            self._output.send_upstream(stanza.data)

    def _framing(self, stanza: Stanza) -> None:
        tag = top_tag(stanza)
        if stanza.name == "close" and tag.empty:
            self._client_close()
        elif stanza.name != "open" or not tag.empty:
            self._fail("bad-format", "neither <open/> nor <close/>")
        elif self.state is State.WAITING or (self.state is State.OPEN and self._restart_allowed):
            self._client_open(tag.attributes)
        elif self.state is State.OPEN:
            self._fail("bad-format", "a stream is open already")

    def _client_open(self, attributes: dict[str, str]) -> None:
        domain = attributes.get("to", "").lower().removesuffix(".")
        if domain not in self._domains:
            condition = "host-unknown" if domain else "improper-addressing"
            self._fail(condition, "this domain is not served here")
            return
        if attributes.get("version", "").partition(".")[0] != "1":
            self._fail("unsupported-version", "version 1.0 is spoken here")
            return
        self._header = _stream_header(domain, attributes)
        if self.state is State.WAITING:
            self.state = State.CONNECTING
            self._output.connect(domain)
        else:
            self._send_header()

    def _client_close(self) -> None:
        if self.state is State.WAITING:
            self._output.send_client(_open_message(self._new_id(), ""))
            self._output.send_client(CLOSE)
            self._end()
        elif self.state is State.SERVER_CLOSING:
            self._end()
        else:
            self.state = State.CLIENT_CLOSING
            self._output.send_upstream(b"</stream:stream>")
            self._output.closing()

    # what the server does

    def upstream_connected(self) -> None:
        """The connection that `connect` asked for is there."""
        if self.state is State.CONNECTING:
            self._send_header()
        else:
            self._output.close_upstream()

    def upstream_failed(self) -> None:
        """The connection that `connect` asked for cannot be made."""
        if self.state is State.CONNECTING:
            self._fail("remote-connection-failed", "the XMPP server cannot be reached; try again later")

    def upstream_lost(self) -> None:
        """The server's connection ended."""
        if self.state is State.CLIENT_CLOSING:
            self._close_reply()
        elif self.state in (State.OPENING, State.OPEN):
            self._fail("remote-connection-failed", "the connection to the XMPP server was lost; try again")

    def receive_upstream(self, data: bytes) -> None:
        """Take bytes of the server."""
        if self.state not in (State.OPENING, State.OPEN, State.CLIENT_CLOSING):
            return
        try:
            events = self._framer.feed(data)
        except XmlError as error:
            # of our own server: nothing after it can be trusted to begin where it seems to
            self._fail("remote-connection-failed", f"the XMPP server sent XML that is refused ({error})")
            return
        for event in events:
            self._upstream_event(event)

    def _upstream_event(self, event: Event) -> None:
        if self.state is State.CLOSED or self.state is State.SERVER_CLOSING:
            return
        if isinstance(event, Stanza):
            if event.namespace != CLIENT:
                changed = self._server_element(event)
                if changed is None:
                    return
                event = changed
            self._output.send_client(event.data)
        elif isinstance(event, StreamHeader):
            self._server_open(event)
        elif isinstance(event, StreamEnd):
            self._server_close()

    def _server_element(self, element: Stanza) -> Stanza | None:
        """Note what concerns the stream itself; return what the client gets, None when that was the end."""
        if element.namespace == STREAMS and element.name == "features":
            try:
                return offered_to_websocket(element)
            except FeaturesError as error:
                self._fail("remote-connection-failed", str(error))
                return None
        if element.namespace in SASL:
            if element.name == "success":
                self.authenticated = True
                self._restart_allowed = element.namespace == SASL[0]
            elif element.name == "failure":
                self._failures += 1
                if self._failures >= MAX_LOGIN_FAILURES:
                    self._output.send_client(element.data)
                    self._fail("policy-violation", "too many refused logins")
                    return None
        return element

    def _server_open(self, header: StreamHeader) -> None:
        if header.namespace != STREAMS or header.name != "stream":
            self._fail("remote-connection-failed", "the XMPP server did not open a stream")
            return
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

    def _server_close(self) -> None:
        if self.state is State.CLIENT_CLOSING:
            self._close_reply()
            return
        self._output.send_upstream(b"</stream:stream>")
        self._close_first()

    # both

    def time_out(self) -> None:
        """Nobody has logged in for too long."""
        self._fail("connection-timeout", "no login in time")

    def _send_header(self) -> None:
        self._framer = StanzaFramer(self._limits)
        self._restart_allowed = False
        self.state = State.OPENING
        self._output.send_upstream(self._header)

    def _fail(self, condition: str, text: str) -> None:
        """Send a stream error and close (RFC 7395 §3.5); the one place where refusals become XML."""
        if self.state in (State.SERVER_CLOSING, State.CLOSED):
            return
        if self.state in (State.WAITING, State.CONNECTING, State.OPENING):
            self._output.send_client(_open_message(self._new_id(), min(self._domains, key=len, default="")))
        error = (
            f"<stream:error xmlns:stream='{STREAMS}'><{condition} xmlns='{STREAM_ERRORS}'/>"
            f"<text xmlns='{STREAM_ERRORS}' xml:lang='en'>{escape(text)}</text></stream:error>"
        )
        self._output.send_client(error.encode())
        self._output.refused(condition, text)
        self._close_first()

    def _close_first(self) -> None:
        self._output.send_client(CLOSE)
        self.state = State.SERVER_CLOSING
        self._pending.clear()
        self._output.close_upstream()
        self._output.closing()

    def _close_reply(self) -> None:
        """The client began, so it also begins the closing handshake of the WebSocket."""
        self._output.send_client(CLOSE)
        self.state = State.CLOSED
        self._output.close_upstream()

    def _end(self) -> None:
        self.state = State.CLOSED
        self._output.close_upstream()
        self._output.close_client()


def _stream_header(domain: str, attributes: dict[str, str]) -> bytes:
    shown = "".join(
        f" {name}={quoteattr(attributes[name])}" for name in ("from", "xml:lang") if name in attributes
    )
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' version='1.0'"
        f" to={quoteattr(domain)}{shown}>"
    ).encode()


def _open_message(stream_id: str, domain: str) -> bytes:
    sender = f" from={quoteattr(domain)}" if domain else ""
    return f"<open xmlns='{FRAMING}'{sender} id='{stream_id}' version='1.0' xml:lang='en'/>".encode()
