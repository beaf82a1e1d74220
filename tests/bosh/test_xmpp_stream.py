"""The translation between RFC 7395 and RFC 6120, without any connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bosh.server_stream import MAX_LOGIN_FAILURES
from bosh.xmpp_stream import State, XmppStream
from carillon.settings import LimitSettings

LIMITS = LimitSettings(
    stanza_bytes=262144,
    stanza_depth=64,
    stanza_elements=5000,
    stanza_attributes=64,
    handshake_timeout_s=30.0,
)
OPEN = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='d.example' version='1.0' xml:lang='de'/>"
CLOSE = b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" from='d.example' id='i&amp;1' version='1.0' xml:lang='en'>"
)
SUCCESS = b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
FAILURE = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"
IQ = b"<iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"


class Recorder:
    """A StreamOutput that keeps what it is told."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    def connect(self, domain: str) -> None:
        self.done.append(("connect", domain))

    def send_client(self, message: bytes) -> None:
        self.done.append(("client", message.decode()))

    def send_upstream(self, data: bytes) -> None:
        self.done.append(("upstream", data.decode()))

    def close_upstream(self) -> None:
        self.done.append(("close_upstream", ""))

    def closing(self) -> None:
        self.done.append(("closing", ""))

    def close_client(self) -> None:
        self.done.append(("close_client", ""))

    def refused(self, condition: str, text: str) -> None:
        self.done.append(("refused", condition))

    def take(self) -> list[tuple[str, str]]:
        done, self.done = self.done, []
        return done


Session = tuple[XmppStream, Recorder]


@pytest.fixture
def session() -> Session:
    recorder = Recorder()
    return XmppStream(recorder, frozenset(("d.example", "guest.d.example")), LIMITS, lambda: "own"), recorder


def opened(session: Session) -> Session:
    stream, recorder = session
    stream.receive_message(OPEN)
    stream.upstream_connected()
    stream.receive_upstream(HEADER)
    recorder.take()
    return session


def logged_in(session: Session) -> Session:
    stream, recorder = opened(session)
    stream.receive_upstream(SUCCESS)
    stream.receive_message(OPEN)
    stream.receive_upstream(HEADER)
    recorder.take()
    return session


def refusal(recorder: Recorder, *, opens: bool) -> str:
    """Check that what was sent is a stream error as RFC 7395 wants it; the condition."""
    done = recorder.take()
    messages = [text for kind, text in done if kind == "client"]
    if opens:
        assert re.match(
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'.* id='own' version='1.0'", messages[0]
        )
        messages = messages[1:]
    error, close = messages
    assert error.startswith("<stream:error xmlns:stream='http://etherx.jabber.org/streams'><")
    assert close == CLOSE.decode()
    assert ("closing", "") in done and ("close_upstream", "") in done
    assert not [text for kind, text in done if kind == "upstream"]
    condition = re.search("<stream:error [^>]*><([a-z-]+) ", error)
    assert condition and ("refused", condition[1]) in done
    return condition[1]


def test_open_becomes_a_stream_header_and_back(session: Session) -> None:
    stream, recorder = session
    stream.receive_message(OPEN)
    assert recorder.take() == [("connect", "d.example")]
    stream.upstream_connected()
    ((_, header),) = recorder.take()
    assert re.fullmatch(
        r"<\?xml version='1.0'\?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
        ' version=\'1.0\' to="d.example" xml:lang="de">',
        header,
    )
    stream.receive_upstream(HEADER)
    assert recorder.take() == [
        (
            "client",
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
            ' from="d.example" id="i&amp;1" version="1.0" xml:lang="en"/>',
        )
    ]
    assert stream.state is State.OPEN


def test_stanzas_pass_both_ways_each_with_its_namespace(session: Session) -> None:
    stream, recorder = logged_in(session)
    stream.receive_message(IQ)
    assert recorder.take() == [("upstream", IQ.decode())]
    stream.receive_upstream(b"<iq type='result' id='1'/> <message><bo")
    stream.receive_upstream(b"dy/></message>")
    assert recorder.take() == [
        ("client", "<iq xmlns=\"jabber:client\" type='result' id='1'/>"),
        ("client", '<message xmlns="jabber:client"><body/></message>'),
    ]


def test_features_of_the_tcp_connection_are_left_out(session: Session) -> None:
    stream, recorder = opened(session)
    stream.receive_upstream(
        b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
        b"<compression xmlns='http://jabber.org/features/compress'><method>zlib</method></compression>"
        b"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>"
        b"</sasl-channel-binding><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
        b"<mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>"
        b"<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256-PLUS</mechanism>"
        b"<mechanism>SCRAM-SHA-256</mechanism></authentication><sm xmlns='urn:xmpp:sm:3'/></stream:features>"
    )
    ((_, features),) = recorder.take()
    assert features == (
        '<stream:features xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">'
        '<mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>SCRAM-SHA-1</mechanism></mechanisms>'
        '<authentication xmlns="urn:xmpp:sasl:2"><mechanism>SCRAM-SHA-256</mechanism></authentication>'
        '<sm xmlns="urn:xmpp:sm:3"/></stream:features>'
    )


