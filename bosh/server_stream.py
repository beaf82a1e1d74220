"""A client's stream to the XMPP server over TCP (RFC 6120), as WebSocket and BOSH both lead it. No I/O.

Attributes of the stream and whole elements of the client come in, and raw bytes of the server; a
`ServerConnection` is told what to send there, a `StreamListener` what the server says. Stanzas are checked
and passed on as bytes; the features that belong to the TCP connection are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Protocol
from xml.sax.saxutils import escape, quoteattr

from bosh.restricted_xml import XmlError
from bosh.stanza_framer import Event, Stanza, StanzaFramer, StreamEnd, StreamHeader
from bosh.stream_features import FeaturesError, offered_to_client
from carillon.settings import LimitSettings

STREAMS = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
SASL = ("urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:2")
FOREIGN = frozenset(("", "jabber:server", "jabber:component:accept", "jabber:component:connect"))
"""Namespaces of other kinds of streams, which no client speaks (RFC 6120 §4.9.3.10)."""

PENDING_BYTES = 65536
"""What is kept of a client that does not wait for the server's stream to open."""
UNAUTHENTICATED_BYTES = 16384
"""What anybody may send at once before login: the longest SASL message, a bearer token, is half as long."""
MAX_LOGIN_FAILURES = 5
"""Refused logins on one connection: RFC 6120 §6.4.5 wants at least 2 and at most 5 retries."""

END = b"</stream:stream>"


class State(Enum):
    """Where the stream stands."""

    NEW = auto()
    CONNECTING = auto()
    """nothing was sent yet"""
    OPENING = auto()
    """our header is sent, the server's is awaited (also at a restart)"""
    OPEN = auto()
    ENDING = auto()
    """we ended our direction, the server's rest is still delivered"""
    CLOSED = auto()


class StreamRefused(Exception):
    """What the client wants is refused, with the stream error condition that says why (RFC 6120 §4.9.3)."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition


class ServerConnection(Protocol):
    """What a stream asks of the connection to the server."""

    def connect(self, domain: str) -> None:
        """Connect to the server of `domain`, then call `connected` or `not_connected`."""

    def send_upstream(self, data: bytes) -> None:
        """Send bytes to the server."""

    def close_upstream(self) -> None:
        """End the connection to the server, if there is one, after what was sent."""


class StreamListener(Protocol):
    """What a stream tells whoever speaks to the client."""

    def stream_opened(self, header: StreamHeader) -> None:
        """The server's stream is open, for the first time or again."""

    def stream_element(self, element: Stanza) -> None:
        """The server sent a stanza, its features or anything else."""

    def stream_ended(self) -> None:
        """The server ended its stream, or the connection after the client had ended its own."""

    def stream_failed(self, condition: str, text: str) -> None:
        """It cannot go on: the stream error condition and words for people. `close` is due."""


