"""Finds the whole elements in XMPP bytes and checks them, without building a tree.

One checker for both directions: a message of RFC 7395 is exactly one element (`bosh.framed_message`), the
stream of RFC 6120 from the server is a header, elements and an end. It accepts what is well-formed (XML 1.0,
Namespaces in XML 1.0), within the limits, and free of what RFC 6120 §11.1 forbids: comments, processing
instructions, document types and entities that are not predefined. Its output is the bytes of each element,
made self-contained: what it inherits from the stream header is declared on it again.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from bosh.restricted_xml import (
    ATTRIBUTE,
    CDATA,
    MARKUP,
    SPACE,
    XML_DECLARATION,
    XML_NAMESPACE,
    XmlError,
    attribute_values,
    check_bytes,
    check_characters,
    check_text,
    declared,
    unescape,
    used_prefixes,
)
from bosh.unfinished_token import UnfinishedToken
from carillon.settings import LimitSettings

NAME_CHARACTERS = 1024
"""Longest qualified name: those of real protocols stay below 100."""
PREFIXES_IN_SCOPE = 64
"""Prefixes that may be declared around one element: each declaration copies them, which must stay cheap."""

_OUTSIDE = {"xml": XML_NAMESPACE}
_NOTHING: dict[str, str] = {}
_NOT_INHERITED = {"": " xmlns=''"}
"""What a message must say that stood in no namespace: the stream to the server has a default one."""
_UTF_8 = codecs.getincrementaldecoder("utf-8")
_MATCH_MARKUP = MARKUP.match
_FIND_ATTRIBUTES = ATTRIBUTE.findall


class StreamHeader(NamedTuple):
    """The start tag of the stream."""

    name: str
    """Local name."""
    namespace: str
    """Namespace of the element itself."""
    attributes: dict[str, str]
    """Attributes as written (`from`, `xml:lang`, …) with their meaning, namespace declarations left out."""


class Stanza(NamedTuple):
    """One whole top-level element: a stanza or anything else that stands in its place."""

    data: bytes
    """Its bytes, self-contained."""
    name: str
    """Local name."""
    namespace: str
    """Namespace."""


class StreamEnd(NamedTuple):
    """The end tag of the stream."""


Event = StreamHeader | Stanza | StreamEnd


class StanzaFramer:
    """Bytes of one stream in, its events out; raises XmlError once and is of no use afterwards."""

    __slots__ = (
        "_base", "_decoder", "_default", "_elements", "_ended", "_inherited", "_insert", "_limits",
        "_name", "_namespace", "_own", "_position", "_redeclared", "_scope", "_stack", "_start", "_text",
        "_unfinished",
    )  # fmt: skip

    def __init__(self, limits: LimitSettings, *, stream: bool = True) -> None:
        self._limits = limits
        self._base = 1 if stream else 0
        """Depth at which stanzas stand."""
        self._decoder = _UTF_8() if stream else None
        self._text = ""
        self._position = 0
        """Where the token that is not yet understood begins."""
        self._unfinished: UnfinishedToken | None = None
        """That token, once its end was looked for in vain."""
        self._stack: list[tuple[str, dict[str, str]]] = []
        """Names of the open elements, each with the prefixes declared around it."""
        self._scope = _OUTSIDE
        self._default = ""
        """The default namespace around stanzas; those within matter to nobody here."""
        self._redeclared = {} if stream else _NOT_INHERITED
        """The declaration that makes a child self-contained, by prefix."""
        self._ended = False
        self._start = -1
        """Where the current stanza begins, and what is known of it; -1 between stanzas."""
        self._insert = 0
        self._name = ""
        self._namespace = ""
        self._own = _NOTHING
        self._inherited: set[str] | None = None
        self._elements = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of a stream; return what they complete. Raises XmlError."""
        assert self._decoder is not None, "a stream"
        check_bytes(data)
        try:
            chunk = self._decoder.decode(data)
        except UnicodeDecodeError as error:
            raise XmlError("not-well-formed", "not UTF-8") from error
        check_characters(chunk)
        return self.feed_text(chunk)

    def feed_text(self, chunk: str) -> list[Event]:
        """As `feed`, for characters that are checked."""
        text, self._text = self._text, ""
        text += chunk  # in place, as nothing else refers to it: a long stanza in small pieces stays linear
        events: list[Event] = []
        position = self._scan(text, events)
        if self._start < 0 and (position == len(text) or not text[position:].strip(SPACE)):
            self._position, self._unfinished = 0, None  # white space between stanzas is a keep-alive
            return events
        used = position if self._start < 0 else self._start
        if used:
            text = text[used:]
            position -= used
            if self._unfinished is not None:
                self._unfinished.resume -= used
            self._insert -= used
            self._start -= used if self._start >= 0 else 0
        if len(text) > self._limits.stanza_bytes:
            raise XmlError("policy-violation", "a stanza is too long")
        self._text, self._position = text, position
        return events

    @property
    def between_stanzas(self) -> bool:
        """Whether no element and no markup is unfinished."""
        return self._start < 0 and not self._text

    def so_far(self) -> bytes:
        """What brings another framer of a stream to where this one is.

        A header that declares the same, and the bytes of what is not whole yet.
        """
        assert self._decoder is not None, "a stream"
        header = f"<{self._stack[0][0]}{''.join(self._redeclared.values())}>" if self._stack else ""
        return f"{header}{self._text}".encode() + self._decoder.getstate()[0]

    def _scan(self, text: str, events: list[Event]) -> int:
        """Take all complete tokens; return the position behind the last."""
        position, end, stack, base = self._position, len(text), self._stack, self._base
        while position < end:
            if self._unfinished is not None and not self._unfinished.complete(text):
                break
            match = _MATCH_MARKUP(text, position)
            if match is None:
                if self._unfinished is None:
                    self._unfinished = UnfinishedToken(position)
                    if not self._unfinished.complete(text):
                        break
                self._unfinished = None
                position = self._other_markup(text, position)
                continue
            self._unfinished = None
            characters, slash, name, attributes, empty = match.groups()
            if characters:
                if len(stack) > base:
                    check_text(characters)
                elif characters.strip(SPACE) or not base:
                    raise XmlError("not-well-formed", "text outside of an element")
            position = match.end()
            if slash:
                if attributes or empty or not stack:
                    raise XmlError("not-well-formed", "an end tag that ends nothing")
                opened, self._scope = stack.pop()
                if opened != name:
                    raise XmlError("not-well-formed", "an end tag that does not match")
                if len(stack) > base:
                    continue
                if stack or not base:
                    events.append(self._finished(text, position))
                else:
                    self._ended = True
                    events.append(StreamEnd())
            else:
                if len(stack) == base:
                    self._begin(match.end(1), match.end(3))
                self._open(name, attributes, empty, events)
                if empty and len(stack) == base:
                    events.append(self._finished(text, position))
        return position

    def _begin(self, start: int, insert: int) -> None:
        if not self._base and self._name:
            raise XmlError("bad-format", "more than one element")
        self._start, self._insert, self._elements = start, insert, 0
        self._inherited = None

    def _open(self, name: str, attributes: str, empty: str, events: list[Event]) -> None:
        """Check a start tag and enter its element (unless it is empty)."""
        if self._ended:
            raise XmlError("not-well-formed", "an element after the end of the stream")
        depth = len(self._stack)
        limits = self._limits
        self._elements += 1
        if self._elements > limits.stanza_elements:
            raise XmlError("policy-violation", "a stanza has too many elements")
        if depth - self._base >= limits.stanza_depth:
            raise XmlError("policy-violation", "a stanza is nested too deeply")
        if len(name) > NAME_CHARACTERS:
            raise XmlError("policy-violation", "a name is too long")
        scope, own = self._scope, _NOTHING
        values: list[tuple[str, str]] = []
        if attributes:
            values = _FIND_ATTRIBUTES(attributes)
            own = self._check_attributes(attributes, values)
            if len(own) > ("" in own):
                scope = {**scope, **own}
                if len(scope) > PREFIXES_IN_SCOPE:
                    raise XmlError("policy-violation", "too many prefixes are declared")
            if prefixed := [key for key, _ in values if ":" in key]:
                self._inherit(used_prefixes(prefixed, scope))
        prefix, colon, local = name.rpartition(":")
        if colon:
            if prefix not in scope:
                raise XmlError("bad-namespace-prefix", "the prefix of an element is not declared")
            self._inherit([prefix])
        if depth <= self._base:
            namespace = scope[prefix] if colon else own.get("", self._default)
            if depth == self._base:
                self._name, self._namespace, self._own = local, namespace, own
            else:
                self._header(StreamHeader(local, namespace, attribute_values(values)), own, empty, events)
        if not empty:
            self._stack.append((name, self._scope))
            self._scope = scope

    def _inherit(self, prefixes: list[str]) -> None:
        """The current stanza uses prefixes that it may have from the stream header."""
        if self._inherited is None:
            self._inherited = set()
        self._inherited.update(prefixes)

    def _check_attributes(self, attributes: str, values: list[tuple[str, str]]) -> dict[str, str]:
        """Check the attributes of one tag; return the namespaces they declare."""
        count = len(values)
        if count > self._limits.stanza_attributes:
            raise XmlError("policy-violation", "an element has too many attributes")
        if count > 1 and len(dict(values)) != count:
            raise XmlError("not-well-formed", "an attribute stands twice")
        if "&" in attributes:
            unescape(attributes)
        if len(attributes) > NAME_CHARACTERS and any(len(name) > NAME_CHARACTERS for name, _ in values):
            raise XmlError("policy-violation", "a name is too long")
        return declared(values) if "xmlns" in attributes else _NOTHING

    def _header(self, header: StreamHeader, own: dict[str, str], empty: str, events: list[Event]) -> None:
        """The stream opens: its children inherit what it declares."""
        if empty:
            raise XmlError("bad-format", "an empty stream")
        self._default = own.get("", "")
        self._redeclared = {
            prefix: f" xmlns{':' if prefix else ''}{prefix}={quoteattr(namespace)}"
            for prefix, namespace in own.items()
            if prefix != "xml" and namespace
        }
        events.append(header)

    def _finished(self, text: str, end: int) -> Stanza:
        """The current stanza, which is whole, with the declarations that it inherits."""
        own, redeclared = self._own, self._redeclared
        missing = "" if "" in own else redeclared.get("", "")
        if self._inherited is not None:
            for prefix in sorted(self._inherited):
                if prefix in redeclared and prefix not in own:
                    missing += redeclared[prefix]
        whole = text[self._start : end]
        if missing:
            insert = self._insert - self._start
            whole = f"{whole[:insert]}{missing}{whole[insert:]}"
        data = whole.encode()
        self._start = -1
        if len(data) > self._limits.stanza_bytes:
            raise XmlError("policy-violation", "a stanza is too long")
        return Stanza(data, self._name, self._namespace)

    def _other_markup(self, text: str, position: int) -> int:
        """Take a complete token that is no tag: a CDATA section, or the declaration at the beginning."""
        start = text.find("<", position)
        characters = text[position:start]
        if text.startswith(CDATA, start) and len(self._stack) > self._base:
            check_text(characters)
            return text.index("]]>", start) + 3
        beginning = start == 0 and self._base and not self._stack and not self._ended and self._start < 0
        if text.startswith("<?", start):
            declaration = XML_DECLARATION.match(text, start) if beginning else None
            if declaration is None:
                raise XmlError("restricted-xml", "a processing instruction or a misplaced declaration")
            if (declaration["a"] or declaration["b"] or "utf-8").lower() != "utf-8":
                raise XmlError("unsupported-encoding", "an encoding other than UTF-8")
            return declaration.end()
        raise XmlError("not-well-formed", "a malformed tag")
