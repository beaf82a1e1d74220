"""`<mute/>`: from a client to the focus a wish to mute somebody, from the focus to a client an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from jingle.errors import bad_request
from jingle.limits import NAME_CHARS, VALUE_CHARS
from jingle.reading import Node, content_text, element, text

NAMESPACES: Final = {
    "audio": "http://jitsi.org/jitmeet/audio",
    "video": "http://jitsi.org/jitmeet/video",
    "desktop": "http://jitsi.org/jitmeet/desktop",
}
"""The namespace says which media: microphone, camera, shared screen."""
TAGS: Final = {f"{{{namespace}}}mute": media for media, namespace in NAMESPACES.items()}
"""Every tag of a mute element, with its media."""


@dataclass(frozen=True)
class Mute:
    """`<mute/>`. `jid` is the occupant to be muted ("": the receiver), `actor` the occupant who wanted it."""

    media: str
    muted: bool
    jid: str = ""
    actor: str = ""


def parse_mute(node: Node) -> Mute:
    """`<mute/>`. Raises JingleError."""
    media = TAGS.get(node.tag)
    if media is None:
        raise bad_request("not a mute element")
    value = content_text(node, NAME_CHARS).lower()
    if value not in ("true", "false"):
        raise bad_request("mute is neither true nor false")
    return Mute(media, value == "true", text(node, "jid", VALUE_CHARS), text(node, "actor", VALUE_CHARS))


def build_mute(mute: Mute) -> Element:
    """`<mute/>`."""
    made = element(NAMESPACES[mute.media], "mute", {"jid": mute.jid, "actor": mute.actor})
    made.text = "true" if mute.muted else "false"
    return made
