"""The framer against two XML parsers: it accepts what they accept, minus what XMPP restricts."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from xml.parsers import expat

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

from bosh.framed_message import parse_message, top_tag
from bosh.restricted_xml import XmlError
from bosh.stanza_framer import Event, Stanza, StanzaFramer, StreamEnd, StreamHeader
from carillon.settings import LimitSettings

LIMITS = LimitSettings(
    stanza_bytes=262144,
    stanza_depth=64,
    stanza_elements=5000,
    stanza_attributes=64,
    handshake_timeout_s=30.0,
)
STREAMS = "http://etherx.jabber.org/streams"
HEADER = (
    f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}'"
    " xmlns:e=\"urn:it's\" id='&lt;1' from='d' xml:lang='en'>"
).encode()


class Restricted(Exception):
    """Well-formed, but not for XMPP."""


def expat_accepts(data: bytes) -> bool:
    def refuse(*_: object) -> None:
        raise Restricted

    parser = expat.ParserCreate("utf-8", "\x1f")
    parser.CommentHandler = parser.ProcessingInstructionHandler = parser.StartDoctypeDeclHandler = refuse
    parser.XmlDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, Restricted):
        return False
    return True


def lxml_accepts(data: bytes) -> bool:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, encoding="utf-8", huge_tree=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        # libxml2 also wants namespace names to be URIs, which is not a matter of XML
        return "is not a valid URI" in str(error) and expat_accepts(data)
    if b"<!DOCTYPE" in data or root.getprevious() is not None or root.getnext() is not None:
        return False
    return all(isinstance(node.tag, str) for node in root.iter()) and not data.startswith(b"<?")


def accepts(data: bytes) -> bool:
    try:
        parse_message(data, LIMITS)
    except XmlError:
        return False
    return True


def whole(chunks: list[bytes], *, limits: LimitSettings = LIMITS) -> list[Event]:
    framer = StanzaFramer(limits)
    return [event for chunk in chunks for event in framer.feed(chunk)]


PREFIXES = ("", "", "", "a:", "b:", "xml:")
LOCAL_NAMES = ("x", "y", "iq", "é", "n-1", "_.·")
SPACES = ("", "", " ", "\n\t")
VALUES = ("", "v", "urn:x", "&amp;&#65;", "a>b", "ü\U0001f600", "\n")
DECLARED = ("xmlns", "xmlns", "xmlns:a", "xmlns:b", "xmlns:xml")
NAMESPACES = ("", "urn:x", "urn:x", "urn:a", "urn:&#x61;", "http://www.w3.org/XML/1998/namespace")
TEXTS = (
    "", "text", "&lt;&#x41;", "<![CDATA[<&]]]]>", "<![CDATA[]]>", "]]", ">", "ß\U0001f600", " \r\n", "&apos;",
)  # fmt: skip
SPLINTERS = (
    b"", b"<", b">", b"/", b"&", b"'", b'"', b"=",
    b":", b" ", b"]]>", b"<!--x-->", b"<?p?>", b"<!DOCTYPE x>", b"&e;", b"\x00",
    b"\x1f", b"\x7f", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbf\xbe", b"\xff", b"&#0;",
    b"&#xD800;", b"&#x10FFFF;", b"&#000000000000000065;", b"<a/>", b"</x>", b"xmlns:", b"1", b"<![CDATA[",
    b"\xef\xbb\xbf", b" a='1' a='2'", b" a:x='1' b:x='2'", b"<?xml version='1.0'?>", b"\xc2\x85", b"x:y:z",
)  # fmt: skip


def random_element(random: Random, depth: int = 0) -> str:
    """Mostly well-formed XML with every feature that XMPP may use."""
    pick = random.choice
    name = pick(PREFIXES) + pick(LOCAL_NAMES)
    tag = f"<{name}" + (
        " xmlns:a='urn:a' xmlns:b='urn:b'" if random.random() < (0.2 if depth else 0.8) else ""
    )
    for _ in range(pick((0, 0, 1, 2, 3))):
        declares = random.random() < 0.3
        attribute = pick(DECLARED) if declares else pick((*PREFIXES, "xml:")) + pick(LOCAL_NAMES)
        value, quote = pick(NAMESPACES if declares else VALUES), pick("'\"")
        tag += f" {pick(SPACES)}{attribute}{pick(SPACES)}={pick(SPACES)}{quote}{value}{quote}"
    tag += pick(SPACES)
    children = 0 if depth > 4 else pick((0, 0, 1, 2, 3))
    if not children:
        return f"{tag}/>"
    inner = "".join(
        random_element(random, depth + 1) if random.random() < 0.5 else pick(TEXTS) for _ in range(children)
    )
    return f"{tag}>{inner}</{name}{pick(SPACES)}>"


def nearly_xml(random: Random) -> bytes:
    """An element with up to two places damaged."""
    data = random_element(random).encode()
    for _ in range(random.randint(0, 2)):
        at = random.randint(0, len(data))
        data = data[:at] + random.choice(SPLINTERS) + data[at + random.randint(0, 3) :]
    return data


def random_elements(random: Random) -> list[str]:
    """Children of a stream, most of them acceptable."""
    elements = [random_element(random) for _ in range(random.randint(0, 6))]
    return [element for element in elements if accepts(element.encode()) or random.random() < 0.05]


RANDOMS = st.integers(0, 2**64).map(Random)
"""Hypothesis draws the seed only: its own recursive strategies take ten times as long as what is tested."""


@given(RANDOMS)
def test_a_message_is_accepted_if_and_only_if_xml_parsers_accept_it(random: Random) -> None:
    data = nearly_xml(random)
    expected = lxml_accepts(data)
    assume(expected == expat_accepts(data))  # they differ in the edition of XML 1.0 that names follow
    assert accepts(data) == (expected and data.startswith(b"<"))


@given(st.binary(max_size=60) | st.text("<>/ax:='\"&;#![]C- ", max_size=30).map(str.encode))
def test_no_other_exception_leaves_the_framer(data: bytes) -> None:
    assume(lxml_accepts(data) == expat_accepts(data))
    assert accepts(data) == (lxml_accepts(data) and data.startswith(b"<"))
    try:
        whole([HEADER, data])
        whole([data])
    except XmlError:
        pass


@given(RANDOMS)
def test_slices_are_the_same_however_the_bytes_arrive(random: Random) -> None:
    stream = HEADER + " \n".join(random_elements(random)).encode() + b"</stream:stream>"
    cuts = sorted(random.randint(0, len(stream)) for _ in range(random.randint(0, 12)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    def outcome(chunks: list[bytes]) -> object:
        try:
            return whole(chunks)
        except XmlError as error:
            return error.condition

    expected = outcome([stream])
    assert outcome(chunks) == expected
    assert outcome([bytes((byte,)) for byte in stream]) == expected


def meaning(element: etree._Element) -> object:
    return (
        element.tag,
        sorted(element.attrib.items()),
        element.text or "",
        element.tail or "",
        [meaning(child) for child in element],
    )


@given(RANDOMS)
def test_a_stanza_alone_means_what_it_meant_in_the_stream(random: Random) -> None:
    stream = HEADER + "".join(random_elements(random)).encode() + b"</stream:stream>"
    try:
        header, *stanzas, end = whole([stream])
    except XmlError:
        assume(False)
    assert isinstance(header, StreamHeader) and isinstance(end, StreamEnd)
    children = list(etree.fromstring(stream))
    assert len(children) == len(stanzas)
    for child, stanza in zip(children, stanzas, strict=True):
        assert isinstance(stanza, Stanza)
        child.tail = None
        alone = etree.fromstring(stanza.data)
        assert meaning(alone) == meaning(child)
        assert etree.QName(alone).localname == stanza.name
        assert (etree.QName(alone).namespace or "") == stanza.namespace


def test_the_header_is_read() -> None:
    (header,) = whole([HEADER])
    assert header == StreamHeader("stream", STREAMS, {"id": "<1", "from": "d", "xml:lang": "en"})


def test_what_the_header_declares_is_declared_on_children_that_use_it() -> None:
    _, features, other = whole([HEADER + b"<stream:features/><x xmlns='y' e:z='1'/>"])
    assert isinstance(features, Stanza) and isinstance(other, Stanza)
    assert features.data == f'<stream:features xmlns="jabber:client" xmlns:stream="{STREAMS}"/>'.encode()
    assert other.data == b"<x xmlns:e=\"urn:it's\" xmlns='y' e:z='1'/>"


def test_a_message_without_a_default_namespace_does_not_inherit_the_stream_s() -> None:
    stanza = parse_message(b"<a:x xmlns:a='urn:a'><iq/></a:x>", LIMITS)
    assert stanza == Stanza(b"<a:x xmlns='' xmlns:a='urn:a'><iq/></a:x>", "x", "urn:a")


def test_white_space_between_stanzas_is_dropped_and_kept_nowhere() -> None:
    framer = StanzaFramer(LIMITS)
    framer.feed(HEADER)
    for _ in range(300):
        assert framer.feed(b" " * 1000) == []
    assert framer.between_stanzas


@pytest.mark.parametrize(
    ("message", "empty"),
    [
        (b"<open a='1'/>", True),
        (b"<open a='1' ></open >", True),
        (b"<open a='1'> </open>", False),
        (b"<open a='1'><x/></open>", False),
    ],
)
def test_the_start_tag_of_a_message_is_read(message: bytes, empty: bool) -> None:
    tag = top_tag(parse_message(message, LIMITS))
    assert tag.attributes["a"] == "1"
    assert tag.empty is empty


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "restricted-xml"),
        (b"<x><!-- --></x>", "restricted-xml"),
        (b"<x><?php ?></x>", "restricted-xml"),
        (b"<?xml version='1.0'?><x/>", "restricted-xml"),
        (b"<x>&nbsp;</x>", "restricted-xml"),
        (b"<x>&</x>", "not-well-formed"),
        (b"<x", "not-well-formed"),
        (b"<x>", "not-well-formed"),
        (b"<x></y>", "not-well-formed"),
        (b"<x/><y/>", "bad-format"),
        (b"<x/>y", "not-well-formed"),
        (b" <x/>", "bad-format"),
        (b"", "bad-format"),
        (b"<x>\xff</x>", "not-well-formed"),
        (b"<a:x/>", "bad-namespace-prefix"),
        (b"<x a:y=''/>", "bad-namespace-prefix"),
        (b"<x xmlns:xmlns='y'/>", "bad-namespace-prefix"),
        (b"<x a='1' a='1'/>", "not-well-formed"),
        (b"<x xmlns:a='u' xmlns:b='u' a:y='' b:y=''/>", "not-well-formed"),
    ],
)
def test_refusals_have_conditions(data: bytes, condition: str) -> None:
    with pytest.raises(XmlError) as refused:
        parse_message(data, LIMITS)
    assert refused.value.condition == condition


def nested(depth: int) -> bytes:
    return b"<x>" * depth + b"</x>" * depth


SMALL = replace(LIMITS, stanza_bytes=2000, stanza_depth=8, stanza_elements=20, stanza_attributes=6)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (b"<x>" + b"y" * 1993 + b"</x>", b"<x>" + b"y" * 1994 + b"</x>"),
        (nested(8), nested(9)),
        (b"<x>" + b"<y/>" * 19 + b"</x>", b"<x>" + b"<y/>" * 20 + b"</x>"),
        (b"<x a='' b='' c='' d='' e='' f=''/>", b"<x a='' b='' c='' d='' e='' f='' g=''/>"),
        (b"<" + b"x" * 1024 + b"/>", b"<" + b"x" * 1025 + b"/>"),
        (b"<x " + b"x" * 1024 + b"=''/>", b"<x " + b"x" * 1025 + b"=''/>"),
    ],
    ids=["bytes", "depth", "elements", "attributes", "element name", "attribute name"],
)
def test_limits_hold_to_the_last_unit_in_both_directions(within: bytes, beyond: bytes) -> None:
    # the stream adds the default namespace to each stanza
    stream = replace(SMALL, stanza_bytes=SMALL.stanza_bytes + len(' xmlns="jabber:client"'))
    parse_message(within, replace(SMALL, stanza_bytes=SMALL.stanza_bytes + len(" xmlns=''")))
    assert len(whole([HEADER, within, within], limits=stream)) == 3
    for refuse in (
        lambda: parse_message(beyond, SMALL),
        lambda: whole([HEADER, within, beyond], limits=stream),
    ):
        with pytest.raises(XmlError) as refused:
            refuse()
        assert refused.value.condition == "policy-violation"


@pytest.mark.parametrize("start", [b"<x>", b"<x a='", b"<x><![CDATA[", b"<" + b"x" * 10])
def test_an_element_that_never_ends_is_refused_at_the_limit(start: bytes) -> None:
    framer = StanzaFramer(SMALL)
    framer.feed(HEADER + start)
    with pytest.raises(XmlError) as refused:
        for _ in range(30):
            framer.feed(b"y" * 100)
    assert refused.value.condition == "policy-violation"


def test_prefixes_in_scope_are_bounded() -> None:
    def declaring(level: int) -> bytes:
        return b"<x" + b"".join(b" xmlns:p%d_%d='u'" % (level, number) for number in range(10)) + b">"

    parse_message(b"".join(map(declaring, range(6))) + b"</x>" * 6, LIMITS)
    with pytest.raises(XmlError) as refused:
        parse_message(b"".join(map(declaring, range(7))) + b"</x>" * 7, LIMITS)
    assert refused.value.condition == "policy-violation"


def test_the_stream_may_name_its_encoding_only_as_utf_8() -> None:
    assert whole([b"<?xml version='1.0' encoding='UTF-8'?>" + HEADER.partition(b"?>")[2]])
    with pytest.raises(XmlError) as refused:
        whole([b"<?xml version='1.0' encoding='latin1'?>" + HEADER.partition(b"?>")[2]])
    assert refused.value.condition == "unsupported-encoding"
