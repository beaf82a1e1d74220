"""The incoming stream: what is a stanza, what is refused, what ends it."""

import tracemalloc
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component import limited_stream as intake_module
from component.link.intake import Broken, Closed, Event, Intake, Limit, Opened, Refused
from component.stanza import COMPONENT_NS, IQ, serialise
from tests.component.elements import form, stanzas
from tests.component.stream_corpus import BEYOND, BREAKING, HEADER, LIMITS, NO_STREAMS, PING, WITHIN, iq


def opened() -> Intake:
    intake = Intake(LIMITS)
    assert intake.feed(HEADER) == [Opened("s1")]
    return intake


@pytest.mark.parametrize("stanza", WITHIN.values(), ids=WITHIN)
def test_what_keeps_the_limits_is_a_stanza(stanza: bytes) -> None:
    (event,) = opened().feed(stanza)
    assert isinstance(event, Element)
    assert form(event) == form(fromstring(b"<s xmlns='jabber:component:accept'>" + stanza + b"</s>")[0])


@pytest.mark.parametrize("size", [1 << 20, 997], ids=["at once", "in pieces"])
@pytest.mark.parametrize(("stanza", "limit"), BEYOND.values(), ids=BEYOND)
def test_what_breaks_a_limit_costs_only_itself(stanza: bytes, limit: Limit, size: int) -> None:
    intake = opened()
    data = PING + stanza + PING
    events = [event for at in range(0, len(data), size) for event in intake.feed(data[at : at + size])]
    before, refused, after = events
    assert isinstance(before, Element)
    assert isinstance(after, Element)
    assert isinstance(refused, Refused)
    assert refused.limit is limit
    assert refused.stanza.tag == IQ
    assert (refused.stanza.get("from"), refused.stanza.get("id")) == ("a@b/c", "7")
    assert form(before) == form(after)


@pytest.mark.parametrize("data", BREAKING.values(), ids=BREAKING)
def test_what_is_no_xml_ends_the_stream_behind_the_stanzas_before(data: bytes) -> None:
    intake = opened()
    first, second = intake.feed(PING + data + PING)
    assert isinstance(first, Element)
    assert isinstance(second, Broken)
    assert "lol" not in second.reason
    assert intake.feed(PING) == []


@pytest.mark.parametrize("header", NO_STREAMS.values(), ids=NO_STREAMS)
def test_what_does_not_begin_as_a_stream_ends_at_once(header: bytes) -> None:
    events = Intake(LIMITS).feed(header + b"<a>&b;</a>")
    assert len(events) == 1
    assert isinstance(events[0], Broken)


def test_an_endless_start_tag_ends_the_stream() -> None:
    intake = opened()
    events = intake.feed(b"<iq a='")
    for _ in range(100):
        events += intake.feed(b"x" * 65536)
    assert events == [Broken("a start tag without end")]


def test_the_end_of_the_stream() -> None:
    intake = opened()
    assert intake.feed(b" \n </stream:stream>") == [Closed()]
    assert intake.feed(PING) == []


def test_white_space_text_comments_and_instructions_between_stanzas_are_nothing() -> None:
    events = opened().feed(b" \n text <!-- x --><?php x?>" + PING)
    assert [type(event) for event in events] == [Element]


def test_the_clients_namespace_is_ours_on_the_stanza_and_its_children() -> None:
    (message,) = opened().feed(
        b"<message xmlns='jabber:client'><body>x</body><forwarded xmlns='urn:xmpp:forward:0'>"
        b"<message xmlns='jabber:client'/></forwarded></message>"
    )
    assert isinstance(message, Element)
    assert message.tag == f"{{{COMPONENT_NS}}}message"
    assert [child.tag for child in message] == [f"{{{COMPONENT_NS}}}body", "{urn:xmpp:forward:0}forwarded"]
    assert message[1][0].tag == "{jabber:client}message"


@given(st.lists(stanzas(), max_size=6), st.lists(st.integers(1, 60), min_size=1, max_size=30), st.booleans())
def test_stanzas_do_not_depend_on_how_the_bytes_arrive(
    sent: list[Element], sizes: list[int], renewing: bool
) -> None:
    names = intake_module._NAMES
    intake_module._NAMES = 1 if renewing else names
    try:
        intake, data, received = opened(), b" ".join(map(serialise, sent)), []
        while data:
            size = sizes[len(data) % len(sizes)]
            received += intake.feed(data[:size])
            data = data[size:]
    finally:
        intake_module._NAMES = names
    assert [form(event) for event in received if isinstance(event, Element)] == [form(one) for one in sent]
    assert len(received) == len(sent)
    assert [type(event) for event in intake.feed(b"</stream:stream>")] == [Closed]


@given(st.lists(st.binary(max_size=60), max_size=10), st.booleans())
def test_no_bytes_raise_anything(chunks: list[bytes], started: bool) -> None:
    intake = opened() if started else Intake(LIMITS)
    for chunk in chunks:
        for event in intake.feed(chunk):
            assert isinstance(event, Event)


@given(st.text("<>/='\" &;!-[]?abx:\n", max_size=80))
def test_nothing_like_xml_raises_anything(text: str) -> None:
    for event in opened().feed(text.encode()):
        assert isinstance(event, Event)


def test_memory_does_not_grow_with_names_that_are_never_seen_again() -> None:
    intake = opened()

    def feed(first: int, count: int) -> None:
        for number in range(first, first + count):
            names = b"".join(b"<n%d_%d/>" % (number, n) for n in range(2000))
            assert isinstance(intake.feed(iq(names))[0], Element)

    feed(0, 30)
    tracemalloc.start()
    try:
        feed(100, 50)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 15_000_000  # without renewal: 35 MB, and more with every stanza
    assert intake._names_seen <= intake_module._NAMES + 2001


def test_an_endless_stanza_takes_no_memory() -> None:
    intake = opened()
    assert intake.feed(b"<message from='a@b/c'><body>") == []
    tracemalloc.start()
    try:
        for _ in range(40):
            intake.feed(b"x" * 1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    (event,) = intake.feed(b"</body></message>" + PING)
    assert isinstance(event, Element)


def test_endless_elements_end_the_stream() -> None:
    intake = opened()
    events = intake.feed(b"<message>")
    for _ in range(30):
        events += intake.feed(b"<a/>" * 50_000)
    refused, broken = events
    assert isinstance(refused, Refused)
    assert broken == Broken("a stanza of endless elements")
