"""What of the server's stream features (RFC 6120 §4.3.2) a client behind WebSocket or BOSH may see.

STARTTLS and compression (XEP-0138) belong to the TCP connection, which the client does not share (RFC 7395
§3.9); the same holds for channel binding, so that SASL mechanisms with it (-PLUS) and XEP-0440 are left out.
"""

from __future__ import annotations

from lxml import etree

from bosh.stanza_framer import Stanza

STARTTLS = "{urn:ietf:params:xml:ns:xmpp-tls}starttls"
OF_THE_CONNECTION = (
    STARTTLS,
    "{http://jabber.org/features/compress}compression",
    "{urn:xmpp:sasl-cb:0}sasl-channel-binding",
)
MECHANISM = ("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism", "{urn:xmpp:sasl:2}mechanism")
MARKS = (b"starttls", b"compression", b"-PLUS", b"sasl-channel-binding")
"""None of these words, nothing to leave out: the usual case needs no tree."""


class FeaturesError(Exception):
    """The server's features cannot be used behind the front; the text says why."""


def offered_to_client(features: Stanza) -> Stanza:
    """The features without those of the TCP connection. Raises FeaturesError when STARTTLS is demanded."""
    if not any(mark in features.data for mark in MARKS):
        return features
    # the framer has let nothing through that a parser could stumble over: no DTD, bounded depth and size
    root = etree.fromstring(features.data, etree.XMLParser(resolve_entities=False, no_network=True))
    starttls = root.find(STARTTLS)
    if starttls is not None and starttls.find("{urn:ietf:params:xml:ns:xmpp-tls}required") is not None:
        raise FeaturesError("the XMPP server demands STARTTLS of the front: it must not for this listener")
    for tag in OF_THE_CONNECTION:
        for element in root.iter(tag):
            _remove(element)
    for tag in MECHANISM:
        for element in list(root.iter(tag)):
            if (element.text or "").strip().endswith("-PLUS"):
                _remove(element)
    return Stanza(etree.tostring(root), features.name, features.namespace)


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None, "features are never the feature"
    parent.remove(element)
