"""Bodies of BOSH: what is read of them, and that nothing else is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bosh.bosh_body import (
    HTTPBIND,
    Body,
    BoshError,
    Condition,
    encode_body,
    parse_body,
    sid_at,
    terminal_body,
)
from tests.bosh.test_xmpp_stream import LIMITS

START = f"<body xmlns='{HTTPBIND}' rid='1' sid='s'"
IQ = "<iq xmlns='jabber:client' type='get'/>"


def read(text: str) -> Body:
    return parse_body(text.encode(), LIMITS)


@pytest.mark.parametrize("text", [f"{START}/>", f"{START}></body>", f"{START}>\n </body>\n"])
def test_an_empty_body_asks_for_nothing(text: str) -> None:
    body = read(text)
    assert body.empty and body.rid() == 1
    assert body.attributes == {"rid": "1", "sid": "s"}


def test_attributes_are_told_apart_by_their_namespace() -> None:
    body = read(
        f"{START} xmlns:x='urn:xmpp:xbosh' xmlns:y='other' x:restart='true' y:restart='no' xml:lang='de'/>"
    )
    assert body.xmpp == {"restart": "true"} and body.attributes["xml:lang"] == "de"
    assert not body.empty


def test_children_leave_with_all_that_they_inherit() -> None:
    body = read(f"{START} xmlns:p='urn:p'><p:a/>{IQ}<message p:b='c'/></body>")
    assert [stanza.data.decode() for stanza in body.stanzas] == [
        '<p:a xmlns="jabber:client" xmlns:p="urn:p"/>',
        IQ,
        '<message xmlns="jabber:client" xmlns:p="urn:p" p:b=\'c\'/>',
    ]
    assert [stanza.namespace for stanza in body.stanzas] == ["urn:p", "jabber:client", "jabber:client"]


def test_a_prefixed_body_is_a_body() -> None:
    body = read(f"<b:body xmlns:b='{HTTPBIND}' xmlns='jabber:client' rid='1'><iq/></b:body>")
    assert body.stanzas[0].namespace == "jabber:client"


LOL = "<!DOCTYPE body [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
XXE = "<!DOCTYPE body [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"
BAD = [
    "",
    " ",
    "x",
    "<",
    "<body/>",
    "<iq/>",
    f"<iq xmlns='{HTTPBIND}'/>",
    START,
    f"{START}>",
    f"{START}>{IQ}",
    f"{START}></bod>",
    f"{START}/>{START}/>",
    f"{START}/>x",
    f"{START}>x</body>",
    f"{START}>{IQ}x</body>",
    f"{START}><iq></body></iq>",
    f"{START}><iq>&b;</iq></body>",
    f"{START}><!-- --></body>",
    f"{START}><?pi x?></body>",
    f"<!-- -->{START}/>",
    f"{LOL}{START}><iq>&b;</iq></body>",
    f"{XXE}{START}><iq>&x;</iq></body>",
    f"<?xml version='1.0' encoding='utf-16'?>{START}/>",
    f"{START} rid='2'/>",
    f"{START}><iq a='1' a='2'/></body>",
    f"{START}><x:iq/></body>",
    f"{START}><iq>\x01</iq></body>",
    f"{START}>{START}/></body>",
    f"{START}><body/></body></body>",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_body_is_a_bad_request(text: str) -> None:
    assert read(f"<?xml version='1.0'?>{START}>{IQ}</body>").stanzas
    with pytest.raises(BoshError) as refused:
        read(text)
    assert refused.value.condition is Condition.BAD_REQUEST


FORMS = [
    b"\xff",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xe2\x82",
]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_utf_8_is_a_bad_request(form: bytes) -> None:
    with pytest.raises(BoshError) as refused:
        parse_body(f"{START}><message>".encode() + form + b"</message></body>", LIMITS)
    assert refused.value.condition is Condition.BAD_REQUEST


@pytest.mark.parametrize(
    "content",
    [
        "<a>" * 60_000 + "</a>" * 60_000,
        "<a " + " ".join(f"a{n}=''" for n in range(50_000)) + "/>",
        "<m>" + "<a/>" * 5001 + "</m>",
        "<m>" + "x" * 300_000 + "</m>",
    ],
    ids=["depth", "attributes", "elements", "length"],
)
def test_too_much_is_refused_before_it_costs_anything(content: str) -> None:
    began = time.process_time()
    with pytest.raises(BoshError) as refused:
        read(f"{START}>{content}</body>")
    assert refused.value.condition is Condition.POLICY_VIOLATION
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "rid", ["", " ", "-1", "0", "+5", "1e3", "1.0", "0x10", "٣", str(2**53), str(10**20), "9" * 400]
)
def test_a_rid_that_is_no_number_in_range_is_a_bad_request(rid: str) -> None:
    assert read(f"<body xmlns='{HTTPBIND}' rid='{2**53 - 1}'/>").rid() == 2**53 - 1
    with pytest.raises(BoshError) as refused:
        read(f"<body xmlns='{HTTPBIND}' rid='{rid}'/>").rid()
    assert refused.value.condition is Condition.BAD_REQUEST


def test_a_session_is_guessed_from_the_beginning() -> None:
    assert sid_at(b"<?xml version='1.0'?>\n<body rid='1' sid=\"abc\">") == "abc"
    assert sid_at(START.encode() + b"><iq sid='other'") == "s"
    assert sid_at(b"<body xsid='a'>") is None
    assert sid_at(b"<body" + b" " * 5000 + b"sid='a'>") is None


def test_responses_are_well_formed() -> None:
    answer = etree.fromstring(encode_body({"from": "a'\"<&"}, b"<a xmlns=''/>"))
    assert answer.get("from") == "a'\"<&" and len(answer) == 1
    last = etree.fromstring(terminal_body(Condition.HOST_GONE))
    assert (last.get("type"), last.get("condition")) == ("terminate", "host-gone")


PIECES = st.sampled_from(
    [
        START,
        "/>",
        ">",
        "</body>",
        IQ,
        "<a>",
        "</a>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "&amp;",
        "&x;",
        "'",
        "x",
        " ",
    ]
)


@given(st.binary(max_size=200) | st.lists(PIECES, max_size=12).map(lambda pieces: "".join(pieces).encode()))
def test_any_bytes_are_a_body_that_lxml_reads_too_or_an_error(data: bytes) -> None:
    try:
        body = parse_body(data, LIMITS)
    except BoshError:
        return
    root = etree.fromstring(data)
    assert root.tag == f"{{{HTTPBIND}}}body" and len(root) == len(body.stanzas)
    for stanza in body.stanzas:
        etree.fromstring(stanza.data)
