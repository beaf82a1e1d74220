"""Stanzas as a hostile user would send them: whole, well-formed, and strange.

Each comes from one seed: drawn element by element, hypothesis would take minutes for thousands.
"""

from __future__ import annotations

from random import Random
from xml.etree.ElementTree import Element

from component.stanza import COMPONENT_NS, serialise

_KNOWN = (
    "{http://jitsi.org/protocol/focus}conference",
    "{http://jitsi.org/protocol/focus}login-url",
    "{urn:xmpp:jingle:1}jingle",
    "{http://jitsi.org/jitmeet/audio}mute",
    "{http://jitsi.org/jitmeet/video}mute",
    "{jitsi:colibri2}conference-modify",
    "{urn:xmpp:extdisco:2}services",
    "{urn:xmpp:extdisco:1}credentials",
    "{urn:xmpp:extdisco:2}service",
    "{urn:xmpp:delegation:1}delegation",
    "{urn:xmpp:delegation:2}delegation",
    "{urn:xmpp:forward:0}forwarded",
    "{jabber:client}iq",
    "{urn:xmpp:ping}ping",
    "{http://jabber.org/protocol/disco#info}query",
    "{http://jabber.org/protocol/disco#items}query",
    "{http://jabber.org/protocol/muc#user}x",
    "{http://jabber.org/protocol/caps}c",
    "{urn:xmpp:jingle:1}content",
    "{urn:xmpp:jingle:apps:rtp:1}description",
    "{urn:xmpp:jingle:transports:ice-udp:1}transport",
    "{urn:xmpp:jingle:apps:rtp:ssma:0}source",
    "{jabber:client}error",
)
_ODD_NAMESPACES = (
    "",
    "u",
    "jabber:client",
    COMPONENT_NS,
    "jabber:server",
    "&<>'\"]]>",
    "http://etherx.jabber.org/streams",
)
_ODD_NAMES = ("a", "iq", "error", "stream", "handshake", "xmlns", "é", "_", "x" * 300, "a.b-c")
_NAMES = (
    *(
        "room",
        "action",
        "sid",
        "initiator",
        "responder",
        "host",
        "type",
        "jid",
        "node",
        "machine-uid",
        "creator",
    ),
    *(
        "name",
        "from",
        "to",
        "id",
        "senders",
        "media",
        "ssrc",
        "{u}a",
        "{http://www.w3.org/XML/1998/namespace}lang",
    ),
)
_VALUES = (
    *(
        "session-initiate",
        "session-accept",
        "source-add",
        "transport-info",
        "session-terminate",
        "set",
        "both",
    ),
    *(
        "r@conference.localhost",
        "focus.localhost",
        "turn",
        "127.0.0.1",
        "audio",
        "true",
        "-1",
        "4294967296",
        "1e400",
    ),
    *("NaN", "a@b@c/d/e", "@", "/", "x" * 2000, "<iq/>", "%s{}\\", "\u202e", "\n\t", "٣"),
)
_ADDRESSES = (
    "focus.localhost",
    "focus@focus.localhost/focus",
    "focus@focus.localhost",
    "x@focus.localhost/y",
)
_TYPES = (*("get", "set") * 6, "result", "error", "subscribe", "unavailable", "groupchat", "odd", "")
_ALPHABETS = (
    tuple(map(chr, (9, 10, *range(32, 127)))),
    tuple(
        map(
            chr,
            (127, 133, 0x200F, 0x2028, 0x300, 0xE000, 0xFDD0, 0xFEFF, 0x1F600, 0x1FFFE, 0xE0001, 0x10FFFF),
        )
    ),
)


def user_stanza(seed: int) -> bytes:
    """The stanza of this seed."""
    rng = Random(seed)
    kind = rng.choice(("iq", "iq", "iq", "iq", "presence", "message"))
    stanza = Element(f"{{{COMPONENT_NS}}}{kind}", {"to": rng.choice(_ADDRESSES), "id": _text(rng, 1)})
    stanza.set("type", rng.choice(_TYPES))
    for _ in range(rng.choice((0, 2, *[1] * 18))):
        stanza.append(_element(rng, rng.choice((0, 1, 2, 4, 70))))
    return serialise(stanza)


def _element(rng: Random, depth: int) -> Element:
    tag = rng.choice(_KNOWN)
    if rng.random() < 0.3:
        namespace = rng.choice(_ODD_NAMESPACES)
        tag = (f"{{{namespace}}}" if namespace else "") + rng.choice(_ODD_NAMES)
    names = rng.sample(_NAMES, rng.choice((0, 1, 2, 5)))
    element = Element(tag, {name: _value(rng) for name in names})
    element.text = _value(rng) if rng.random() < 0.3 else None
    for _ in range(rng.choice((1, 1, 2)) if 0 < depth < 9 else min(depth, 1)):
        element.append(_element(rng, depth - 1))
    return element


def _value(rng: Random) -> str:
    return rng.choice(_VALUES) if rng.random() < 0.7 else _text(rng, 0)


def _text(rng: Random, shortest: int) -> str:
    return "".join(rng.choices(rng.choice(_ALPHABETS), k=rng.choice((shortest, 3, 20))))
