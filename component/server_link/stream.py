"""What both ends of a component stream say (XEP-0114, RFC 6120 §4), as bytes; and what they say of ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import escape, quoteattr

from component.limited_stream import STREAM_NS
from component.loss import LINK_NS, Loss
from component.server_link.framer import Framer, Stanza
from component.stanza import COMPONENT_NS

HANDSHAKE = f"{{{COMPONENT_NS}}}handshake"
STREAM_ERROR = f"{{{STREAM_NS}}}error"
NAMESPACES: frozenset[tuple[str | None, str]] = frozenset(((None, COMPONENT_NS), ("stream", STREAM_NS)))
"""What a header declares, so that stanzas can go from one stream to another as they are."""
END = b"</stream:stream>"
ACCEPTED = b"<handshake/>"
_STREAMS_NS = "urn:ietf:params:xml:ns:xmpp-streams"


def header(namespaces: Iterable[tuple[str | None, str]] = NAMESPACES, **attributes: str) -> bytes:
    """A stream header; `from_` stands for `from`."""
    declared = "".join(
        f" xmlns{':' if prefix else ''}{prefix or ''}={quoteattr(uri)}" for prefix, uri in namespaces
    )
    said = "".join(f" {name.rstrip('_')}={quoteattr(value)}" for name, value in attributes.items())
    return f"<?xml version='1.0'?><stream:stream{declared}{said}>".encode()


def standby(active: int) -> bytes:
    """Says that the handshake is good, and is answered when the process `active` makes way."""
    return f"<standby xmlns='{LINK_NS}' active='{active}'/>".encode()


def proof(session: str, secret: str) -> str:
    """What a component shows in its handshake (XEP-0114 §3)."""
    return hashlib.sha1(session.encode() + secret.encode()).hexdigest()


def handshake(session: str, secret: str) -> bytes:
    """The handshake of a component."""
    return f"<handshake>{proof(session, secret)}</handshake>".encode()


def error(condition: str, text: str = "", lost: Loss | None = None) -> bytes:
    """A stream error and the end; `lost` says, to our own component, what became of the server's stream."""
    inner = f"<{condition} xmlns='{_STREAMS_NS}'/>"
    if text:
        inner += f"<text xmlns='{_STREAMS_NS}'>{escape(text)}</text>"
    if lost is not None:
        inner += f"<lost xmlns='{LINK_NS}' kind='{lost.kind}'>{escape(lost.text)}</lost>"
    return f"<stream:error>{inner}</stream:error>".encode() + END


def element(stanza: Stanza, framer: Framer) -> Element:
    """One of the few elements that matter to the link itself, as a tree."""
    return fromstring(framer.opening + stanza.data + framer.root_end)[0]
