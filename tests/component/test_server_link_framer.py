"""Finding stanzas in bytes: which ones, what is refused, what ends a stream; and the same in pieces."""

import tracemalloc
from random import Random
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component import limited_stream
from component.limited_stream import Broken, Closed, Limit, Opened, Refused
from component.link.intake import Intake
from component.server_link.framer import Event, Framer, Stanza
from component.stanza import IQ, serialise
from tests.component.elements import form, stanzas
from tests.component.stream_corpus import BEYOND, BREAKING, HEADER, LIMITS, NO_STREAMS, PING, WITHIN, iq
from tests.component.user_stanzas import user_stanza


def opened() -> Framer:
    framer = Framer(LIMITS)
    assert framer.feed(HEADER) == [Opened("s1")]
    return framer


def in_pieces(framer: Framer, data: bytes, size: int) -> list[Event]:
    return [event for at in range(0, len(data), size) for event in framer.feed(data[at : at + size])]


@pytest.mark.parametrize("size", [1 << 20, 997], ids=["at once", "in pieces"])
@pytest.mark.parametrize("stanza", WITHIN.values(), ids=WITHIN)
def test_what_keeps_the_limits_is_given_as_it_came(stanza: bytes, size: int) -> None:
    events = in_pieces(opened(), PING + stanza + b" \n" + PING, size)
    assert [event.data for event in events if isinstance(event, Stanza)] == [PING, stanza, PING]
    assert len(events) == 3


@pytest.mark.parametrize("size", [1 << 20, 997], ids=["at once", "in pieces"])
@pytest.mark.parametrize(("stanza", "limit"), BEYOND.values(), ids=BEYOND)
def test_what_breaks_a_limit_costs_only_itself(stanza: bytes, limit: Limit, size: int) -> None:
    before, refused, after = in_pieces(opened(), PING + stanza + PING, size)
    assert isinstance(before, Stanza) and isinstance(after, Stanza) and isinstance(refused, Refused)
    assert before.data == after.data == PING
    assert refused.limit is limit
    assert (refused.stanza.tag, refused.stanza.get("from"), refused.stanza.get("id")) == (IQ, "a@b/c", "7")


@pytest.mark.parametrize("data", BREAKING.values(), ids=BREAKING)
def test_what_is_no_xml_ends_the_stream_behind_the_stanzas_before(data: bytes) -> None:
    framer = opened()
    first, second = framer.feed(PING + data + PING)
    assert isinstance(first, Stanza)
    assert isinstance(second, Broken)
    assert framer.feed(PING) == []


@pytest.mark.parametrize("header", NO_STREAMS.values(), ids=NO_STREAMS)
def test_what_does_not_begin_as_a_stream_ends_at_once(header: bytes) -> None:
    (event,) = Framer(LIMITS).feed(header + b"<a>&b;</a>")
    assert isinstance(event, Broken)


EMPTY = {
    "before the end of the stream": b"<presence from='a@b'/>",
    "with '/>' in its text": b"<message>/></message>",
    "with nothing in it": b"<message></message>",
    "with space in its tags": b"<message ></message \n>",
    "with '/' as the end of a value": b"<message from='a/'></message>",
    "with '>' in a value": b"<message from='a>b' to='</message>'/>".replace(b"</", b"&lt;/"),
    "of the other namespace": b"<message xmlns='jabber:client'/>",
}


