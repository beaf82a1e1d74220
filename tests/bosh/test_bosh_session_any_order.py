"""A BOSH session that is asked for anything, and to which anything happens in any order."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bosh.bosh_body import BoshError, parse_body
from bosh.bosh_session import FEATURES_WAIT_S, BoshSession, State
from bosh.session_terms import negotiate
from tests.bosh.bosh_client import body
from tests.bosh.session_bench import (
    DOMAINS,
    FEATURES,
    INACTIVITY_S,
    MESSAGE,
    PING,
    WAIT_S,
    Bench,
    text,
)
from tests.bosh.test_request_window import Answered
from tests.bosh.test_xmpp_stream import FAILURE, HEADER, LIMITS, SUCCESS

NAMES = st.sampled_from(
    [
        "rid",
        "to",
        "from",
        "wait",
        "hold",
        "ver",
        "content",
        "ack",
        "newkey",
        "xml_lang",
        "xmpp_version",
        "secure",
    ]
)
VALUES = st.sampled_from(["", "0", "1", "-1", "1.11", "d.example", "1e9", "9" * 30]) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8
)


@given(st.dictionaries(NAMES, VALUES))
def test_whatever_is_asked_for_creates_a_session_or_is_a_condition(asked: dict[str, str]) -> None:
    wanted = parse_body(body(**{"rid": "1", **asked}).encode(), LIMITS)
    try:
        terms = negotiate(wanted, WAIT_S, INACTIVITY_S)
    except BoshError:
        return
    bench = Bench()
    session = BoshSession(bench, "sid", terms, DOMAINS, LIMITS, now=bench.now)
    creation = Answered()
    session.create(wanted, creation, bench.now)
    session.tick(bench.now + FEATURES_WAIT_S)
    assert etree.fromstring(text(creation)).tag.endswith("body")


CONTENT = st.sampled_from(["", "", MESSAGE, PING, "<x/>", "<a xmlns=''/>", MESSAGE * 3])
ATTRIBUTES = st.sampled_from(
    [{}, {}, {}, {}, {"type": "terminate"}, {"xmpp_restart": "true"}, {"stream": "x"}, {"key": "k"}]
)
BYTES = st.sampled_from(
    [
        HEADER,
        HEADER + FEATURES,
        SUCCESS,
        FAILURE,
        b"<iq/>",
        b"<i",
        b"q/>",
        b"<message>" + b"x" * 50_000 + b"</message>",
        b"</stream:stream>",
        b"<stream:error><conflict/></stream:error>",
        b"&",
    ]
)


def _post(step: tuple[int, str, dict[str, str]]) -> Callable[[Bench, list[Answered]], None]:
    def act(bench: Bench, exchanges: list[Answered]) -> None:
        ahead, content, attributes = step
        if bench.session.state is not State.GONE:
            exchanges.append(bench.post(content, **{"rid": max(1, bench.rid + ahead), **attributes}))
            bench.rid = max(bench.rid, bench.rid + ahead if ahead == 1 else 0)

    return act


STEPS: st.SearchStrategy[Callable[[Bench, list[Answered]], None]] = st.one_of(
    st.tuples(st.sampled_from([1, 1, 1, 1, 1, 0, 0, 2, 3, -1, -3]), CONTENT, ATTRIBUTES).map(_post),
    BYTES.map(lambda data: lambda bench, _: bench.serve(data)),
    st.sampled_from([0.001, 0.02, 1.0, 6.0, 30.0, 61.0]).map(lambda s: lambda bench, _: bench.wait(s)),
    st.booleans().map(lambda full: lambda bench, _: bench.session.server_full(full, bench.now)),
    st.sampled_from(
        [
            lambda bench, _: bench.session.connected(bench.now),
            lambda bench, _: bench.session.connected(bench.now),
            lambda bench, _: bench.session.not_connected(bench.now),
            lambda bench, _: bench.session.lost(bench.now),
            lambda bench, exchanges: bench.session.detach(exchanges[-1], bench.now) if exchanges else None,
        ]
    ),
)


@given(st.lists(STEPS, max_size=30), st.sampled_from([{}, {"hold": "0"}, {"hold": "2"}, {"wait": "0"}]))
def test_whatever_happens_every_request_gets_one_proper_answer_and_the_session_ends(
    steps: list[Callable[[Bench, list[Answered]], None]], attributes: dict[str, str]
) -> None:
    bench = Bench(**attributes)
    exchanges = [bench.creation]
    for step in steps:
        step(bench, exchanges)
    bench.wait(10 * INACTIVITY_S)
    assert bench.session.state is State.GONE
    assert [what for what, _ in bench.done].count("over") == 1
    for exchange in exchanges:
        if exchange.body is not None:
            assert etree.fromstring(exchange.body).tag.endswith("body")
    for started in bench.upstream().split("<?xml version='1.0'?>")[1:]:
        expat.ParserCreate("utf-8", " ").Parse(started)
