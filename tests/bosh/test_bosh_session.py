"""One BOSH session without any connection: what it is asked for, and what is answered when."""

from __future__ import annotations

import hashlib

import pytest
from lxml import etree

from bosh.bosh_body import XBOSH, BoshError, Condition, parse_body
from bosh.bosh_responses import GRACE_S
from bosh.bosh_session import FEATURES_WAIT_S, BoshSession, State
from bosh.server_stream import PENDING_BYTES
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
    ended,
    ended_or_none,
    logged_in,
    opened,
    text,
)
from tests.bosh.test_request_window import Answered
from tests.bosh.test_xmpp_stream import HEADER, LIMITS


def test_creation_connects_and_waits_for_the_features() -> None:
    bench = Bench(xml_lang="de")
    assert bench.done == [("connect", "d.example")]
    bench.session.connected(bench.now)
    assert 'to="d.example" xml:lang="de"' in bench.upstream()
    assert bench.creation.body is None
    bench.serve(HEADER + FEATURES)
    answer = etree.fromstring(text(bench.creation))
    assert (answer.get("sid"), answer.get("from"), answer.get("authid")) == ("sid", "d.example", "i&1")
    assert len(answer) == 1


def test_a_slow_server_s_features_come_later() -> None:
    bench = Bench()
    bench.wait(FEATURES_WAIT_S)
    assert "sid=" in text(bench.creation) and "features" not in text(bench.creation)
    following = bench.post()
    bench.session.connected(bench.now)
    bench.serve(HEADER + FEATURES)
    assert "features" in text(following) and "sid=" not in text(following)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"wait": "600"}, {"wait": "55"}),
        ({"wait": "0"}, {"wait": "0"}),
        ({"hold": "999999999"}, {"hold": "2", "requests": "3"}),
        ({"hold": "0"}, {"hold": "0", "requests": "1"}),
        ({}, {"wait": "55", "hold": "1", "requests": "2", "inactivity": "60", "polling": "5", "ver": None}),
        ({"ver": "1.10"}, {"ver": "1.10"}),
        ({"ver": "1.9"}, {"ver": "1.9"}),
        ({"ver": "2.0"}, {"ver": "1.11"}),
        ({"ack": "1"}, {"ack": None}),
        ({"secure": "true", "unheard-of": "x"}, {"unheard-of": None}),
    ],
)
def test_terms_are_capped(asked: dict[str, str], told: dict[str, str | None]) -> None:
    bench = Bench(**asked)
    bench.wait(FEATURES_WAIT_S)
    answer = etree.fromstring(text(bench.creation))
    assert {name: answer.get(name) for name in told} == told
    assert answer.get(f"{{{XBOSH}}}restartlogic") == "true"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"wait": "-1"}, Condition.BAD_REQUEST),
        ({"wait": "1e9"}, Condition.BAD_REQUEST),
        ({"hold": "one"}, Condition.BAD_REQUEST),
        ({"hold": ""}, Condition.BAD_REQUEST),
        ({"ver": "1"}, Condition.BAD_REQUEST),
        ({"rid": "0"}, Condition.BAD_REQUEST),
        ({"route": "xmpp:127.0.0.1:22"}, Condition.HOST_UNKNOWN),
        ({"stream": "x"}, Condition.ITEM_NOT_FOUND),
    ],
)
def test_terms_that_make_no_sense_are_refused(asked: dict[str, str], expected: Condition) -> None:
    with pytest.raises(BoshError) as refused:
        Bench(**asked)
    assert refused.value.condition is expected


def test_content_is_one_of_ours() -> None:
    def content(wanted: str) -> str:
        asked = parse_body(body(rid=1, content=wanted).encode(), LIMITS)
        return negotiate(asked, WAIT_S, INACTIVITY_S).content_type

    assert content("application/xml; charset=utf-8") == "application/xml; charset=utf-8"
    for wanted in ("text/html", "text/xml\r\nX: y", ""):
        assert content(wanted) == "text/xml; charset=utf-8"


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("other.example", "host-unknown"), ("127.0.0.1:22", "host-unknown"), ("", "improper-addressing")],
)
def test_domains_that_are_not_served_end_without_a_connection(domain: str, expected: str) -> None:
    terms = negotiate(parse_body(body(rid=1, to=domain).encode(), LIMITS), WAIT_S, INACTIVITY_S)
    bench = Bench()
    bench.done.clear()
    session = BoshSession(bench, "x", terms, DOMAINS, LIMITS, now=0.0)
    creation = Answered()
    session.create(bench.read(), creation, 0.0)
    assert ended(creation) == expected and session.state is State.GONE
    assert ("over", "") in bench.done and not [what for what in bench.done if what[0] == "connect"]


def test_a_server_out_of_reach_ends_the_session_at_once() -> None:
    bench = Bench()
    bench.session.not_connected(bench.now)
    assert ended(bench.creation) == "remote-stream-error" and bench.session.state is State.GONE


def test_what_the_server_sends_answers_the_waiting_request() -> None:
    bench = logged_in()
    waiting = bench.post()
    assert waiting.body is None
    bench.serve("<message><body/></message><presence/>")
    answer = etree.fromstring(text(waiting))
    assert [element.tag for element in answer] == ["{jabber:client}message", "{jabber:client}presence"]


