"""What a host of the component says of itself: service discovery (XEP-0030) and ping (XEP-0199).

The software version (XEP-0092) is told to nobody: it helps only who looks for old ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from component.link import Link
from component.stanza_error import StanzaError

DISCO_INFO_NS = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS_NS = "http://jabber.org/protocol/disco#items"
PING_NS = "urn:xmpp:ping"
FOCUS_NS = "http://jitsi.org/protocol/focus"
_FEATURES = (DISCO_INFO_NS, DISCO_ITEMS_NS, PING_NS)
_INFO = f"{{{DISCO_INFO_NS}}}query"
_ITEMS = f"{{{DISCO_ITEMS_NS}}}query"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a host is, in the words of the registry of XEP-0030 §9.2.3."""

    category: str
    type: str
    name: str


FOCUS = Identity("component", "generic", "focus")


class Disco:
    """Answers disco#info, disco#items and pings to a host of the component and to every address at it."""

    def __init__(self, link: Link, identity: Identity, features: Iterable[str]) -> None:
        """`features` are namespaces of the services on this host."""
        self._info = Element(_INFO)
        SubElement(
            self._info,
            f"{{{DISCO_INFO_NS}}}identity",
            {"category": identity.category, "type": identity.type, "name": identity.name},
        )
        for feature in sorted({*_FEATURES, *features}):
            SubElement(self._info, f"{{{DISCO_INFO_NS}}}feature", {"var": feature})
        self._items = Element(_ITEMS)
        link.on_iq("get", _INFO, lambda iq: _without_node(iq, self._info))
        link.on_iq("get", _ITEMS, lambda iq: _without_node(iq, self._items))
        link.on_iq("get", f"{{{PING_NS}}}ping", lambda iq: None)


def _without_node(iq: Element, answer: Element) -> Element:
    if iq[0].get("node"):
        raise StanzaError("item-not-found")
    return answer
