"""What a participant can do: service discovery (XEP-0030), cached by verified capability hash (XEP-0115)."""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

DISCO_INFO = "http://jabber.org/protocol/disco#info"
DATA_FORM = "jabber:x:data"

AUDIO = "urn:xmpp:jingle:apps:rtp:audio"
VIDEO = "urn:xmpp:jingle:apps:rtp:video"
RTX = "urn:ietf:rfc:4588"
TRANSPORT_CC = "http://jitsi.org/tcc"
JSON_SOURCES = "http://jitsi.org/json-encoded-sources"
SINGLE_STREAM = "urn:carillon:single-stream"
"""It stands for a caller that takes one stream of each medium for the whole call (component/calls)."""
ICE_CONTROLLED = "urn:carillon:ice-controlled"
"""Its side began the session: the bridge is the controlled ICE agent."""
UNBUNDLED = "urn:carillon:unbundled"
"""Each of its contents has a transport of its own."""

ASSUMED = frozenset({AUDIO, VIDEO, RTX, TRANSPORT_CC})
"""What a participant that does not answer is taken for: a browser."""

MAX_FEATURES = 500
MAX_CACHED = 1000


@dataclass(frozen=True)
class Caps:
    """`<c/>` of a presence (XEP-0115 §4)."""

    hash: str
    node: str
    ver: str


def features_of(query: Element) -> frozenset[str]:
    """The feature names in a disco#info result, the first MAX_FEATURES of them."""
    features = query.findall(f"{{{DISCO_INFO}}}feature")[:MAX_FEATURES]
    return frozenset(feature.get("var", "") for feature in features)


def verification_string(query: Element) -> str:
    """The `ver` that belongs to a disco#info result under the hash sha-1 (XEP-0115 §5.1)."""
    identities = sorted(
        "/".join(
            (
                identity.get("category", ""),
                identity.get("type", ""),
                identity.get("{http://www.w3.org/XML/1998/namespace}lang", ""),
                identity.get("name", ""),
            )
        )
        for identity in query.findall(f"{{{DISCO_INFO}}}identity")
    )
    parts = identities + sorted(features_of(query)) + _form_parts(query)
    text = "".join(part + "<" for part in parts)
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def _form_parts(query: Element) -> list[str]:
    forms: list[tuple[str, list[str]]] = []
    for form in query.findall(f"{{{DATA_FORM}}}x"):
        fields = {
            field.get("var", ""): sorted(value.text or "" for value in field.findall(f"{{{DATA_FORM}}}value"))
            for field in form.findall(f"{{{DATA_FORM}}}field")
        }
        name = "".join(fields.pop("FORM_TYPE", []))
        forms.append((name, [part for var in sorted(fields) for part in (var, *fields[var])]))
    return [part for name, rest in sorted(forms) for part in (name, *rest)]


class FeatureCache:
    """Features by capability hash, for all rooms. Only what the hash proves is kept."""

    def __init__(self) -> None:
        self._known: OrderedDict[Caps, frozenset[str]] = OrderedDict()
        self._changed: set[Caps] = set()

    @property
    def known(self) -> Mapping[Caps, frozenset[str]]:
        """Everything that is kept."""
        return self._known

    def changes(self) -> list[tuple[Caps, frozenset[str] | None]]:
        """What is kept (features) or not any more (None) since the last call."""
        changes = [(caps, self._known.get(caps)) for caps in self._changed]
        self._changed.clear()
        return changes

    def get(self, caps: Caps | None) -> frozenset[str] | None:
        """The features behind `caps`, if known."""
        if caps is None or caps not in self._known:
            return None
        self._known.move_to_end(caps)
        return self._known[caps]

    def put(self, caps: Caps | None, query: Element) -> None:
        """Remember a disco#info result under `caps` if it is the one they announce."""
        if caps is None or caps.hash != "sha-1" or verification_string(query) != caps.ver:
            return
        self.restore(caps, features_of(query))
        self._changed.add(caps)

    def restore(self, caps: Caps, features: frozenset[str]) -> None:
        """Remember what has been proven before."""
        self._known[caps] = features
        self._known.move_to_end(caps)
        if len(self._known) > MAX_CACHED:
            self._changed.add(self._known.popitem(last=False)[0])
