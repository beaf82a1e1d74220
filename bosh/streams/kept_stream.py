"""A guest's stream to the XMPP server that outlives the connection it came on (XEP-0198). No I/O.

A server resumes a stream only for the user who had it, and every anonymous login (RFC 4505) makes another
user: a guest can resume nothing, neither at Prosody nor at ejabberd. So this process stands between front
and server, and is for guests the server of XEP-0198: it offers `<sm/>`, counts, keeps what is not
acknowledged, and joins the connection that says `<resume/>` with the stream of before. Who holds the token,
192 random bits that only the client was told, is the client. Streams of people with accounts pass as they
are: their server does all this itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

from bosh.framed_message import top_tag
from bosh.restricted_xml import XmlError
from bosh.server_stream import CLIENT, END, SASL, STREAMS, stream_error, stream_header
from bosh.stanza_framer import Event, Stanza, StanzaFramer, StreamEnd, StreamHeader
from bosh.streams.shelf import Shelf
from bosh.streams.unacknowledged import WRAP, TooHigh, Unacknowledged
from carillon.settings import LimitSettings

SM = "urn:xmpp:sm:3"
STANZAS = frozenset(("message", "presence", "iq"))
"""What is counted (XEP-0198 §4)."""
ASK_AFTER = 8
"""So many stanzas, or a quarter of what may be kept in bytes, and the client is asked what it has handled."""
MAX_KEPT = 2000
"""Stanzas without acknowledgement: a busy room of a hundred, for a minute."""

_BIND = b"urn:ietf:params:xml:ns:xmpp-bind"
_OFFER = b"<sm xmlns='urn:xmpp:sm:3'/>"
_ASK = b"<r xmlns='urn:xmpp:sm:3'/>"


class State(Enum):
    """Where a stream stands."""

    PASSING = auto()
    """nothing is kept: no guest, or not logged in, or the client wants nothing of it"""
    MANAGED = auto()
    """stanzas are counted and kept until they are acknowledged"""
    HELD = auto()
    """as before; the client is lost and may come back"""
    ENDED = auto()


class Output(Protocol):
    """What a stream asks of the connections around it."""

    def connect(self) -> None:
        """Connect to the server, then call `connected`, or `lost_server`."""

    def send_server(self, data: bytes) -> None:
        """Send bytes to the server."""

    def close_server(self) -> None:
        """End the server's connection after what was sent."""

    def send_client(self, data: bytes) -> None:
        """Send bytes to the client."""

    def close_client(self) -> None:
        """End the client's connection after what was sent."""

    def give_client(self, stream: KeptStream) -> None:
        """The client's connection is that of `stream` from now on, and this one has none."""

    def wake_in(self, seconds: float | None) -> None:
        """Call `tick` after so long; None: not at all."""

    def tell(self, what: str) -> None:
        """To be counted: `resumed`, `expired`, `refused`, `overflow`."""