def test_a_server_that_demands_starttls_is_an_error_in_words(session: Session) -> None:
    stream, recorder = opened(session)
    stream.receive_upstream(
        b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
        b"</stream:features>"
    )
    assert refusal(recorder, opens=False) == "remote-connection-failed"


def test_the_stream_restarts_after_login_without_close(session: Session) -> None:
    stream, recorder = opened(session)
    assert not stream.authenticated
    stream.receive_upstream(SUCCESS)
    assert stream.authenticated
    recorder.take()
    stream.receive_message(OPEN)
    ((kind, header),) = recorder.take()
    assert kind == "upstream" and "<stream:stream " in header
    stream.receive_upstream(HEADER + b"<stream:features/>")
    assert [text.partition(" ")[0] for _, text in recorder.take()] == ["<open", "<stream:features"]


def test_a_second_open_without_login_is_refused(session: Session) -> None:
    stream, recorder = opened(session)
    stream.receive_message(OPEN)
    assert refusal(recorder, opens=False) == "bad-format"


def test_what_comes_before_the_server_s_header_waits(session: Session) -> None:
    stream, recorder = session
    for message in (OPEN, IQ, IQ):
        stream.receive_message(message)
    stream.upstream_connected()
    assert len(recorder.take()) == 2
    stream.receive_upstream(HEADER)
    assert [kind for kind, _ in recorder.take()] == ["client", "upstream", "upstream"]


def test_what_waits_is_bounded(session: Session) -> None:
    stream, recorder = session
    stream.receive_message(OPEN)
    recorder.take()
    for _ in range(1000):
        stream.receive_message(IQ)
        if recorder.done:
            break
    assert refusal(recorder, opens=True) == "policy-violation"


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        (OPEN.replace(b"d.example", b"other.example"), "host-unknown"),
        (OPEN.replace(b" to='d.example'", b""), "improper-addressing"),
        (OPEN.replace(b"1.0", b"2.0"), "unsupported-version"),
        (OPEN.replace(b" version='1.0'", b""), "unsupported-version"),
        (OPEN.replace(b"/>", b">x</open>"), "bad-format"),
        (OPEN.replace(b"<open", b"<opened"), "bad-format"),
        (IQ, "bad-format"),
        (HEADER, "bad-format"),
        (b"<!DOCTYPE x><open/>", "restricted-xml"),
        (OPEN + OPEN, "bad-format"),
        (OPEN[:-2], "not-well-formed"),
        (OPEN[:-2] + b" a='" + b"x" * 300_000 + b"'/>", "policy-violation"),
    ],
)
def test_a_bad_first_message_gets_an_open_stream_with_the_error(
    session: Session, message: bytes, condition: str
) -> None:
    stream, recorder = session
    stream.receive_message(message)
    found = refusal(recorder, opens=True)
    assert found == condition or (message is HEADER and found == "restricted-xml")
    stream.receive_message(CLOSE)
    assert recorder.take() == [("close_upstream", ""), ("close_client", "")]


def test_domains_are_compared_without_case(session: Session) -> None:
    stream, recorder = session
    stream.receive_message(OPEN.replace(b"d.example", b"Guest.D.Example"))
    assert recorder.take() == [("connect", "guest.d.example")]


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        (IQ.replace(b"jabber:client", b"jabber:server"), "invalid-namespace"),
        (b"<iq type='get'/>", "invalid-namespace"),
        (IQ + IQ, "bad-format"),
        (IQ[:-5], "not-well-formed"),
        (b"<!DOCTYPE x []>" + IQ, "restricted-xml"),
        (HEADER.partition(b"?>")[2], "not-well-formed"),
        (HEADER.partition(b"?>")[2] + b"</stream:stream>", "bad-format"),
        (b" ", "bad-format"),
    ],
)
def test_a_bad_message_ends_the_stream_and_reaches_nobody(
    session: Session, message: bytes, condition: str
) -> None:
    stream, recorder = logged_in(session)
    stream.receive_message(message)
    assert refusal(recorder, opens=False) == condition
    stream.receive_message(IQ)
    assert recorder.take() == []


def test_the_client_closes_first(session: Session) -> None:
    stream, recorder = logged_in(session)
    stream.receive_message(CLOSE)
    assert recorder.take() == [("upstream", "</stream:stream>"), ("closing", "")]
    stream.receive_message(IQ)
    stream.receive_upstream(b"<message/></stream:stream>")
    assert recorder.take() == [
        ("client", '<message xmlns="jabber:client"/>'),
        ("client", CLOSE.decode()),
        ("close_upstream", ""),
    ]