@pytest.mark.parametrize("size", [1 << 20, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("stanza", EMPTY.values(), ids=EMPTY)
def test_the_end_of_a_stanza_is_found(stanza: bytes, size: int) -> None:
    first, second, end = in_pieces(opened(), stanza + stanza + b"</stream:stream>", size)
    assert isinstance(first, Stanza) and isinstance(second, Stanza)
    assert first.data == second.data == stanza
    assert end == Closed()


def test_another_prefix_of_the_stream_is_as_good() -> None:
    framer = Framer(LIMITS)
    header = b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' id='x'>"
    first, second, third = framer.feed(header + b"<iq/></s:stream>")
    assert first == Opened("x")
    assert isinstance(second, Stanza) and second.data == b"<iq/>"
    assert third == Closed()


def test_what_a_stanza_says_of_itself_is_read() -> None:
    (stanza,) = opened().feed(
        b"<message xmlns='jabber:client' from='a&amp;b@c' type=\"chat\"><body/></message>"
    )
    assert isinstance(stanza, Stanza)
    assert stanza.kind == "message"
    assert stanza.attributes == {"from": "a&b@c", "type": "chat"}


SPLIT = PING + iq(b"<a b='>'><![CDATA[</iq>]]>&lt;\xc3\xa9</a>") + b"<presence/>" + PING + b"</stream:stream>"


def test_a_split_at_any_byte_changes_nothing() -> None:
    data = HEADER + SPLIT
    for at in range(len(data)):
        framer = Framer(LIMITS)
        events = [*framer.feed(data[:at]), *framer.feed(data[at:])]
        assert events == Framer(LIMITS).feed(data), at
        assert b"".join(event.data for event in events if isinstance(event, Stanza)) == SPLIT[:-16], at


def test_another_framer_goes_on_at_any_byte() -> None:
    whole = opened().feed(SPLIT)
    for at in range(len(SPLIT)):
        first, second = opened(), Framer(LIMITS)
        events = first.feed(SPLIT[:at])
        between = first.between_bytes
        assert between is not None
        assert second.feed(first.opening + between) == [Opened("")]
        assert events + second.feed(SPLIT[at:]) == whole, at


def test_nobody_goes_on_inside_what_is_skipped() -> None:
    framer = opened()
    framer.feed(iq(b"<a>" * 100)[:-5])
    assert framer.between_bytes is None


@given(st.lists(stanzas(), max_size=6), st.lists(st.integers(1, 60), min_size=1, max_size=30), st.booleans())
def test_the_stanzas_are_those_that_expat_sees(sent: list[Element], sizes: list[int], renewing: bool) -> None:
    names = limited_stream._NAMES
    limited_stream._NAMES = 1 if renewing else names
    try:
        framer, data, received = opened(), b" ".join(map(serialise, sent)), b""
        count = 0
        while data:
            size = sizes[len(data) % len(sizes)]
            for event in framer.feed(data[:size]):
                assert isinstance(event, Stanza)
                received, count = received + event.data, count + 1
            data = data[size:]
    finally:
        limited_stream._NAMES = names
    assert count == len(sent)
    assert [form(one) for one in fromstring(HEADER + received + b"</stream:stream>")] == list(map(form, sent))


@given(st.integers(0, 2**64 - 1), st.integers(1, 5000))
def test_it_refuses_what_the_component_would_refuse(seed: int, size: int) -> None:
    rng = Random(seed)
    beyond = [stanza for stanza, _ in BEYOND.values() if len(stanza) < 40000]
    data = b"".join(
        rng.choice(beyond) if rng.random() < 0.2 else user_stanza(rng.getrandbits(64)) for _ in range(8)
    )
    intake = Intake(LIMITS)
    intake.feed(HEADER)
    expected = intake.feed(data)
    events = in_pieces(opened(), data, size)
    assert [type(event) is Refused for event in events] == [type(event) is Refused for event in expected]
    passed = b"".join(event.data for event in events if isinstance(event, Stanza))
    again = Intake(LIMITS)
    again.feed(HEADER)
    assert [form(one) for one in again.feed(passed) if isinstance(one, Element)] == [
        form(one) for one in expected if isinstance(one, Element)
    ]


@given(st.lists(st.binary(max_size=60), max_size=10), st.booleans())
def test_no_bytes_raise_anything(chunks: list[bytes], started: bool) -> None:
    framer = opened() if started else Framer(LIMITS)
    for chunk in chunks:
        for event in framer.feed(chunk):
            assert isinstance(event, Event)


@given(st.text("<>/='\" &;!-[]?abx:\n", max_size=80))
def test_nothing_like_xml_raises_anything(text: str) -> None:
    for event in opened().feed(text.encode()):
        assert isinstance(event, Event)


def test_an_endless_stanza_takes_no_memory() -> None:
    framer = opened()
    assert framer.feed(b"<message from='a@b/c'><body>") == []
    tracemalloc.start()
    try:
        refused = [event for _ in range(40) for event in framer.feed(b"x" * 1_000_000)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(refused) == 1
    assert peak < 8_000_000
    (event,) = framer.feed(b"</body></message>" + PING)
    assert isinstance(event, Stanza) and event.data == PING


def test_an_endless_start_tag_ends_the_stream() -> None:
    framer = opened()
    events = framer.feed(b"<iq a='")
    for _ in range(100):
        events += framer.feed(b"x" * 65536)
    assert events == [Broken("a start tag without end")]


def test_endless_elements_end_the_stream() -> None:
    framer = opened()
    events = framer.feed(b"<message>")
    for _ in range(30):
        events += framer.feed(b"<a/>" * 50_000)
    refused, broken = events
    assert isinstance(refused, Refused)
    assert broken == Broken("a stanza of endless elements")