class KeptStream:
    """One stream. The caller serialises the calls; none raises, whatever the input is."""

    def __init__(
        self,
        output: Output,
        shelf: Shelf,
        limits: LimitSettings,
        new_token: Callable[[], str],
        *,
        resume_s: float,
        keep_bytes: int,
    ) -> None:
        """`resume_s` is how long the client may be away, `keep_bytes` what is kept for it."""
        self.output = output
        """The connections around it."""
        self._shelf = shelf
        self._limits = limits
        self._new_token = new_token
        self._resume_s = resume_s
        self._keep_bytes = keep_bytes
        self._from_client = StanzaFramer(limits)
        self._from_server = StanzaFramer(limits)
        self._before_connection: list[bytes] | None = []
        """What waits for the server's connection; None once that is there."""
        self._asked_for_guest = False
        self._guest = False
        self._bound = False
        self._ending = False
        """Whether one of the two has ended its direction."""
        self._handled = 0
        """Stanzas of the client since `<enable/>`."""
        self._unacknowledged = Unacknowledged()
        self._asked = False
        """Whether the client was asked and has not answered."""
        self._token = ""
        self.domain = ""
        """Whose user the client is."""
        self.state = State.PASSING

    # another process

    def snapshot(self) -> dict[str, Any] | None:
        """All of it, as JSON; None while it connects to the server, and when it is about to end."""
        if self._before_connection is not None or self._ending or self.state is State.ENDED:
            return None
        return {
            "state": self.state.name,
            "domain": self.domain,
            "guest": self._guest,
            "asked_for_guest": self._asked_for_guest,
            "bound": self._bound,
            "handled": self._handled,
            "acknowledged": self._unacknowledged.acknowledged,
            "stanzas": [stanza.decode() for stanza in self._unacknowledged],
            "token": self._token,
            "from_client": self._from_client.so_far().hex(),
            "from_server": self._from_server.so_far().hex(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Be what another process was. Raises ValueError when that cannot be read."""
        try:
            self.state = State[snapshot["state"]]
            self.domain = str(snapshot["domain"])
            self._guest = bool(snapshot["guest"])
            self._asked_for_guest = bool(snapshot["asked_for_guest"])
            self._bound = bool(snapshot["bound"])
            self._handled = int(snapshot["handled"])
            stanzas = [stanza.encode() for stanza in snapshot["stanzas"]]
            self._unacknowledged = Unacknowledged(int(snapshot["acknowledged"]), stanzas)
            self._token = str(snapshot["token"])
            self._from_client.feed(bytes.fromhex(snapshot["from_client"]))
            self._from_server.feed(bytes.fromhex(snapshot["from_server"]))
        except (KeyError, TypeError, AttributeError, XmlError) as error:
            raise ValueError(f"a stream that cannot be read: {error!r}") from error
        self._before_connection = None
        if self._token:
            self._shelf.put(self._token, self)
            if self.state is State.HELD:
                self._shelf.hold(self._token)
                self.output.wake_in(self._resume_s)

    def let_go(self) -> None:
        """Another process has it now: nothing is said to anybody."""
        self._forget()
        self.state = State.ENDED

    # the client

    def receive_client(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self.state is State.ENDED:
            return
        try:
            events = self._from_client.feed(data)
        except XmlError as error:
            self._break(error.condition)
            return
        stream = self
        for event in events:
            stream = stream._take(event)

    def lost_client(self) -> None:
        """The client's connection ended, and not its stream."""
        if self.state is not State.MANAGED or not self._token:
            self.end()
            return
        self.state = State.HELD
        self._asked = False
        oldest = self._shelf.hold(self._token)
        self.output.wake_in(self._resume_s)
        if oldest is not None:
            oldest._expire("overflow")

    def _take(self, event: Event) -> KeptStream:
        """Take what the client says; the stream that is its own from then on."""
        if self.state is State.ENDED:
            return self
        if isinstance(event, StreamHeader):
            self._open(event)
        elif isinstance(event, StreamEnd):
            self._ending = True
            self._forget()
            self._send_server(END)
        elif self._guest and event.namespace == SM:
            return self._management(event)
        else:
            if event.namespace in SASL and event.name in ("auth", "authenticate"):
                self._asked_for_guest = (
                    event.namespace == SASL[0] and top_tag(event).attributes.get("mechanism") == "ANONYMOUS"
                )
            if self.state is State.MANAGED and event.namespace == CLIENT and event.name in STANZAS:
                self._handled = (self._handled + 1) % WRAP
            self._send_server(event.data)
        return self

    def _open(self, header: StreamHeader) -> None:
        if not self.domain:
            self.domain = header.attributes.get("to", "")
            self.output.connect()
        self._from_server = StanzaFramer(self._limits)
        self._send_server(stream_header(self.domain, header.attributes))

    def _send_server(self, data: bytes) -> None:
        if self._before_connection is not None:
            self._before_connection.append(data)
        else:
            self.output.send_server(data)

    # XEP-0198

    def _management(self, element: Stanza) -> KeptStream:
        attributes = top_tag(element).attributes
        match element.name:
            case "enable":
                self._enable(attributes.get("resume") in ("true", "1"))
            case "r" if self.state is State.MANAGED:
                self.output.send_client(f"<a xmlns='{SM}' h='{self._handled}'/>".encode())
            case "a" if self.state is State.MANAGED:
                self._asked = False
                self._acknowledged(attributes.get("h", ""))
            case "resume":
                return self._resume(attributes.get("previd", ""), attributes.get("h", ""))
            case _:
                self._break("unsupported-stanza-type")
        return self

    def _enable(self, resumable: bool) -> None:
        """XEP-0198 §3."""
        if not self._bound or self.state is not State.PASSING:
            self._refuse("unexpected-request")
            return
        self.state = State.MANAGED
        more = ""
        if resumable:
            self._token = self._new_token()
            self._shelf.put(self._token, self)
            more = f" id={quoteattr(self._token)} resume='true' max='{self._resume_s:.0f}'"
        self.output.send_client(f"<enabled xmlns='{SM}'{more}/>".encode())

    def _resume(self, token: str, handled: str) -> KeptStream:
        """XEP-0198 §5: the client goes on with the stream of before, and this one is over."""
        before = self._shelf.find(token)
        if self._bound or before is None or before.domain != self.domain or before is self:
            self.output.tell("refused")
            self._refuse("unexpected-request" if self._bound else "item-not-found")
            return self
        before._leave_client()
        self.output.give_client(before)
        before._come_back(self._from_client, handled)
        self._send_server(END)
        self.output.close_server()
        self.state = State.ENDED
        return before

    def _leave_client(self) -> None:
        """Another connection is the client's: who is on the one of before, if anybody, hears so."""
        if self.state is State.MANAGED:
            self.output.send_client(stream_error("conflict") + END)
            self.output.close_client()
        self._shelf.back(self._token)

    def _come_back(self, framer: StanzaFramer, handled: str) -> None:
        self.state = State.MANAGED
        self._from_client = framer
        self._asked = False
        self.output.wake_in(None)
        if not self._acknowledged(handled):
            return
        self.output.tell("resumed")
        self.output.send_client(
            f"<resumed xmlns='{SM}' previd={quoteattr(self._token)} h='{self._handled}'/>".encode()
        )
        for stanza in self._unacknowledged:
            self.output.send_client(stanza)
        self._ask()

    def _acknowledged(self, handled: str) -> bool:
        """Whether that can be what the client has handled; the stream is ended if not."""
        try:
            if not (handled.isascii() and handled.isdecimal() and len(handled) <= 10):
                raise TooHigh
            self._unacknowledged.acknowledge(int(handled) % WRAP)
        except TooHigh:
            self._break("undefined-condition")
            return False
        return True

    def _refuse(self, condition: str) -> None:
        inner = f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        self.output.send_client(f"<failed xmlns='{SM}'>{inner}</failed>".encode())

    def _ask(self) -> None:
        """Ask what the client has handled, when that is worth it."""
        much = (
            len(self._unacknowledged) >= ASK_AFTER or self._unacknowledged.size_bytes * 4 > self._keep_bytes
        )
        if much and not self._asked and self.state is State.MANAGED:
            self._asked = True
            self.output.send_client(_ASK)

    # the server

    def connected(self) -> None:
        """The connection that was asked for is there."""
        waiting, self._before_connection = self._before_connection or [], None
        for data in waiting:
            self.output.send_server(data)

    def receive_server(self, data: bytes) -> None:
        """Take bytes of the server."""
        if self.state is State.ENDED:
            return
        try:
            events = self._from_server.feed(data)
        except XmlError as error:
            self._break(error.condition)
            return
        for event in events:
            self._pass(event)
        self._ask()

    def lost_server(self) -> None:
        """The server's connection ended, or could not be made: there is nothing left to keep."""
        self.end()

    def _pass(self, event: Event) -> None:
        """Give the client what the server says, or keep it."""
        if isinstance(event, StreamHeader):
            self.output.send_client(_header_to_client(event))
        elif isinstance(event, StreamEnd):
            self._ending = True
            self._forget()
            self.output.send_client(END)
        elif event.namespace == CLIENT and event.name in STANZAS:
            if not self._bound and _BIND in event.data and event.name == "iq":
                self._bound = top_tag(event).attributes.get("type") == "result"
            if self.state is not State.PASSING:
                self._keep(event.data)
            if self.state is not State.HELD:
                self.output.send_client(event.data)
        elif self.state is not State.HELD:
            self.output.send_client(self._noted(event))

    def _noted(self, element: Stanza) -> bytes:
        """What the server says of the stream itself, as the client gets it."""
        if element.namespace in SASL and element.name == "success":
            self._from_client = StanzaFramer(self._limits)  # the next thing is another stream
            self._guest = self._asked_for_guest
        if self._guest and element.namespace == STREAMS and element.name == "features":
            position = element.data.rfind(b"</")
            if position > 0 and SM.encode() not in element.data:
                return element.data[:position] + _OFFER + element.data[position:]
        return element.data

    def _keep(self, stanza: bytes) -> None:
        self._unacknowledged.put(stanza)
        if len(self._unacknowledged) <= MAX_KEPT and self._unacknowledged.size_bytes <= self._keep_bytes:
            return
        if self.state is State.HELD:
            self._expire("overflow")
        else:
            self._break("policy-violation")

    # ends

    def tick(self) -> None:
        """The client has not come back in time."""
        if self.state is State.HELD:
            self._expire("expired")

    def end(self) -> None:
        """The server's side ends as a stream does, the client's without a word; idempotent."""
        self._forget()
        if self.state is State.ENDED:
            return
        had_client = self.state is not State.HELD
        self.state = State.ENDED
        self.output.wake_in(None)
        self.output.close_server()
        if had_client:
            self.output.close_client()

    def _expire(self, why: str) -> None:
        self.output.tell(why)
        self._send_server(END)
        self.end()

    def _break(self, condition: str) -> None:
        """Somebody does not speak as they should."""
        if self.state is not State.HELD:
            self.output.send_client(stream_error(condition) + END)
        self._send_server(END)
        self.end()

    def _forget(self) -> None:
        """It is not to be resumed any more."""
        if self._token:
            self._shelf.forget(self._token)
            self._token = ""
        self._unacknowledged.clear()


def _header_to_client(header: StreamHeader) -> bytes:
    names = ("from", "to", "id", "version", "xml:lang")
    shown = "".join(
        f" {name}={quoteattr(header.attributes[name])}" for name in names if name in header.attributes
    )
    return f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'{shown}>".encode()