def test_the_server_closes_first(session: Session) -> None:
    stream, recorder = logged_in(session)
    stream.receive_upstream(b"<stream:error><conflict/></stream:error></stream:stream>")
    done = recorder.take()
    assert [text for kind, text in done if kind == "client"][1] == CLOSE.decode()
    assert ("upstream", "</stream:stream>") in done and ("closing", "") in done
    stream.receive_message(CLOSE)
    assert recorder.take() == [("close_upstream", ""), ("close_client", "")]


def test_both_close_at_once(session: Session) -> None:
    stream, recorder = logged_in(session)
    stream.receive_upstream(b"</stream:stream>")
    stream.receive_message(CLOSE)
    done = recorder.take()
    assert [text for kind, text in done if kind == "client"] == [CLOSE.decode()]
    assert done[-1] == ("close_client", "")


def test_a_server_that_cannot_be_reached_is_an_error_in_words(session: Session) -> None:
    stream, recorder = session
    stream.receive_message(OPEN)
    recorder.take()
    stream.upstream_failed()
    assert refusal(recorder, opens=True) == "remote-connection-failed"


def test_a_server_that_is_lost_is_an_error_in_words(session: Session) -> None:
    stream, recorder = logged_in(session)
    stream.upstream_lost()
    assert refusal(recorder, opens=False) == "remote-connection-failed"


def test_a_server_that_is_lost_while_the_client_closes_is_a_close(session: Session) -> None:
    stream, recorder = logged_in(session)
    stream.receive_message(CLOSE)
    recorder.take()
    stream.upstream_lost()
    assert recorder.take()[0] == ("client", CLOSE.decode())


@pytest.mark.parametrize("data", [b"<x>&bad;</x>", b"<x/>y<x/>", b"<!-- -->", b"\xff"])
def test_a_server_that_sends_bad_xml_is_cut(session: Session, data: bytes) -> None:
    stream, recorder = logged_in(session)
    stream.receive_upstream(data)
    assert refusal(recorder, opens=False) == "remote-connection-failed"


def test_something_else_than_xmpp_behind_the_port_is_an_error(session: Session) -> None:
    stream, recorder = session
    stream.receive_message(OPEN)
    stream.upstream_connected()
    recorder.take()
    stream.receive_upstream(b"<html><body>")
    assert refusal(recorder, opens=True) == "remote-connection-failed"


def test_logins_can_be_tried_a_few_times(session: Session) -> None:
    stream, recorder = opened(session)
    for _ in range(MAX_LOGIN_FAILURES - 1):
        stream.receive_upstream(FAILURE)
        assert [kind for kind, _ in recorder.take()] == ["client"]
    stream.receive_upstream(FAILURE)
    recorder.done.pop(0)
    assert refusal(recorder, opens=False) == "policy-violation"


def test_nobody_who_logs_in_is_an_error(session: Session) -> None:
    stream, recorder = session
    stream.time_out()
    assert refusal(recorder, opens=True) == "connection-timeout"


MESSAGES = st.sampled_from(
    [
        OPEN,
        OPEN,
        IQ,
        IQ,
        CLOSE,
        b"<a xmlns:b='b'><b:c/></a>",
        b"<b:a xmlns:b='b'><c/></b:a>",
        IQ[:-1],
        IQ + IQ,
        b"<",
    ]
)
BYTES = st.sampled_from(
    [
        HEADER,
        HEADER,
        SUCCESS,
        FAILURE,
        b"<iq/>",
        b"<i",
        b"q/>",
        b" ",
        b"<stream:features/>",
        b"</stream:stream>",
        b"&",
    ]
)
EVENTS: st.SearchStrategy[Callable[[XmppStream], None]] = (
    MESSAGES.map(lambda message: lambda stream: stream.receive_message(message))
    | BYTES.map(lambda data: lambda stream: stream.receive_upstream(data))
    | st.sampled_from(
        [
            XmppStream.upstream_connected,
            XmppStream.upstream_failed,
            XmppStream.upstream_lost,
            XmppStream.time_out,
        ]
    )
)


@given(st.lists(EVENTS, max_size=25))
def test_whatever_happens_each_side_gets_a_proper_stream(events: list[Callable[[XmppStream], None]]) -> None:
    recorder = Recorder()
    stream = XmppStream(recorder, frozenset(("d.example",)), LIMITS, lambda: "own")
    for event in events:
        event(stream)
    to_client = [text for kind, text in recorder.done if kind == "client"]
    assert all(text.startswith("<open ") for text in to_client[:1])
    assert CLOSE.decode() not in to_client[:-1], "after <close/> nothing is said"
    for text in to_client:
        expat.ParserCreate("utf-8", " ").Parse(text, True)
    to_server = "".join(text for kind, text in recorder.done if kind == "upstream")
    for started in re.split(r"(?=<\?xml )", to_server)[1:]:
        parser = expat.ParserCreate("utf-8", " ")
        parser.Parse(started)  # a stream may be unfinished, but never wrong