class ServerStream:
    """One stream. The caller serialises the calls; only `open` and `send` raise."""

    __slots__ = (
        "_connection", "_domains", "_failures", "_framer", "_header", "_limits", "_listener",
        "_restart_allowed", "authenticated", "state",
    )  # fmt: skip

    def __init__(
        self,
        connection: ServerConnection,
        listener: StreamListener,
        domains: frozenset[str],
        limits: LimitSettings,
    ) -> None:
        """`domains` may be asked for in `to`."""
        self._connection = connection
        self._listener = listener
        self._domains = domains
        self._limits = limits
        self._framer = StanzaFramer(limits)
        self._header = b""
        self._restart_allowed = False
        self._failures = 0
        self.authenticated = False
        """Whether the server has accepted a login on this connection."""
        self.state = State.NEW

    # the client

    @property
    def may_open(self) -> bool:
        """Whether the client may open the stream now: at first, and again after a login (RFC 6120 §6.4.6)."""
        return self.state is State.NEW or (self.state is State.OPEN and self._restart_allowed)

    def open(self, attributes: Mapping[str, str]) -> None:
        """Open the stream (again) with `to`, `version`, `from` and `xml:lang`. Raises StreamRefused."""
        domain = attributes.get("to", "").lower().removesuffix(".")
        if domain not in self._domains:
            condition = "host-unknown" if domain else "improper-addressing"
            raise StreamRefused(condition, "this domain is not served here")
        if attributes.get("version", "").partition(".")[0] != "1":
            raise StreamRefused("unsupported-version", "version 1.0 is spoken here")
        if not self.may_open:
            raise StreamRefused("bad-format", "a stream is open already")
        self._header = stream_header(domain, attributes)
        if self.state is State.NEW:
            self.state = State.CONNECTING
            self._connection.connect(domain)
        else:
            self._send_header()

    def send(self, element: Stanza) -> None:
        """Pass an element of the client on; the stream is open. Raises StreamRefused."""
        if element.namespace in FOREIGN:
            raise StreamRefused("invalid-namespace", "a namespace that is not a client's")
        if element.namespace == STREAMS and element.name != "error":
            raise StreamRefused("bad-format", "a stream tag does not stand here")
        self._connection.send_upstream(element.data)

    def end(self) -> None:
        """End the client's direction; the listener hears the rest and the end."""
        self.state = State.ENDING
        self._connection.send_upstream(END)

    def close(self) -> None:
        """Nothing more is wanted of the server."""
        self.state = State.CLOSED
        self._connection.close_upstream()

    # the server

    def connected(self) -> None:
        """The connection that was asked for is there."""
        if self.state is State.CONNECTING:
            self._send_header()
        else:
            self._connection.close_upstream()

    def not_connected(self) -> None:
        """The connection that was asked for cannot be made."""
        if self.state is State.CONNECTING:
            self._listener.stream_failed(
                "remote-connection-failed", "the XMPP server cannot be reached; try again later"
            )

    def lost(self) -> None:
        """The server's connection ended."""
        if self.state is State.ENDING:
            self._listener.stream_ended()
        elif self.state in (State.OPENING, State.OPEN):
            self._listener.stream_failed(
                "remote-connection-failed", "the connection to the XMPP server was lost; try again"
            )

    def receive(self, data: bytes) -> None:
        """Take bytes of the server."""
        if self.state not in (State.OPENING, State.OPEN, State.ENDING):
            return
        try:
            events = self._framer.feed(data)
        except XmlError as error:
            # of our own server: nothing after it can be trusted to begin where it seems to
            self._listener.stream_failed(
                "remote-connection-failed", f"the XMPP server sent XML that is refused ({error})"
            )
            return
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        if self.state is State.CLOSED:
            return  # an event before this one was the last
        if isinstance(event, Stanza):
            if event.namespace == CLIENT:
                self._listener.stream_element(event)
            else:
                self._nonza(event)
        elif isinstance(event, StreamHeader):
            self._opened(event)
        elif isinstance(event, StreamEnd):
            if self.state is not State.ENDING:
                self._connection.send_upstream(END)
            self._listener.stream_ended()

    def _nonza(self, element: Stanza) -> None:
        """Note what concerns the stream itself."""
        if element.namespace == STREAMS and element.name == "features":
            try:
                element = offered_to_client(element)
            except FeaturesError as error:
                self._listener.stream_failed("remote-connection-failed", str(error))
                return
        elif element.namespace in SASL:
            if element.name == "success":
                self.authenticated = True
                self._restart_allowed = element.namespace == SASL[0]
            elif element.name == "failure":
                self._failures += 1
        self._listener.stream_element(element)
        if self._failures >= MAX_LOGIN_FAILURES and element.name == "failure":
            self._listener.stream_failed("policy-violation", "too many refused logins")

    def _opened(self, header: StreamHeader) -> None:
        if header.namespace != STREAMS or header.name != "stream":
            self._listener.stream_failed("remote-connection-failed", "the XMPP server did not open a stream")
            return
        if self.state is State.OPENING:
            self.state = State.OPEN
        self._listener.stream_opened(header)

    def _send_header(self) -> None:
        self._framer = StanzaFramer(self._limits)
        self._restart_allowed = False
        self.state = State.OPENING
        self._connection.send_upstream(self._header)


def stream_error(condition: str, text: str = "") -> bytes:
    """A stream error (RFC 6120 §4.9), with words for people."""
    words = f"<text xmlns='{STREAM_ERRORS}' xml:lang='en'>{escape(text)}</text>" if text else ""
    inner = f"<{condition} xmlns='{STREAM_ERRORS}'/>{words}"
    return f"<stream:error xmlns:stream='{STREAMS}'>{inner}</stream:error>".encode()


def stream_header(domain: str, attributes: Mapping[str, str]) -> bytes:
    """The header of a client's stream to `domain`, with what `attributes` have of `from` and `xml:lang`."""
    shown = "".join(
        f" {name}={quoteattr(attributes[name])}" for name in ("from", "xml:lang") if name in attributes
    )
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' version='1.0'"
        f" to={quoteattr(domain)}{shown}>"
    ).encode()
