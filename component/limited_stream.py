"""An incoming XML stream with every limit held before anything is made of a stanza. No I/O.

RFC 6120 §11 says which XML may be on a stream. A stanza that breaks a limit costs only itself: nothing more
of it is kept, and the stream goes on behind its end tag. Only a peer that sends what is not XML, or a
document type, ends it. What becomes of a stanza is said by who inherits: an element
(`component.link.intake`) or its bytes (`component.server_link.framer`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar
from xml.etree.ElementTree import Element
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from component.stanza import COMPONENT_NS

STREAM_NS = "http://etherx.jabber.org/streams"
_CLIENT_NS = "{jabber:client}"
# A start tag is one token to expat, which buffers it whole however long it is. This much is taken so that the
# stream survives servers without a stanza limit; beyond it memory matters more.
_TOKEN_BYTES = 4 * 1024 * 1024
# expat keeps the names it saw (80 bytes each) as long as the parser lives: users could fill the memory with
# them. After so many a new parser takes over behind the next stanza; inside a single stanza more are the end.
_NAMES = 50_000
_NAMES_OF_ONE_STANZA = 1_000_000
# Character data arrives in pieces of this size instead of one piece per line.
_TEXT_PIECE = 16384


class Limit(StrEnum):
    """What a refused stanza had too much of, or should not have had; the value labels the counter."""

    BYTES = "bytes"
    DEPTH = "depth"
    ELEMENTS = "elements"
    ATTRIBUTES = "attributes"
    COMMENT = "comment"
    INSTRUCTION = "processing-instruction"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stanza may be: bytes, depth (itself is 1), elements (itself too), attributes per element."""

    bytes: int
    depth: int
    elements: int
    attributes: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer's stream header."""

    id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A stanza broke a limit; what its start tag said."""

    limit: Limit
    stanza: Element


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer ended its stream."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What arrived is no XML stream. The reason holds nothing of what was received."""

    reason: str


class Builder(Protocol):
    """Takes what is inside a stanza, as xml.etree.ElementTree.TreeBuilder does."""

    def start(self, tag: str, attrs: dict[Any, Any], /) -> object:
        """A start tag."""

    def end(self, tag: str, /) -> object:
        """An end tag."""

    def data(self, data: str, /) -> object:
        """Character data."""


class _ClarkNames(dict[str, str]):
    """Names in Clark notation by the form expat gives them, which lacks the first brace."""

    def __missing__(self, name: str) -> str:
        clark = self[name] = "{" + name if "}" in name else name
        return clark


class _Unacceptable(Exception):
    """Raised inside the parser: the stream cannot go on."""


class _Renew(Exception):
    """Raised inside the parser at the end tag of a stanza: a new parser takes over behind it."""


_Whole = TypeVar("_Whole")
_Building = TypeVar("_Building", bound=Builder)


