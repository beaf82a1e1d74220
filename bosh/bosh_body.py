"""The `<body/>` that carries XMPP over HTTP (XEP-0124, XEP-0206): read and written. No I/O.

The framer that checks the streams of TCP checks these too: a body is a stream that is whole. Nothing is
expanded, no tree is built, and each element in it leaves as bytes that stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from bosh.restricted_xml import XmlError
from bosh.server_stream import CLIENT
from bosh.stanza_framer import Event, Stanza, StanzaFramer, StreamEnd, StreamHeader
from carillon.settings import LimitSettings

HTTPBIND = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
BODY_OVERHEAD_BYTES = 4096
"""What the wrapper may take beside the stanza in it: the attributes of XEP-0124 take a few hundred."""
MAX_RID = 2**53 - 1
"""XEP-0124 §14.1."""

_START = f"<body xmlns='{HTTPBIND}'"
_SID = re.compile(rb"""<[^<>]*?[ \t\r\n]sid[ \t\r\n]*=[ \t\r\n]*(?:'([^'<>&]*)'|"([^"<>&]*)")""")
_NUMBER = re.compile("[0-9]{1,16}")
_USUAL = {"": HTTPBIND}
_CLIENTS = {"": f" xmlns='{CLIENT}'"}
"""What children say that say nothing: clients forget to, and every server takes it so."""


class Condition(Enum):
    """Why a session ends (XEP-0124 §17.2)."""

    BAD_REQUEST = "bad-request"
    HOST_GONE = "host-gone"
    HOST_UNKNOWN = "host-unknown"
    IMPROPER_ADDRESSING = "improper-addressing"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    POLICY_VIOLATION = "policy-violation"
    REMOTE_CONNECTION_FAILED = "remote-connection-failed"
    REMOTE_STREAM_ERROR = "remote-stream-error"
    SEE_OTHER_URI = "see-other-uri"
    SYSTEM_SHUTDOWN = "system-shutdown"
    UNDEFINED_CONDITION = "undefined-condition"


class BoshError(Exception):
    """A request that is refused and ends its session."""

    def __init__(self, condition: Condition, text: str) -> None:
        super().__init__(text)
        self.condition = condition


class Body(NamedTuple):
    """What one request says."""

    attributes: dict[str, str]
    """Attributes without a prefix, and `xml:lang`."""
    xmpp: dict[str, str]
    """Attributes of the namespace `urn:xmpp:xbosh` by local name (XEP-0206)."""
    stanzas: list[Stanza]

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing but an answer."""
        return not self.stanzas and "type" not in self.attributes and "restart" not in self.xmpp

    def number(self, name: str, default: int | None = None) -> int:
        """The value of an attribute that is a whole number. Raises BoshError."""
        text = self.attributes.get(name)
        if text is None and default is not None:
            return default
        if text is None or not _NUMBER.fullmatch(text):
            raise BoshError(Condition.BAD_REQUEST, f"{name} is not a number")
        return int(text)

    def rid(self) -> int:
        """The number of the request. Raises BoshError."""
        rid = self.number("rid")
        if not 1 <= rid <= MAX_RID:
            raise BoshError(Condition.BAD_REQUEST, "rid is out of range")
        return rid


class _BodyFramer(StanzaFramer):
    """Frames a `<body/>`, which may be empty, and whose children are a client's when they do not say."""

    __slots__ = ("declared",)

    def __init__(self, limits: LimitSettings) -> None:
        super().__init__(limits)
        self.declared: dict[str, str] = {}
        """The namespaces that the body declares, by prefix."""

    def _header(self, header: StreamHeader, own: dict[str, str], empty: str, events: list[Event]) -> None:
        self.declared = own
        if empty:
            self._ended = True
            events += (header, StreamEnd())
            return
        if own == _USUAL:
            self._default, self._redeclared = CLIENT, _CLIENTS
            events.append(header)
            return
        if own.get("") == HTTPBIND:
            own = {**own, "": CLIENT}
        super()._header(header, own, empty, events)


def parse_body(data: bytes, limits: LimitSettings) -> Body:
    """Read the body of one request. Raises BoshError."""
    framer = _BodyFramer(limits)
    try:
        events = framer.feed(data)
    except XmlError as error:
        too_much = error.condition == "policy-violation"
        condition = Condition.POLICY_VIOLATION if too_much else Condition.BAD_REQUEST
        raise BoshError(condition, str(error)) from error
    if not events or events[-1] != StreamEnd() or not framer.between_stanzas:
        raise BoshError(Condition.BAD_REQUEST, "a body that is not whole")
    header, *rest = events
    if not isinstance(header, StreamHeader) or (header.name, header.namespace) != ("body", HTTPBIND):
        raise BoshError(Condition.BAD_REQUEST, "not a body")
    stanzas = [event for event in rest if isinstance(event, Stanza)]
    if any(stanza.namespace == HTTPBIND for stanza in stanzas):
        raise BoshError(Condition.BAD_REQUEST, "a body in a body")
    attributes: dict[str, str] = {}
    xmpp: dict[str, str] = {}
    for name, value in header.attributes.items():
        prefix, colon, local = name.rpartition(":")
        if not colon or prefix == "xml":
            attributes[name] = value
        elif framer.declared.get(prefix) == XBOSH:
            xmpp[local] = value
    return Body(attributes, xmpp, stanzas)


def sid_at(beginning: bytes | bytearray) -> str | None:
    """The session that a body seems to belong to, judged by its first bytes; None when they do not tell.

    Good enough for how much of it is read, and for whose fault a malformed one is.
    """
    match = _SID.search(beginning, 0, BODY_OVERHEAD_BYTES)
    return (match[1] or match[2] or b"").decode("ascii", "replace") if match else None


def encode_body(attributes: Mapping[str, str], payload: bytes = b"") -> bytes:
    """The bytes of a response; `payload` is whole elements that stand for themselves."""
    shown = "".join([f" {name}={quoteattr(value)}" for name, value in attributes.items()])
    if not payload:
        return f"{_START}{shown}/>".encode()
    return b"%s%s>%s</body>" % (_START.encode(), shown.encode(), payload)


def terminal_body(condition: Condition | None, payload: bytes = b"") -> bytes:
    """The response that ends a session; without a condition it ends as it should."""
    attributes = {"type": "terminate"}
    if condition is not None:
        attributes["condition"] = condition.value
    return encode_body(attributes, payload)
