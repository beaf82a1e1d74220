"""Stanzas are written so that a server reads back the same tree, or not written at all."""

from xml.etree.ElementTree import Element, SubElement, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from component import stanza as stanzas
from component.stanza import COMPONENT_NS, IQ, Kind, StanzaInvalid, serialise
from tests.component.elements import elements, form


def read_back(data: bytes) -> Element:
    return fromstring(b"<stream xmlns='" + COMPONENT_NS.encode() + b"'>" + data + b"</stream>")[0]


@given(elements())
def test_what_is_written_is_read_back_the_same(element: Element) -> None:
    assert form(read_back(serialise(element))) == form(element)


@given(st.text(), st.text())
def test_any_text_is_written_faithfully_or_refused(text: str, value: str) -> None:
    element = Element("{urn:x}a", {"v": value})
    element.text = text
    try:
        data = serialise(element)
    except StanzaInvalid:
        assert any(
            ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 or ord(c) in (0xFFFE, 0xFFFF) for c in text + value
        )
        return
    back = read_back(data)
    assert (back.text or "", back.get("v")) == (text, value)


def test_elements_carry_no_prefixes() -> None:
    iq = stanzas.iq("get", "a@b/c", "focus.b", Element("{urn:x}q", {"{urn:y}z": "1"}), id="7")
    SubElement(iq[0], f"{{{COMPONENT_NS}}}body").text = "x"
    assert serialise(iq) == (
        b'<iq to="a@b/c" from="focus.b" type="get" id="7"><q xmlns="urn:x" xmlns:a16="urn:y" a16:z="1">'
        b'<body xmlns="jabber:component:accept">x</body></q></iq>'
    )


def test_lxml_elements_are_written_and_their_comments_left_out() -> None:
    element = etree.fromstring("<q xmlns='urn:x' xml:lang='en'><!-- no -->t<a/></q>")
    assert serialise(element) == b'<q xmlns="urn:x" xml:lang="en">t<a/></q>'  # type: ignore[arg-type]


def test_payload_is_the_child_that_is_not_the_error() -> None:
    iq = stanzas.iq("error", "a", "b")
    assert stanzas.payload(iq) is None
    SubElement(iq, stanzas.ERROR)
    query = SubElement(iq, "{urn:x}q")
    assert stanzas.payload(iq) is query


def test_kinds() -> None:
    assert stanzas.stanza_kind(Element(IQ)) is Kind.IQ
    assert stanzas.stanza_kind(stanzas.message("chat", "a", "b")) is Kind.MESSAGE
    assert stanzas.stanza_kind(stanzas.presence("a", "b", type="unavailable")) is Kind.PRESENCE
    assert stanzas.stanza_kind(Element("{urn:x}iq")) is None


@pytest.mark.parametrize(
    ("jid", "bare", "local", "domain", "resource"),
    [
        ("a@b/c", "a@b", "a", "b", "c"),
        ("b", "b", "", "b", ""),
        ("b/c@d/e", "b", "", "b", "c@d/e"),
        ("a@b/", "a@b", "a", "b", ""),
        ("", "", "", "", ""),
    ],
)
def test_jids_are_taken_apart(jid: str, bare: str, local: str, domain: str, resource: str) -> None:
    assert stanzas.bare(jid) == bare
    assert stanzas.local(jid) == local
    assert stanzas.domain(jid) == domain
    assert stanzas.resource(jid) == resource
