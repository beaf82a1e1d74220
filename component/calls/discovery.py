"""What a callee says of itself: service discovery (XEP-0030), entity capabilities (XEP-0115), presence.

Clients show a call button by these features alone; a conference identity would take it away again.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, SubElement

from component.calls.addresses import Callee
from component.focus.features import DISCO_INFO, verification_string
from component.focus.occupant import CAPS
from component.stanza import COMPONENT_NS, presence, resource
from component.stanza_error import StanzaError

INFO: Final = f"{{{DISCO_INFO}}}query"
ITEMS: Final = "{http://jabber.org/protocol/disco#items}query"
NODE: Final = "urn:carillon:calls"

FEATURES: Final = (
    DISCO_INFO,
    CAPS,
    "urn:xmpp:ping",
    "urn:xmpp:jingle:1",
    "urn:xmpp:jingle:apps:rtp:1",
    "urn:xmpp:jingle:apps:rtp:audio",
    "urn:xmpp:jingle:apps:rtp:video",
    "urn:xmpp:jingle:transports:ice-udp:1",
    "urn:xmpp:jingle:apps:dtls:0",
    "urn:xmpp:jingle:apps:rtp:rtcp-fb:0",
    "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0",
    "urn:xmpp:jingle:apps:rtp:ssma:0",
    "urn:ietf:rfc:5576",
    "urn:ietf:rfc:5888",
    "urn:xmpp:jingle-message:0",
)
"""What a callee can do. Nothing is announced that is not there: no call invites, no MUJI."""


def _info(category: str, type: str, name: str, features: tuple[str, ...]) -> Element:
    query = Element(INFO)
    SubElement(query, f"{{{DISCO_INFO}}}identity", {"category": category, "type": type, "name": name})
    for feature in sorted(features):
        SubElement(query, f"{{{DISCO_INFO}}}feature", {"var": feature})
    return query


_CLIENT: Final = _info("client", "bot", "carillon", FEATURES)
_ACCOUNT: Final = _info("account", "registered", "carillon", (DISCO_INFO, "urn:xmpp:ping"))
_HOST: Final = _info("component", "generic", "calls", (DISCO_INFO, "urn:xmpp:ping"))
VERSION: Final = verification_string(_CLIENT)


def answer(to: str, node: str, called: Callee | None) -> Element:
    """The disco#info of an address. Raises StanzaError (item-not-found) for another node than the caps'."""
    found = _HOST if called is None else _CLIENT if resource(to) else _ACCOUNT
    if node and (found is not _CLIENT or node != f"{NODE}#{VERSION}"):
        raise StanzaError("item-not-found")
    if not node:
        return found
    named = Element(INFO, {"node": node})
    named.extend(found)
    return named


def capabilities() -> Element:
    """`<c/>`: without it in every presence some clients see a contact that cannot be called."""
    return Element(f"{{{CAPS}}}c", {"hash": "sha-1", "node": NODE, "ver": VERSION})


def shown(called: Callee, to: str) -> Element:
    """The presence of a callee towards `to`."""
    status = Element(f"{{{COMPONENT_NS}}}status")
    status.text = "Call me: I send back what I hear and see" if called.is_echo else "Call me to join the room"
    return presence(to, called.full, status, capabilities())