def test_what_the_server_sends_waits_for_a_request() -> None:
    bench = logged_in()
    bench.serve("<message/>")
    assert "<message" in text(bench.post())


def test_the_oldest_request_is_answered_when_one_more_waits_than_allowed() -> None:
    bench = logged_in(hold=2)
    first, second = bench.post(), bench.post()
    assert first.body is None and second.body is None
    third = bench.post(MESSAGE)
    assert text(first).endswith("/>") and second.body is None and third.body is None


def test_an_answer_that_comes_soon_leaves_on_the_request_that_waits() -> None:
    bench = logged_in()
    waiting, asking = bench.post(), bench.post(PING)
    assert waiting.body is None
    bench.serve("<iq type='result'/>")
    assert "<iq" in text(waiting) and asking.body is None


def test_an_answer_that_takes_longer_leaves_on_the_request_that_asked() -> None:
    bench = logged_in()
    waiting, asking = bench.post(), bench.post(PING)
    bench.wait(GRACE_S)
    assert text(waiting).endswith("/>") and asking.body is None
    bench.serve("<iq type='result'/>")
    assert "<iq" in text(asking)


def test_a_request_waits_as_long_as_agreed() -> None:
    bench = logged_in(wait=20)
    waiting = bench.post()
    bench.wait(19.9)
    assert waiting.body is None
    bench.wait(0.2)
    assert text(waiting).endswith("/>")


def test_a_repeated_request_gets_the_same_bytes_and_is_not_done_again() -> None:
    bench = logged_in()
    first = bench.post(PING)
    bench.serve("<iq type='result'/>")
    bench.upstream()
    again = bench.post(PING, rid=bench.rid)
    assert again.body == first.body and bench.upstream() == ""


def test_an_unanswered_repeat_takes_over_and_the_first_is_told_to_try_again() -> None:
    bench = logged_in()
    first = bench.post()
    again = bench.post(rid=bench.rid)
    assert etree.fromstring(text(first)).get("type") == "error"
    bench.serve("<message/>")
    assert "<message" in text(again)


def test_requests_are_done_in_their_order() -> None:
    bench = logged_in()
    rid = bench.rid
    bench.post("<message xmlns='jabber:client' id='2'/>", rid=rid + 2)
    assert bench.upstream() == ""
    bench.post("<message xmlns='jabber:client' id='1'/>", rid=rid + 1)
    sent = bench.upstream()
    assert 0 < sent.index("'1'") < sent.index("'2'")


@pytest.mark.parametrize("distance", [3, 1000, -1000])
def test_a_rid_outside_the_window_ends_the_session(distance: int) -> None:
    bench = logged_in()
    waiting = bench.post()
    wrong = bench.post(rid=max(1, bench.rid + distance))
    assert ended(wrong) == ended(waiting) == "item-not-found"
    assert ("over", "") in bench.done


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [({"rid": "-1"}, "bad-request"), ({"rid": "1e3"}, "bad-request"), ({"stream": "x"}, "item-not-found")],
)
def test_a_request_that_makes_no_sense_ends_the_session(attributes: dict[str, str], expected: str) -> None:
    bench = logged_in()
    waiting = bench.post()
    assert ended(bench.post(**attributes)) == ended(waiting) == expected


@pytest.mark.parametrize(
    "content",
    [
        "<message xmlns='jabber:server'/>",
        "<message xmlns=''/>",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>",
    ],
)
def test_elements_of_other_streams_end_the_session(content: str) -> None:
    bench = logged_in()
    assert ended(bench.post(content)) == "bad-request"
    assert bench.upstream() == ""


def test_a_restart_without_a_login_is_refused() -> None:
    assert ended(opened().post(to="d.example", xmpp_restart="true")) == "bad-request"


def test_what_comes_before_the_stream_is_open_waits_and_is_bounded() -> None:
    bench = Bench()
    bench.wait(FEATURES_WAIT_S)
    bench.post(PING)
    bench.session.connected(bench.now)
    bench.upstream()
    bench.serve(HEADER)
    assert "<iq" in bench.upstream()
    full = Bench()
    full.wait(FEATURES_WAIT_S)
    assert ended(full.post(f"<message>{'x' * PENDING_BYTES}</message>")) == "policy-violation"


def chain(length: int) -> list[str]:
    """Keys in the order of their use, the announced one first."""
    keys = ["seed"]
    for _ in range(length):
        keys.append(hashlib.sha1(keys[-1].encode()).hexdigest())
    return keys[::-1]


def test_keys_prove_whose_a_request_is() -> None:
    keys, others = chain(4), chain(2)
    bench = opened(newkey=keys[0])
    assert ended_or_none(bench.post(MESSAGE, key=keys[1])) is None
    bench.post(MESSAGE, key=keys[2], newkey=others[0])
    bench.post(MESSAGE, key=others[1])
    assert bench.session.state is State.OPEN
    assert ended(bench.post(MESSAGE, key=keys[3])) == "item-not-found"
    assert ended(opened(newkey=keys[0]).post(MESSAGE)) == "item-not-found"
