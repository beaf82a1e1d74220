"""One WebSocket message of XMPP (RFC 7395 §3.3): exactly one element, checked as a stream is. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from bosh.restricted_xml import (
    ATTRIBUTE,
    MARKUP,
    SPACE,
    XmlError,
    attribute_values,
    check_bytes,
    check_characters,
)
from bosh.stanza_framer import Stanza, StanzaFramer
from carillon.settings import LimitSettings


def parse_message(data: bytes, limits: LimitSettings) -> Stanza:
    """The one element that a message of RFC 7395 consists of. Raises XmlError."""
    if not data.startswith(b"<"):
        raise XmlError("bad-format", "a message that does not begin with '<'")
    if len(data) > limits.stanza_bytes:
        raise XmlError("policy-violation", "a stanza is too long")
    check_bytes(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise XmlError("not-well-formed", "not UTF-8") from error
    check_characters(text)
    framer = StanzaFramer(limits, stream=False)
    events = framer.feed_text(text)
    if len(events) != 1 or not framer.between_stanzas or not isinstance(events[0], Stanza):
        raise XmlError("not-well-formed", "a message that is not one whole element")
    return events[0]


class TopTag(NamedTuple):
    """What stands on the start tag of a checked element."""

    attributes: dict[str, str]
    """Attributes by name as written, with their meaning."""
    empty: bool
    """Whether the element has no content."""


def top_tag(stanza: Stanza) -> TopTag:
    """Read the start tag of a whole element."""
    text = stanza.data.decode()
    match = MARKUP.match(text)
    assert match is not None, "a stanza begins with its start tag"
    return TopTag(
        attribute_values(ATTRIBUTE.findall(match[4])),
        bool(match[5]) or text[match.end() :].rstrip(SPACE + ">") == f"</{match[3]}",
    )
