"""How a BOSH session ends: by the client, by the server, by silence, by ourselves."""

from __future__ import annotations

import pytest
from lxml import etree

from bosh.bosh_session import State
from bosh.server_stream import MAX_LOGIN_FAILURES
from tests.bosh.session_bench import (
    INACTIVITY_S,
    MESSAGE,
    PING,
    ended,
    logged_in,
    opened,
    text,
)
from tests.bosh.test_xmpp_stream import FAILURE, LIMITS


def test_the_client_ends_after_its_last_words() -> None:
    bench = logged_in()
    waiting = bench.post()
    last = bench.post("<presence xmlns='jabber:client' type='unavailable'/>", type="terminate")
    assert bench.upstream().endswith("type='unavailable'/></stream:stream>")
    assert text(waiting).endswith("/>") and ended(waiting) is None and ended(last) == ""
    assert bench.session.state is State.GONE


def test_the_server_ends() -> None:
    bench = logged_in()
    waiting = bench.post()
    bench.serve("<message/></stream:stream>")
    assert "<message" in text(waiting) and ended(waiting) == ""


def test_the_end_waits_for_a_request_and_is_repeated() -> None:
    bench = logged_in()
    bench.serve("<message/></stream:stream>")
    told = bench.post()
    assert ended(told) == "" and "<message" in text(told)
    assert bench.post(rid=bench.rid).body == told.body
    assert ended(bench.post()) == "item-not-found"
    bench.wait(INACTIVITY_S)
    assert bench.session.state is State.GONE


@pytest.mark.parametrize(
    ("error", "expected"),
    [("conflict", "remote-stream-error"), ("host-gone", "host-gone"), ("host-unknown", "host-unknown")],
)
def test_a_stream_error_of_the_server_is_passed_on(error: str, expected: str) -> None:
    bench = logged_in()
    waiting = bench.post()
    bench.serve(f"<stream:error><{error} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
    assert ended(waiting) == expected
    (element,) = etree.fromstring(text(waiting))
    assert element.tag == "{http://etherx.jabber.org/streams}error"


@pytest.mark.parametrize("data", [b"<x>&bad;</x>", b"<!-- -->", b"\xff"])
def test_a_server_that_sends_bad_xml_is_cut(data: bytes) -> None:
    bench = logged_in()
    waiting = bench.post()
    bench.serve(data)
    assert ended(waiting) == "remote-stream-error"


def test_a_server_that_is_lost_is_told_to_all_that_wait() -> None:
    bench = logged_in(hold=2)
    waiting = bench.post(), bench.post()
    bench.session.lost(bench.now)
    assert [ended(one) for one in waiting] == ["remote-stream-error"] * 2


def test_guessing_passwords_is_cut_with_the_last_answer() -> None:
    bench = opened()
    for _ in range(MAX_LOGIN_FAILURES - 1):
        waiting = bench.post(PING)
        bench.serve(FAILURE)
        assert "<failure" in text(waiting)
    waiting = bench.post(PING)
    bench.serve(FAILURE)
    assert ended(waiting) == "policy-violation" and "<failure" in text(waiting)


def test_nobody_stays_without_logging_in() -> None:
    bench = opened()
    for _ in range(100):
        waiting = bench.post(MESSAGE)
        bench.wait(1)
        if bench.session.state is State.GONE:
            break
    assert ended(waiting) == "undefined-condition"
    assert bench.now <= 1000 + LIMITS.handshake_timeout_s + 1


def test_a_silent_client_is_gone_after_its_time_without_ending_the_stream() -> None:
    bench = logged_in(wait=20)
    bench.post()
    bench.wait(20 + INACTIVITY_S - 1)
    assert not bench.gone
    bench.wait(1.1)
    assert bench.gone
    assert "</stream:stream>" not in bench.upstream()


def test_a_request_that_waits_for_one_that_never_comes_is_silence() -> None:
    bench = logged_in()
    early = bench.post(rid=bench.rid + 2)
    bench.wait(INACTIVITY_S + 1)
    assert bench.gone and ended(early) == "item-not-found"


def test_a_lost_connection_is_silence() -> None:
    bench = logged_in()
    lost = bench.post()
    bench.session.detach(lost, bench.now)
    bench.serve("<message/>")
    assert lost.body is None
    assert "<message" in text(bench.post(rid=bench.rid))
    bench.wait(INACTIVITY_S)
    assert bench.session.state is State.GONE


def test_nothing_is_told_to_a_connection_that_is_lost() -> None:
    bench = logged_in()
    lost = bench.post()
    bench.session.detach(lost, bench.now)
    bench.serve("<message/>")
    following = bench.post()  # of a new page, which knows the numbers but not what became of the last one
    assert "<message" in text(following)
    assert text(bench.post(rid=bench.rid - 1)).endswith("httpbind'/>")


def test_the_end_is_told_to_who_hears_it() -> None:
    bench = logged_in()
    bench.session.detach(bench.post(), bench.now)
    bench.serve("<message/></stream:stream>")
    following = bench.post()
    assert ended(following) == "" and "<message" in text(following)


def test_the_front_stops() -> None:
    bench = logged_in()
    waiting = bench.post()
    bench.session.shut_down()
    assert ended(waiting) == "system-shutdown" and "</stream:stream>" not in bench.upstream()


def test_a_fault_of_our_own_is_told() -> None:
    bench = logged_in()
    waiting = bench.post()
    bench.session.break_down()
    assert ended(waiting) == "internal-server-error"
