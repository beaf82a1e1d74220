"""Stanzas as elements (RFC 6120 §8): building, reading, and the one serialiser of the component stream.

Inside the component every stanza is a standard-library Element in the namespace of XEP-0114.
Nothing here parses.
"""

from __future__ import annotations

import re
import secrets
from enum import StrEnum
from functools import lru_cache
from typing import Literal
from xml.etree.ElementTree import Element

COMPONENT_NS = "jabber:component:accept"
IQ = f"{{{COMPONENT_NS}}}iq"
MESSAGE = f"{{{COMPONENT_NS}}}message"
PRESENCE = f"{{{COMPONENT_NS}}}presence"
ERROR = f"{{{COMPONENT_NS}}}error"

_XML_NS = "http://www.w3.org/XML/1998/namespace"
# What XML 1.0 §2.2 has no way to write: a server ends the stream of whoever sends it.
_ILLEGAL = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_illegal = re.compile(f"[{_ILLEGAL}]").search
_special_in_text = re.compile(f"[&<>\r{_ILLEGAL}]").search
_special_in_attribute = re.compile(f'[&<>"\t\n\r{_ILLEGAL}]').search
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)

IqType = Literal["get", "set", "result", "error"]


class Kind(StrEnum):
    """The three stanza kinds."""

    IQ = "iq"
    MESSAGE = "message"
    PRESENCE = "presence"


KINDS = {IQ: Kind.IQ, MESSAGE: Kind.MESSAGE, PRESENCE: Kind.PRESENCE}


class StanzaInvalid(ValueError):
    """An element that cannot be written as XML: a character XML does not have, or no legal name."""


def stanza_kind(stanza: Element) -> Kind | None:
    """Iq, message or presence; None for anything else on the stream."""
    return KINDS.get(stanza.tag)


def iq(
    type: IqType, to: str, from_: str, payload: Element | None = None, *, id: str | None = None
) -> Element:
    """An `<iq/>`; without `id` the link assigns one when it sends a request."""
    payloads = () if payload is None else (payload,)
    return _stanza(IQ, {"to": to, "from": from_, "type": type, "id": id}, payloads)


def presence(to: str, from_: str, *payloads: Element, type: str | None = None) -> Element:
    """A `<presence/>`, available unless a type is given, with its payloads in their order."""
    return _stanza(PRESENCE, {"to": to, "from": from_, "type": type}, payloads)


def message(type: str, to: str, from_: str, *payloads: Element, id: str | None = None) -> Element:
    """A `<message/>` with its payloads in their order."""
    return _stanza(MESSAGE, {"to": to, "from": from_, "type": type, "id": id}, payloads)


def result(request: Element, payload: Element | None = None) -> Element:
    """The `<iq type="result"/>` that answers `request`."""
    get = request.get
    answer = Element(
        IQ, {"to": get("from", ""), "from": get("to", ""), "type": "result", "id": get("id", "")}
    )
    if payload is not None:
        answer.append(payload)
    return answer


def payload(stanza: Element) -> Element | None:
    """The first child that is not `<error/>`: of an IQ, its payload."""
    for child in stanza:
        if child.tag != ERROR:
            return child
    return None


def new_id() -> str:
    """A stanza id that nobody can guess, so that nobody can answer in another's place."""
    return secrets.token_urlsafe(12)


def bare(jid: str) -> str:
    """The JID without its resource (RFC 7622 §3.1)."""
    return jid.partition("/")[0]


def resource(jid: str) -> str:
    """The resource, in a room the nick; "" when there is none."""
    return jid.partition("/")[2]


def local(jid: str) -> str:
    """The part before the @; "" when there is none."""
    head, at, _ = bare(jid).partition("@")
    return head if at else ""


def domain(jid: str) -> str:
    """The domain part."""
    return bare(jid).rpartition("@")[2]


def serialise(stanza: Element) -> bytes:
    """The stanza as bytes for a stream whose default namespace is that of XEP-0114.

    Namespaces become `xmlns` attributes where they change, never prefixes on elements: servers that read a
    component's stanzas without namespace support (ejabberd) understand nothing else. Raises StanzaInvalid.
    """
    out: list[str] = []
    _write(stanza, COMPONENT_NS, out)
    return "".join(out).encode()


def _stanza(tag: str, attributes: dict[str, str | None], payloads: tuple[Element, ...]) -> Element:
    stanza = Element(tag, {name: value for name, value in attributes.items() if value is not None})
    stanza.extend(payloads)
    return stanza


def _write(element: Element, outer_ns: str, out: list[str]) -> None:
    if not isinstance(element.tag, str):  # lxml shows comments and processing instructions this way
        return
    namespace, name = _split(element.tag)
    head = f"<{name}"
    if namespace != outer_ns:
        head += f' xmlns="{_escaped(namespace)}"'
    for key, value in element.items():
        text = _escaped(value) if _special_in_attribute(value) else value
        head += f' {key}="{text}"' if key[0] != "{" else _prefixed(key, text, len(head))
    if not element.text and not len(element):
        out.append(head + "/>")
        return
    out.append(head + ">")
    if element.text:
        out.append(_text(element.text))
    for child in element:
        _write(child, namespace, out)
        if child.tail:
            out.append(_text(child.tail))
    out.append(f"</{name}>")


@lru_cache(maxsize=1024)
def _split(tag: str) -> tuple[str, str]:
    """Namespace and local name of a name in Clark notation."""
    namespace, _, name = tag[1:].rpartition("}") if tag[:1] == "{" else ("", "", tag)
    return namespace, name


def _prefixed(key: str, text: str, number: int) -> str:
    """An attribute with a namespace; `number` makes its prefix unique within the element."""
    namespace, name = _split(key)
    if namespace == _XML_NS:
        return f' xml:{name}="{text}"'
    return f' xmlns:a{number}="{_escaped(namespace)}" a{number}:{name}="{text}"'


def _text(value: str) -> str:
    return _escaped(value) if _special_in_text(value) else value


def _escaped(value: str) -> str:
    if _illegal(value):
        raise StanzaInvalid("a character that XML does not have")
    return value.translate(_ESCAPES)
