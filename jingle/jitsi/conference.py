"""`<conference/>`: how a client asks for a conference and what the focus answers (namespace of the focus)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from jingle.errors import bad_request
from jingle.jitsi.session import FOCUS
from jingle.limits import MAX_PROPERTIES, TEXT_CHARS, VALUE_CHARS
from jingle.reading import Node, boolean, element, named, required, text

CONFERENCE: Final = f"{{{FOCUS}}}conference"
PROPERTY: Final = f"{{{FOCUS}}}property"


@dataclass(frozen=True)
class Conference:
    """`<conference/>`, a request or an answer. Texts that are absent are "".

    The answer is `ready` when the focus is in the room; `focus_jid` is the address to trust as the focus.
    """

    room: str
    machine_uid: str = ""
    session_id: str = ""
    token: str = field(default="", repr=False)
    ready: bool | None = None
    focus_jid: str = ""
    identity: str = ""
    vnode: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


def parse_conference(node: Node) -> Conference:
    """`<conference/>`. Raises JingleError."""
    if node.tag != CONFERENCE:
        raise bad_request("not a conference element")
    return Conference(
        room=required(node, "room", VALUE_CHARS),
        machine_uid=text(node, "machine-uid"),
        session_id=text(node, "session-id"),
        token=text(node, "token", TEXT_CHARS),
        ready=boolean(node, "ready"),
        focus_jid=text(node, "focusjid", VALUE_CHARS),
        identity=text(node, "identity", VALUE_CHARS),
        vnode=text(node, "vnode"),
        properties={
            required(child, "name"): text(child, "value", VALUE_CHARS)
            for child in named(node, PROPERTY, MAX_PROPERTIES)
        },
    )


def build_conference(conference: Conference) -> Element:
    """`<conference/>`."""
    made = element(
        FOCUS,
        "conference",
        {
            "room": conference.room,
            "ready": conference.ready,
            "focusjid": conference.focus_jid,
            "machine-uid": conference.machine_uid,
            "session-id": conference.session_id,
            "token": conference.token,
            "identity": conference.identity,
            "vnode": conference.vnode,
        },
    )
    for name, value in conference.properties.items():
        made.append(element(FOCUS, "property", {"name": name, "value": value}))
    return made
