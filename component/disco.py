"""What a host of the component says of itself: service discovery (XEP-0030) and ping (XEP-0199).

The software version (XEP-0092) is told to nobody: it helps only who looks for old ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol
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


class Directory(Protocol):
    """What only some find at a host; `asker` is who the server says that it is."""

    def features(self, asker: str) -> Iterable[str]:
        """Further features of the host itself."""

    def info(self, node: str, asker: str) -> Element | None:
        """The answer to disco#info for a node; None: there is no such node. Raises StanzaError."""

    def items(self, node: str, asker: str) -> Element | None:
        """The answer to disco#items for a node; as above."""


class Disco:
    """Answers disco#info, disco#items and pings to a host of the component and to every address at it."""

    def __init__(
        self,
        link: Link,
        identity: Identity,
        features: Iterable[str],
        nodes: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """`features` are namespaces of the services on this host; `nodes` have features and no identity."""
        self._info = Element(_INFO)
        SubElement(
            self._info,
            f"{{{DISCO_INFO_NS}}}identity",
            {"category": identity.category, "type": identity.type, "name": identity.name},
        )
        _add(self._info, {*_FEATURES, *features})
        self._nodes: dict[str, Element] = {}
        for node, its_features in (nodes or {}).items():
            self._nodes[node] = Element(_INFO, {"node": node})
            _add(self._nodes[node], its_features)
        self._items = Element(_ITEMS)
        self._domain = link.domain
        self._directory: Directory | None = None
        link.on_iq("get", _INFO, self._on_info)
        link.on_iq("get", _ITEMS, self._on_items)
        link.on_iq("get", f"{{{PING_NS}}}ping", lambda iq: None)

    def extend(self, directory: Directory) -> None:
        """Let the host itself, not the addresses at it, tell some more than others."""
        self._directory = directory

    def _on_info(self, iq: Element) -> Element:
        directory, node, asker = self._directory_at(iq), iq[0].get("node", ""), iq.get("from", "")
        if node in self._nodes:
            return self._nodes[node]
        if directory is None:
            return _without_node(iq, self._info)
        if node:
            found = directory.info(node, asker)
            return _without_node(iq, self._info) if found is None else found
        further = tuple(directory.features(asker))
        if not further:
            return self._info
        info = deepcopy(self._info)
        _add(info, further)
        return info

    def _on_items(self, iq: Element) -> Element:
        directory, node = self._directory_at(iq), iq[0].get("node", "")
        found = directory.items(node, iq.get("from", "")) if directory is not None and node else None
        return _without_node(iq, self._items) if found is None else found

    def _directory_at(self, iq: Element) -> Directory | None:
        return self._directory if iq.get("to") == self._domain else None


def _add(info: Element, features: Iterable[str]) -> None:
    for feature in sorted(features):
        SubElement(info, f"{{{DISCO_INFO_NS}}}feature", {"var": feature})


def _without_node(iq: Element, answer: Element) -> Element:
    if iq[0].get("node"):
        raise StanzaError("item-not-found")
    return answer