class LimitedStream(ABC, Generic[_Whole, _Building]):
    """One incoming stream; a whole stanza is told as a `_Whole`. After Closed or Broken it takes no more."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        """What stanzas may be; others may be set at any time."""
        self.header: dict[str, str] = {}
        """The attributes of the peer's stream header."""
        self.namespaces: list[tuple[str | None, str]] = []
        """The namespaces that it declares, by prefix; None for the default one."""
        self._events: list[_Whole | Opened | Refused | Closed | Broken] = []
        self._over = False
        self._parsed = 0
        self._at_hand: bytes | bytearray = b""
        """Bytes that can still be looked at, among them those that are being parsed."""
        self._at_hand_start = 0
        self._resume_at = 0
        self._names = _ClarkNames()
        self._names_seen = 0
        self._depth = 0
        self._declarations = 0
        self._elements = 0
        self._stanza: tuple[str, dict[str, str]] = ("", {})
        self._stanza_start = 0
        self._builder: _Building | None = None
        self._parser = _new_parser()
        self._attach()

    def feed(self, data: bytes) -> list[_Whole | Opened | Refused | Closed | Broken]:
        """Take the next bytes; raises nothing."""
        self._events = []
        while data and not self._over:
            data = self._parse(data)
        return self._events

    @abstractmethod
    def _new_builder(self) -> _Building:
        """What takes the inside of the stanza that begins."""

    @abstractmethod
    def _whole(self, builder: _Building, position: int) -> _Whole:
        """The stanza that has ended: with the tag at this index or, an empty element, before it."""

    def _hold(self, data: bytes) -> None:
        """Have the bytes at hand that are parsed next."""
        self._at_hand, self._at_hand_start = data, self._parsed

    def _release(self, token_start: int) -> None:
        """The bytes at hand are parsed; at this index begins what is not understood yet."""

    def _parse(self, data: bytes) -> bytes:
        """Parse; gives what is left when the parser was replaced on the way."""
        self._hold(data)
        try:
            self._parser.Parse(data, False)
        except _Renew:
            left = data[self._resume_at - self._parsed :]
            self._renew()
            return left
        except _Unacceptable as error:
            self._break(str(error))
        except expat.ExpatError as error:
            self._break(f"not well-formed: {expat.errors.messages.get(error.code, 'unknown error')}")
        else:
            self._parsed += len(data)
            token_start = self._parser.CurrentByteIndex
            if self._parsed - token_start > _TOKEN_BYTES:
                self._break("a start tag without end")
            else:
                self._release(token_start)
        return b""

    def _break(self, reason: str) -> None:
        self._over = True
        self._builder = None
        self._events.append(Broken(reason))

    def _attach(self) -> None:
        parser = self._parser
        parser.StartNamespaceDeclHandler = self._on_namespace
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CommentHandler = self._on_comment
        parser.ProcessingInstructionHandler = self._on_instruction
        parser.StartDoctypeDeclHandler = self._on_doctype

    def _renew(self) -> None:
        """Put a new parser where the old one is: behind a stanza, inside a root with the same namespaces."""
        data = stream_header(self.namespaces)
        self._parser = _new_parser()
        self._parser.Parse(data, False)
        self._attach()
        self._parsed = self._at_hand_start = len(data)
        self._at_hand = b""
        self._names = _ClarkNames()
        self._names_seen = 0

    def _on_namespace(self, prefix: str | None, uri: str) -> None:
        self._declarations += 1
        if self._depth == 0:
            self.namespaces.append((prefix, uri))

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth = self._depth + 1
        attribute_count = len(attributes) + self._declarations
        self._declarations = 0
        self._names_seen += 1 + attribute_count
        if depth == 2:
            self._begin_stanza(name, attributes)
        elif depth == 1:
            self._on_root(name, attributes)
            return
        builder = self._builder
        if builder is None:
            if self._names_seen > _NAMES_OF_ONE_STANZA:
                raise _Unacceptable("a stanza of endless elements")
            return
        limits = self.limits
        self._elements += 1
        if attribute_count > limits.attributes:
            self._refuse(Limit.ATTRIBUTES)
        elif depth > limits.depth + 1:
            self._refuse(Limit.DEPTH)
        elif self._elements > limits.elements:
            self._refuse(Limit.ELEMENTS)
        elif self._parser.CurrentByteIndex - self._stanza_start > limits.bytes:
            self._refuse(Limit.BYTES)
        else:
            builder.start(self._names[name], self._clark_keys(attributes))

    def _begin_stanza(self, name: str, attributes: dict[str, str]) -> None:
        self._elements = 0
        self._stanza_start = self._parser.CurrentByteIndex
        self._stanza = (name, attributes)
        self._builder = self._new_builder()

    def _on_root(self, name: str, attributes: dict[str, str]) -> None:
        if name != f"{STREAM_NS}}}stream":
            raise _Unacceptable("not an XMPP stream")
        self.header = attributes
        self._events.append(Opened(attributes.get("id", "")))

    def _on_end(self, name: str) -> None:
        depth = self._depth = self._depth - 1
        builder = self._builder
        if builder is not None:
            builder.end(self._names[name])
        if depth == 1:
            self._end_stanza()
        elif depth == 0:
            self._over = True
            self._events.append(Closed())

    def _end_stanza(self) -> None:
        position = self._parser.CurrentByteIndex
        if self._builder is not None and position - self._stanza_start > self.limits.bytes:
            self._refuse(Limit.BYTES)
        if self._builder is not None:
            self._events.append(self._whole(self._builder, position))
            self._builder = None
        if self._names_seen > _NAMES:
            # Only behind an end tag that begins at hand: there the end of the stanza is known for sure.
            at = position - self._at_hand_start
            if at >= 0 and self._at_hand[at : at + 2] == b"</":
                end = self._at_hand.find(b">", at)
                if end >= 0:
                    self._resume_at = self._at_hand_start + end + 1
                    raise _Renew

    def _on_text(self, text: str) -> None:
        """For those who want character data: the handler to attach."""
        builder = self._builder
        if builder is None:
            return
        if self._parser.CurrentByteIndex - self._stanza_start > self.limits.bytes:
            self._refuse(Limit.BYTES)
        else:
            builder.data(text)

    def _on_comment(self, _text: str) -> None:
        self._refuse(Limit.COMMENT)

    def _on_instruction(self, _target: str, _text: str) -> None:
        self._refuse(Limit.INSTRUCTION)

    def _on_doctype(self, _name: str, _system: str | None, _public: str | None, _internal: bool) -> None:
        raise _Unacceptable("a document type")

    def _refuse(self, limit: Limit) -> None:
        """Give up the stanza under way, if there is one: the rest of it is only counted."""
        if self._builder is not None:
            self._builder = None
            name, attributes = self._stanza
            self._events.append(Refused(limit, Element(component_tag(self._names[name]), attributes)))

    def _clark_keys(self, attributes: dict[str, str]) -> dict[str, str]:
        for name in attributes:
            if "}" in name:
                return {self._names[name]: value for name, value in attributes.items()}
        return attributes


def stream_header(namespaces: list[tuple[str | None, str]]) -> bytes:
    """A stream's start tag that declares these namespaces (by prefix), and no attributes."""
    prefix = {uri: prefix for prefix, uri in namespaces}.get(STREAM_NS)
    header = f"<{prefix}:stream" if prefix else "<stream"
    for prefix, uri in namespaces:
        header += f" xmlns:{prefix}={quoteattr(uri)}" if prefix else f" xmlns={quoteattr(uri)}"
    return f"{header}>".encode()


def component_tag(tag: str) -> str:
    """The tag in our stream's namespace: servers mix in `jabber:client`."""
    return f"{{{COMPONENT_NS}}}{tag[len(_CLIENT_NS) :]}" if tag.startswith(_CLIENT_NS) else tag


def _new_parser() -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator="}", intern={})
    # expat 2.6 holds a token back that arrives in two pieces, and a stanza must not wait for the next one.
    set_deferral: Callable[[bool], None] | None = getattr(parser, "SetReparseDeferralEnabled", None)
    if set_deferral is not None:
        set_deferral(False)
    parser.buffer_text = True
    parser.buffer_size = _TEXT_PIECE
    return parser
