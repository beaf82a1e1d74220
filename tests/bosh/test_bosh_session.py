"""One BOSH session without any connection: what is answered when, and with what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bosh.bosh_body import XBOSH, Body, BoshError, Condition, parse_body
from bosh.bosh_session import FEATURES_WAIT_S, GRACE_S, BoshSession, State
from bosh.outbox import QUEUE_BYTES, RESPONSE_BYTES
from bosh.overactivity import BURST
from bosh.server_stream import MAX_LOGIN_FAILURES, PENDING_BYTES
from bosh.session_terms import negotiate
from tests.bosh.bosh_client import body, condition
from tests.bosh.test_request_window import Answered
from tests.bosh.test_xmpp_stream import FAILURE, HEADER, IQ, LIMITS, SUCCESS

DOMAINS = frozenset(("d.example", "guest.d.example"))
WAIT_S, INACTIVITY_S = 55.0, 60.0
FEATURES = b"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
MESSAGE = "<message xmlns='jabber:client'/>"
PING = IQ.decode()


class Bench:
    """A session with a clock, a recorded surrounding and short words."""

    def __init__(self, **attributes: object) -> None:
        self.now = 1000.0
        self.done: list[tuple[str, object]] = []
        self.rid = 10
        terms = negotiate(self.read(to="d.example", **attributes), WAIT_S, INACTIVITY_S)
        self.session = BoshSession(self, "sid", terms, DOMAINS, LIMITS, now=self.now)
        self.creation = Answered()
        self.session.create(self.read(to="d.example", **attributes), self.creation, self.now)

    def read(self, content: str = "", /, **attributes: object) -> Body:
        return parse_body(body(content, **{"rid": self.rid, **attributes}).encode(), LIMITS)

    def post(self, content: str = "", /, **attributes: object) -> Answered:
        """The next request, or the one of `rid`."""
        if "rid" not in attributes:
            self.rid += 1
        exchange = Answered()
        self.session.request(self.read(content, **attributes), exchange, self.now)
        return exchange

    def serve(self, data: bytes | str) -> None:
        """Bytes of the server."""
        self.session.receive(data if isinstance(data, bytes) else data.encode(), self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, with what is due in it."""
        until = self.now + seconds
        while self.session.state is not State.GONE and self.session.deadline() <= until:
            self.now = max(self.now, self.session.deadline())
            self.session.tick(self.now)
        self.now = until

    @property
    def gone(self) -> bool:
        return self.session.state is State.GONE

    def upstream(self) -> str:
        """What the server got since the last time."""
        sent = "".join(str(what) for kind, what in self.done if kind == "upstream")
        self.done.clear()
        return sent

    # SessionOutput

    def connect(self, domain: str) -> None:
        self.done.append(("connect", domain))

    def send_upstream(self, data: bytes) -> None:
        self.done.append(("upstream", data.decode()))

    def close_upstream(self) -> None:
        self.done.append(("close", ""))

    def read_upstream(self, wanted: bool) -> None:
        self.done.append(("read", wanted))

    def refused(self, condition: str, text: str) -> None:
        self.done.append(("refused", condition))

    def over(self) -> None:
        self.done.append(("over", ""))


def text(exchange: Answered) -> str:
    """The response, which is there."""
    assert exchange.body is not None
    return exchange.body.decode()


def ended(exchange: Answered) -> str | None:
    """The condition of the response, which is there."""
    return condition(text(exchange))


def opened(**attributes: object) -> Bench:
    bench = Bench(**attributes)
    bench.session.connected(bench.now)
    bench.serve(HEADER + FEATURES)
    bench.upstream()
    return bench


def logged_in(**attributes: object) -> Bench:
    bench = opened(**attributes)
    bench.post("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
    bench.serve(SUCCESS)
    restarted = bench.post(to="d.example", xmpp_restart="true")
    bench.serve(HEADER + FEATURES)
    bench.upstream()
    bench.wait(30)
    while "features" not in text(restarted):  # a session that polls
        restarted = bench.post()
        bench.wait(5)
    return bench


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
    assert ended(bench.creation) == "remote-connection-failed" and bench.session.state is State.GONE


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
    assert ended(waiting) == "remote-connection-failed"


def test_a_server_that_is_lost_is_told_to_all_that_wait() -> None:
    bench = logged_in(hold=2)
    waiting = bench.post(), bench.post()
    bench.session.lost(bench.now)
    assert [ended(one) for one in waiting] == ["remote-connection-failed"] * 2


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


def test_asking_for_nothing_again_and_again_ends_the_session() -> None:
    bench = logged_in()
    answers = [bench.post() for _ in range(BURST + 2)]
    assert ended(answers[-1]) == "policy-violation"
    assert all(ended(one) is None for one in answers[:BURST])


def test_polling_as_often_as_agreed_is_no_violation() -> None:
    bench = logged_in(hold=0)
    for _ in range(50):
        assert ended(bench.post()) is None
        bench.wait(5)


def test_polling_too_often_ends_the_session() -> None:
    bench = logged_in(wait=0)
    answers = []
    while bench.session.state is State.OPEN:
        answers.append(bench.post())
        bench.wait(1)
        assert len(answers) < 50
    assert ended(answers[-1]) == "policy-violation" and len(answers) > BURST


def test_talking_is_never_too_often() -> None:
    bench = logged_in()
    for _ in range(500):
        bench.post(MESSAGE)
        bench.wait(0.01)
    assert bench.session.state is State.OPEN


def test_a_client_that_does_not_ask_slows_the_server_down() -> None:
    bench = logged_in()
    stanza = f"<message>{'x' * 1000}</message>"
    while ("read", False) not in bench.done:
        bench.serve(stanza)
        assert len(bench.done) < 1000
    bench.done.clear()
    assert len(text(bench.post())) < QUEUE_BYTES + 2000
    assert bench.done == [("read", True)]


def test_a_response_is_bounded_and_the_rest_comes_with_the_next() -> None:
    bench = logged_in()
    for _ in range(10):
        bench.serve(f"<message>{'x' * 40_000}</message>")
    sizes: list[int] = []
    while sum(sizes) < 400_000:
        sizes.append(len(text(bench.post())))
    assert max(sizes) <= RESPONSE_BYTES + 1000 and len(sizes) == 4


def test_a_server_that_does_not_read_slows_the_client_down() -> None:
    bench = logged_in()
    bench.session.server_full(True, bench.now)
    first, second = bench.post(MESSAGE), bench.post(MESSAGE)
    assert first.body is None and second.body is None
    bench.session.server_full(False, bench.now)
    assert first.body is not None and second.body is None


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


def ended_or_none(exchange: Answered) -> str | None:
    return None if exchange.body is None else ended(exchange)


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
