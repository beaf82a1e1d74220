"""Elements as hypothesis draws them: for whatever reads or writes XML."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from hypothesis import strategies as st

from component.stanza import COMPONENT_NS, KINDS

# What XML 1.0 can write.
CHARACTERS = st.characters(
    codec="utf-8",
    exclude_characters="".join(map(chr, {*range(32), 0xFFFE, 0xFFFF} - {9, 10, 13})),
)
TEXTS = st.text(CHARACTERS, max_size=20)
NAMES = st.sampled_from(["a", "b", "body", "query", "services", "jingle", "x", "é", "ping", "error", "iq"])
NAMESPACES = st.sampled_from(
    ["", COMPONENT_NS, "jabber:client", "urn:x", "urn:xmpp:ping", "urn:xmpp:jingle:1", "urn:a&b'\"<"]
)
# Clients cannot tell the namespaces `jabber:client` and XEP-0114's apart; what reads them may not either.
_OUTSIDE_STREAM = st.sampled_from(["urn:x", "urn:xmpp:ping", "urn:xmpp:jingle:1", "urn:a&b'\"<"])


@st.composite
def _tags(draw: st.DrawFn, namespaces: st.SearchStrategy[str]) -> str:
    namespace, name = draw(namespaces), draw(NAMES)
    return f"{{{namespace}}}{name}" if namespace else name


def elements(namespaces: st.SearchStrategy[str] = NAMESPACES) -> st.SearchStrategy[Element]:
    """Small trees with text, tails, and attributes with and without namespaces."""
    attributes = st.dictionaries(_tags(st.sampled_from(["", "", "", "urn:q"])), TEXTS, max_size=4)
    leaves = st.builds(_element, _tags(namespaces), attributes, TEXTS, st.just([]), TEXTS)
    return st.recursive(
        leaves,
        lambda children: st.builds(
            _element, _tags(namespaces), attributes, TEXTS, st.lists(children, max_size=4), TEXTS
        ),
        max_leaves=8,
    )


def stanzas(namespaces: st.SearchStrategy[str] = _OUTSIDE_STREAM) -> st.SearchStrategy[Element]:
    """Stanzas of all kinds with such children; text between them does not occur on streams."""
    attributes = st.dictionaries(st.sampled_from(["id", "type", "from", "to", "x"]), TEXTS, max_size=5)
    return st.builds(
        _stanza, st.sampled_from(list(KINDS)), attributes, st.lists(elements(namespaces), max_size=3)
    )


def _element(tag: str, attributes: dict[str, str], text: str, children: list[Element], tail: str) -> Element:
    element = Element(tag, attributes)
    element.text, element.tail = text, tail
    element.extend(children)
    return element


def _stanza(tag: str, attributes: dict[str, str], children: list[Element]) -> Element:
    stanza = Element(tag, attributes)
    stanza.extend(children)
    return stanza


def form(element: Element) -> object:
    """The tree as something that compares: empty texts are none."""
    children = [(form(child), child.tail or "") for child in element]
    return element.tag, dict(element.items()), element.text or "", children
