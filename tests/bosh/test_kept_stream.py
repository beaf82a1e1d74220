"""A guest's stream that outlives its connection (XEP-0198), without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bosh.stanza_framer import StanzaFramer, StreamHeader
from bosh.streams.kept_stream import MAX_KEPT, KeptStream, State
from bosh.streams.shelf import Shelf
from bosh.streams.unacknowledged import WRAP, TooHigh, Unacknowledged
from carillon.settings import LimitSettings

LIMITS = LimitSettings(262144, 64, 5000, 64, 30.0)
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STREAMS = "http://etherx.jabber.org/streams"
HEADER = f"<stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' version='1.0'"
FEATURES = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
SM = "urn:xmpp:sm:3"
NUMBERS = count()


@dataclass
class Around:
    """The connections around one stream; the client's may be another stream's later."""

    shelf: Shelf
    to_server: str = ""
    to_client: str = ""
    client_closed: bool = False
    server_closed: bool = False
    given_to: KeptStream | None = None
    wake: float | None = None
    told: list[str] = field(default_factory=list)
    keep_bytes: int = 100_000

    def __post_init__(self) -> None:
        self.stream = KeptStream(
            self, self.shelf, LIMITS, lambda: f"token{next(NUMBERS)}", resume_s=30, keep_bytes=self.keep_bytes
        )

    def connect(self) -> None:
        self.stream.connected()

    def send_server(self, data: bytes) -> None:
        self.to_server += data.decode()

    def close_server(self) -> None:
        self.server_closed = True

    def send_client(self, data: bytes) -> None:
        self.to_client += data.decode()

    def close_client(self) -> None:
        self.client_closed = True

    def give_client(self, stream: KeptStream) -> None:
        self.given_to = stream

    def wake_in(self, seconds: float | None) -> None:
        self.wake = seconds

    def tell(self, what: str) -> None:
        self.told.append(what)

    # what the two sides say

    def client(self, text: str) -> str:
        """The client says something; what it is answered."""
        before = len(self.to_client)
        self.stream.receive_client(text.encode())
        return self.to_client[before:]

    def server(self, text: str) -> str:
        """The server says something; what the client gets."""
        before = len(self.to_client)
        self.stream.receive_server(text.encode())
        return self.to_client[before:]

    def log_in(self, mechanism: str = "ANONYMOUS") -> str:
        """Up to the features after the login, which the client gets."""
        self.client(f"{HEADER} to='guest.example'>")
        self.server(f"{HEADER} id='s1' from='guest.example'><stream:features/>")
        self.client(f"<auth xmlns='{SASL}' mechanism='{mechanism}'/>")
        self.server(f"<success xmlns='{SASL}'/>")
        self.client(f"{HEADER} to='guest.example'>")
        return self.server(f"{HEADER} id='s2' from='guest.example'>{FEATURES}")

    def bind(self) -> None:
        self.client(f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>")
        self.server(f"<iq type='result' id='b'><bind xmlns='{BIND}'><jid>a@guest.example/r</jid></bind></iq>")

    def enable(self) -> str:
        """Log in, bind and enable; the token."""
        self.log_in()
        self.bind()
        answer = self.client(f"<enable xmlns='{SM}' resume='true'/>")
        return answer.partition('id="')[2].partition('"')[0]


def message(number: int) -> str:
    return f"<message xmlns='jabber:client'><body>{number}</body></message>"


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(3)


@pytest.fixture
def around(shelf: Shelf) -> Around:
    return Around(shelf)


@pytest.fixture
def another(shelf: Shelf) -> Around:
    return Around(shelf)


def resume(another: Around, before: Around, token: str, handled: int) -> str:
    """Log in on another connection and ask for the stream of before; what the client gets of that."""
    another.log_in()
    seen = len(before.to_client)
    refused = another.client(f"<resume xmlns='{SM}' previd='{token}' h='{handled}'/>")
    return refused + before.to_client[seen:]


def test_a_guest_is_offered_what_no_server_can_do_for_guests(around: Around) -> None:
    assert f"<sm xmlns='{SM}'/></stream:features>" in around.log_in()


def test_people_with_accounts_have_all_this_of_their_server(around: Around) -> None:
    assert SM not in around.log_in("SCRAM-SHA-1")
    around.bind()
    assert around.client(f"<enable xmlns='{SM}' resume='true'/>") == ""
    assert around.to_server.endswith(f"<enable xmlns='{SM}' resume='true'/>")


def test_everything_else_passes_as_it_is(around: Around) -> None:
    around.enable()
    around.client(message(1))
    assert around.to_server.endswith(message(1))
    assert around.server(message(2)) == message(2)


def test_it_is_enabled_after_a_resource_is_bound_and_once(around: Around) -> None:
    around.log_in()
    assert "<unexpected-request" in around.client(f"<enable xmlns='{SM}'/>")
    around.bind()
    assert "<enabled" in around.client(f"<enable xmlns='{SM}'/>")
    assert "<unexpected-request" in around.client(f"<enable xmlns='{SM}'/>")


def test_the_client_hears_how_much_was_handled(around: Around) -> None:
    around.enable()
    around.client(message(1) + "<presence/><iq type='get' id='q'/>")
    assert around.client(f"<r xmlns='{SM}'/>") == f"<a xmlns='{SM}' h='3'/>"


def test_the_client_is_asked_now_and_then(around: Around) -> None:
    around.enable()
    asked = [around.server(message(number)).endswith(f"<r xmlns='{SM}'/>") for number in range(12)]
    assert asked.count(True) == 1
    around.client(f"<a xmlns='{SM}' h='12'/>")
    assert not around.server(message(13)).endswith(f"<r xmlns='{SM}'/>")


def test_a_lost_client_gets_what_it_has_missed_on_another_connection(around: Around, another: Around) -> None:
    token = around.enable()
    around.client(message(0))
    around.server(message(1) + message(2))
    around.stream.lost_client()
    assert around.server(message(3)) == ""
    told = resume(another, around, token, 1)
    assert told == f"<resumed xmlns='{SM}' previd=\"{token}\" h='1'/>" + message(2) + message(3)
    assert another.given_to is around.stream
    assert another.to_server.endswith("</stream:stream>")
    assert another.server_closed
    assert not around.server_closed


def test_what_the_client_says_after_that_is_of_the_stream_of_before(around: Around, another: Around) -> None:
    token = around.enable()
    around.stream.lost_client()
    resume(another, around, token, 0)
    around.client(message(7))
    assert around.to_server.endswith(message(7))


def test_what_follows_resume_in_one_piece_is_of_the_stream_of_before(around: Around, another: Around) -> None:
    token = around.enable()
    around.stream.lost_client()
    another.log_in()
    another.client(f"<resume xmlns='{SM}' previd='{token}' h='0'/>{message(7)}")
    assert around.to_server.endswith(message(7))


def test_a_connection_that_hangs_is_left_by_its_client(around: Around, another: Around) -> None:
    token = around.enable()
    told = resume(another, around, token, 0)
    assert told.index("<conflict") < told.index("<resumed")
    assert around.client_closed


@pytest.mark.parametrize("token", ["", "wrong", "token"])
def test_who_does_not_know_the_token_resumes_nothing(around: Around, another: Around, token: str) -> None:
    around.enable()
    around.stream.lost_client()
    assert "<item-not-found" in resume(another, around, token, 0)
    assert around.stream.state is State.HELD
    another.bind()
    assert "<enabled" in another.client(f"<enable xmlns='{SM}'/>")


def test_a_guest_of_another_domain_resumes_nothing(around: Around, another: Around) -> None:
    token = around.enable()
    around.stream.lost_client()
    another.stream.domain = "other.example"
    assert "<item-not-found" in resume(another, around, token, 0)


def test_nothing_is_resumed_after_a_resource_is_bound(around: Around, another: Around) -> None:
    token = around.enable()
    another.log_in()
    another.bind()
    assert "<unexpected-request" in another.client(f"<resume xmlns='{SM}' previd='{token}' h='0'/>")


def test_a_stream_that_its_client_has_ended_cannot_be_resumed(around: Around, another: Around) -> None:
    token = around.enable()
    around.client("</stream:stream>")
    around.stream.lost_client()
    assert around.server_closed
    assert "<item-not-found" in resume(another, around, token, 0)


def test_who_does_not_come_back_leaves_the_server_in_order(around: Around) -> None:
    around.enable()
    around.stream.lost_client()
    assert around.wake == 30
    around.stream.tick()
    assert around.to_server.endswith("</stream:stream>")
    assert around.server_closed
    assert around.told == ["expired"]
    assert around.stream.state is State.ENDED


def test_without_stream_management_a_lost_client_is_gone_at_once(around: Around) -> None:
    around.log_in()
    around.bind()
    around.stream.lost_client()
    assert around.server_closed


def test_who_acknowledges_what_was_never_sent_is_cut(around: Around) -> None:
    around.enable()
    around.client(f"<a xmlns='{SM}' h='5'/>")
    assert "<stream:error" in around.to_client
    assert around.server_closed


def test_the_server_that_goes_takes_the_stream_with_it(around: Around, another: Around) -> None:
    token = around.enable()
    around.stream.lost_client()
    around.stream.lost_server()
    assert "<item-not-found" in resume(another, around, token, 0)


def test_nothing_is_kept_without_end(shelf: Shelf) -> None:
    around = Around(shelf, keep_bytes=1000)
    around.enable()
    around.stream.lost_client()
    for number in range(100):
        around.server(message(number))
    assert around.told == ["overflow"]
    assert around.server_closed
    assert MAX_KEPT < 10_000


def test_when_too_many_are_away_the_first_of_them_goes(shelf: Shelf) -> None:
    all_of_them = [Around(shelf) for _ in range(4)]
    for one in all_of_them:
        one.enable()
        one.stream.lost_client()
    assert [one.server_closed for one in all_of_them] == [True, False, False, False]
    assert shelf.held == 3


@given(st.lists(st.binary(max_size=200), max_size=8), st.booleans())
def test_no_input_of_either_side_raises(chunks: list[bytes], enabled: bool) -> None:
    around = Around(Shelf(1))
    if enabled:
        around.enable()
    sides: list[Callable[[bytes], None]] = [around.stream.receive_client, around.stream.receive_server]
    for number, chunk in enumerate(chunks):
        sides[number % 2](chunk)
    around.stream.lost_client()
    around.stream.lost_server()


@given(st.integers(0, WRAP - 1), st.integers(0, 40), st.integers(0, WRAP - 1))
def test_acknowledging_takes_away_just_what_was_acknowledged(start: int, sent: int, handled: int) -> None:
    unacknowledged = Unacknowledged(start)
    for _ in range(sent):
        unacknowledged.put(b"1234")
    count = (handled - start) % WRAP
    if count > sent:
        with pytest.raises(TooHigh):
            unacknowledged.acknowledge(handled)
        count = 0
    else:
        unacknowledged.acknowledge(handled)
    assert (len(unacknowledged), unacknowledged.size_bytes) == (sent - count, 4 * (sent - count))


@given(st.data())
def test_another_framer_goes_on_where_one_stood(data: st.DataObject) -> None:
    stream = (
        f"<?xml version='1.0'?>{HEADER} xmlns:x='urn:x' to='guest.example'>"
        + message(1)
        + " <x:y a='&lt;'>ü<![CDATA[<]]></x:y><presence/></stream:stream>"
    ).encode()
    cut = data.draw(st.integers(0, len(stream) - 1))
    first, whole, second = (StanzaFramer(LIMITS) for _ in range(3))
    before = first.feed(stream[:cut])
    taken_up = second.feed(first.so_far())
    expected = whole.feed(stream)
    headers = [event for event in taken_up if isinstance(event, StreamHeader)]
    assert len(taken_up) == len(headers) == any(isinstance(event, StreamHeader) for event in before)
    assert before + second.feed(stream[cut:]) == expected
