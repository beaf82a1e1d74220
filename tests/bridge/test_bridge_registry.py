"""Conferences and endpoints over simulated time: who ends when, and what is left behind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.colibri import Site, modify
from bridge.conference import Conference
from bridge.ice import NOMINATION_WAIT_S
from bridge.ice_data import Address
from bridge.metrics import REJECTED
from bridge.registry import IDLE_S, Registry
from carillon import stun
from carillon.stun import Attribute, MessageClass
from jingle.colibri2 import ConferenceModify, Endpoint, Transport
from jingle.ice import Candidate, Fingerprint, IceTransport
from tests.bridge.dtls_peer import DtlsClient
from tests.bridge.ice_peer import BRIDGE, CLIENT_CREDENTIALS, UDP, binding, success
from tests.bridge.media_client import BlindRouter, blind_registry

SITE = Site(("192.0.2.1", "2001:db8::1"), 10000, "wss://meet.example/colibri-ws")
A = Address("198.51.100.7", 40001, UDP)


class Client:
    """Answers checks at one address as fast as light; the datagrams are carried by hand."""

    def __init__(
        self, registry: Registry, conference: Conference, name: str, *, controlling: bool = True
    ) -> None:
        self.registry = registry
        self.address = A
        self.received: list[bytes] = []
        registry.send_datagram = self._send
        self.endpoint = registry.create_endpoint(conference, name, (), controlling=controlling, now=0.0)
        self.dtls = DtlsClient()
        self.silent = False

    def _send(self, data: bytes, address: Address) -> None:
        self.received.append(data)

    def accept(self, now: float) -> None:
        self.endpoint.transport.set_remote(CLIENT_CREDENTIALS, (self.dtls.fingerprint,), now)

    def check(self, now: float) -> None:
        data = binding(CLIENT_CREDENTIALS, self.endpoint.transport.ice.local)
        self.registry.receive(data, self.address, now)

    def answer(self, now: float) -> None:
        """Answer what came, until nothing comes any more."""
        while self.received and not self.silent:
            received, self.received = self.received, []
            for data in received:
                if data[0] < 4:
                    self._answer_stun(data, now)
                else:
                    for reply in self.dtls.receive(data):
                        self.registry.receive(reply, self.address, now)

    def _answer_stun(self, data: bytes, now: float) -> None:
        message = stun.parse(data)
        if message.cls is MessageClass.REQUEST:
            reply = success(message, BRIDGE, CLIENT_CREDENTIALS.pwd)
            self.registry.receive(reply, self.address, now)
            if message.get(Attribute.USE_CANDIDATE) is not None:
                for datagram in self.dtls.advance():
                    self.registry.receive(datagram, self.address, now)

    def run(self, start: float, end: float) -> None:
        now = start
        while now < end:
            self.registry.tick(now)
            self.answer(now)
            now += 0.05


@pytest.fixture
def registry() -> Registry:
    return blind_registry()


def joined(registry: Registry) -> tuple[Conference, Client]:
    conference = registry.create_conference("meeting", "", 0.0)
    client = Client(registry, conference, "a")
    client.accept(0.0)
    client.check(0.0)
    client.run(0.0, 1.0)
    assert client.endpoint.transport.connected
    return conference, client


def calls(conference: Conference) -> list[tuple[object, ...]]:
    assert isinstance(conference.router, BlindRouter)
    return conference.router.calls


def test_an_endpoint_whose_consent_is_lost_is_gone_after_thirty_seconds(registry: Registry) -> None:
    conference, client = joined(registry)
    client.run(1.0, 60.0)
    assert conference.endpoints
    assert calls(conference).count(("consent", "a")) >= 9
    client.silent = True
    client.run(60.0, 91.0)
    assert conference.endpoints == {}
    assert ("remove_endpoint", "a") in calls(conference)
    assert registry._validated == {} and registry._learned == {} and registry._by_ufrag == {}
    client.received.clear()
    conference.send_rtp("a", b"\x80" + bytes(20))
    client.run(91.0, 93.0)
    assert client.received == []


def test_an_endpoint_that_never_connects_and_then_its_conference_end(registry: Registry) -> None:
    conference = registry.create_conference("meeting", "", 0.0)
    client = Client(registry, conference, "a")
    client.run(0.0, IDLE_S - 1)
    assert conference.endpoints
    registry.tick(IDLE_S + 1)
    assert conference.endpoints == {}
    assert registry.totals.ice_failed == 1
    registry.tick(2 * IDLE_S)
    assert registry.conferences
    registry.tick(2 * IDLE_S + 3)
    assert registry.conferences == {}
    assert registry.totals.conferences_completed == 1


def test_an_endpoint_with_keys_ends_too_when_no_pair_is_ever_nominated(registry: Registry) -> None:
    """A controlling client may leave it out, and without a selected pair consent says nothing."""
    conference = registry.create_conference("meeting", "", 0.0)
    client = Client(registry, conference, "a", controlling=False)
    client.accept(0.0)
    registry.receive(binding(CLIENT_CREDENTIALS, client.endpoint.transport.ice.local, controlling=1), A, 0.0)
    client.answer(0.0)
    for datagram in client.dtls.advance():
        registry.receive(datagram, A, 0.0)
    client.answer(0.0)
    assert client.endpoint.transport.connected
    registry.tick(IDLE_S - 1)
    assert conference.endpoints
    registry.tick(IDLE_S + 1)
    assert conference.endpoints == {}


def test_who_keeps_the_clock_is_told_when_a_message_makes_something_due(registry: Registry) -> None:
    told: list[float] = []
    registry.wake = told.append
    conference = registry.create_conference("meeting", "", 0.0)
    client = Client(registry, conference, "a")
    client.accept(10.0)
    client.check(10.0)
    client.answer(10.0)
    assert told[-1] == client.endpoint.transport.due == 10.0 + NOMINATION_WAIT_S


def test_a_client_hello_is_kept_until_its_address_is_validated_but_only_from_a_known_address(
    registry: Registry,
) -> None:
    conference = registry.create_conference("meeting", "", 0.0)
    client = Client(registry, conference, "a")
    hello = client.dtls.advance()
    before = REJECTED.labels("udp", "unchecked")._value.get()
    registry.receive(hello[0], A, 0.0)
    assert REJECTED.labels("udp", "unchecked")._value.get() == before + 1
    client.check(0.0)
    for datagram in hello * 20:
        registry.receive(datagram, A, 0.0)
    registry.receive(b"\x80" + bytes(30), A, 0.0)
    assert REJECTED.labels("udp", "unchecked")._value.get() == before + 2
    client.accept(0.1)
    client.run(0.1, 1.0)
    assert client.endpoint.transport.connected


def test_dtls_is_never_answered_to_an_address_that_did_not_answer_a_check(registry: Registry) -> None:
    conference = registry.create_conference("meeting", "", 0.0)
    client = Client(registry, conference, "a")
    client.accept(0.0)
    client.check(0.0)
    client.received.clear()
    for datagram in client.dtls.advance():
        registry.receive(datagram, A, 0.0)
    client.silent = True
    client.run(0.0, 5.0)
    assert all(data[0] < 4 for data in client.received)


def test_a_flood_of_checked_sources_leaves_bounded_traces(registry: Registry) -> None:
    conference, client = joined(registry)
    data = binding(CLIENT_CREDENTIALS, client.endpoint.transport.ice.local)
    for number in range(5000):
        registry.receive(data, Address("203.0.113.9", 1024 + number, UDP), 2.0)
    assert len(registry._learned) <= 16
    assert list(registry._validated) == [A]
    client.received.clear()
    client.run(2.0, 40.0)
    assert conference.endpoints


def test_a_role_conflict_is_answered_at_once(registry: Registry) -> None:
    client = Client(registry, registry.create_conference("meeting", "", 0.0), "a")
    registry.receive(binding(CLIENT_CREDENTIALS, client.endpoint.transport.ice.local, controlling=0), A, 0.0)
    (answer,) = client.received
    value = stun.parse(answer).get(Attribute.ERROR_CODE)
    assert value is not None
    assert stun.parse_error_code(value)[0] == 487


def test_a_restart_makes_the_new_fragment_known_and_keeps_the_association(registry: Registry) -> None:
    conference, client = joined(registry)
    old = client.endpoint.transport.ice.local
    wanted = ConferenceModify("meeting", endpoints=(Endpoint("a", transport=Transport(ice_restart=True)),))
    answer = modify(registry, SITE, wanted, 2.0)
    new = client.endpoint.transport.ice.local
    assert new != old
    told = answer.endpoints[0].transport
    assert told is not None and told.ice is not None
    assert (told.ice.ufrag, told.ice.pwd) == (new.ufrag, new.pwd)
    assert told.ice.ice_generation == 1
    assert told.ice.web_sockets[0].endswith(f"pwd={old.pwd}")
    client.address = Address("198.51.100.7", 50000, UDP)
    client.check(2.1)
    fresh = IceTransport("freshuf", CLIENT_CREDENTIALS.pwd)
    update = ConferenceModify("meeting", endpoints=(Endpoint("a", transport=Transport(ice=fresh)),))
    modify(registry, SITE, update, 2.2)
    client.run(2.2, 3.0)
    assert client.endpoint.transport.remote == client.address
    for _ in range(5):
        registry.restart_ice(client.endpoint)
    assert len(registry._by_ufrag) == 2
    assert list(registry._validated) == [client.address]
    assert client.endpoint.transport.connected
    conference.remove("a", "expired", 4.0)
    assert registry._by_ufrag == {}


def test_a_restart_before_the_endpoint_is_connected_is_not_answered(registry: Registry) -> None:
    conference = registry.create_conference("meeting", "", 0.0)
    Client(registry, conference, "a")
    wanted = ConferenceModify("meeting", endpoints=(Endpoint("a", transport=Transport(ice_restart=True)),))
    assert modify(registry, SITE, wanted, 1.0).endpoints == (Endpoint("a"),)


def test_every_address_is_told_with_udp_and_tcp_the_first_one_preferred() -> None:
    told = [(one.ip, one.protocol, one.tcp_type) for one in SITE.candidates()]
    assert told == [
        (ip, *transport) for ip in SITE.addresses for transport in (("udp", ""), ("tcp", "passive"))
    ]
    assert len({one.foundation for one in SITE.candidates()}) == 4
    by_priority = sorted(SITE.candidates(), key=lambda one: -one.priority)
    assert [(one.ip, one.protocol) for one in by_priority] == [
        (ip, protocol) for protocol in ("udp", "tcp") for ip in SITE.addresses
    ]


def test_signalled_candidates_are_not_contacted(registry: Registry) -> None:
    conference = registry.create_conference("meeting", "", 0.0)
    client = Client(registry, conference, "a")
    candidates = tuple(Candidate(str(n), 1, "udp", 1, f"10.0.0.{n % 250}", 22, "host") for n in range(5000))
    ice = IceTransport("u" * 4, "p" * 22, (Fingerprint("sha-256", "AA"),), candidates)
    modify(
        registry,
        SITE,
        ConferenceModify("meeting", endpoints=(Endpoint("a", transport=Transport(ice=ice)),)),
        0.0,
    )
    client.run(0.0, 5.0)
    assert client.received == []


def test_a_room_whose_router_fails_does_not_stop_the_others(registry: Registry) -> None:
    broken = registry.create_conference("broken", "", 0.0)
    sound = registry.create_conference("sound", "", 0.0)
    ticks: list[float] = []

    def fail(now: float) -> float:
        raise RuntimeError("a bug")

    def note(now: float) -> float:
        ticks.append(now)
        return now

    broken.router.tick, sound.router.tick = fail, note  # type: ignore[method-assign]
    for step in range(10):
        registry.tick(step / 10)
    assert len(ticks) == 10


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=120)), max_size=5), st.booleans())
def test_no_datagram_raises(datagrams: list[tuple[int, bytes]], from_client: bool) -> None:
    registry = CONNECTED[0] if CONNECTED else blind_registry()
    if not CONNECTED:
        CONNECTED.append(registry)
        joined(registry)
    for first, rest in datagrams:
        registry.receive(bytes([first]) + rest, A if from_client else Address("203.0.113.9", 9, UDP), 2.0)
    registry.receive(b"", A, 2.0)
    registry.tick(2.0)


CONNECTED: list[Registry] = []
"""One call for all examples: a handshake for each of them would take too long."""
