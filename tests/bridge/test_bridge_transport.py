"""When DTLS begins, in which role, from and to which addresses: the transport driven by hand."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.dtls import Certificate
from bridge.ice import FORGET_S
from bridge.ice_data import MAX_PAIRS, Address
from bridge.metrics import REJECTED
from bridge.srtp import SrtpSession
from bridge.transport import MAX_EARLY_BYTES, MAX_EARLY_DATAGRAMS, Transport
from carillon import stun
from carillon.stun import Attribute, MessageClass
from tests.bridge.dtls_peer import DtlsClient, DtlsServer
from tests.bridge.ice_peer import (
    BRIDGE,
    BRIDGE_CREDENTIALS,
    CLIENT_CREDENTIALS,
    TCP,
    UDP,
    binding,
    make_agent,
    success,
)

CERTIFICATE = Certificate()
A = Address("198.51.100.7", 40001, UDP)
B = Address("198.51.100.8", 40002, UDP)
OVER_TCP = Address("198.51.100.7", 50001, TCP)
HELLO = b"\x16\xfe\xfd" + bytes(60)
RTP = struct.pack("!BBHII", 0x80, 111, 1, 960, 0x1234) + b"opus"


class World:
    """A transport, its listener, and a client that is carried by hand."""

    def __init__(self, dtls: DtlsClient | None = None, *, controlling: bool = True) -> None:
        self.dtls = dtls or DtlsClient()
        self.sent: list[tuple[bytes, Address]] = []
        self.told: list[str] = []
        self.received: list[bytes] = []
        self.transport = Transport(self, make_agent(controlling=controlling), CERTIFICATE)

    # What the transport reports.

    def send_datagram(self, data: bytes, address: Address) -> None:
        self.sent.append((data, address))

    def learned(self, address: Address) -> None:
        """Not looked at."""

    def validated(self, address: Address) -> None:
        """Not looked at."""

    def forgotten(self, address: Address) -> None:
        """Not looked at."""

    def connected(self, now: float) -> None:
        self.told.append("connected")

    def consented(self, now: float) -> None:
        """Not looked at."""

    def receive_rtp(self, packet: bytes, now: float) -> None:
        self.received.append(packet)

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        """Not looked at."""

    def closed(self, reason: str, now: float) -> None:
        self.told.append(reason)

    # What the client does.

    def accept(self, now: float = 0.0) -> None:
        """Its answer arrives."""
        self.transport.set_remote(CLIENT_CREDENTIALS, (self.dtls.fingerprint,), now)

    def check(self, *addresses: Address, now: float = 0.0) -> None:
        """It sends a check from each of these addresses."""
        for address in addresses:
            self.transport.receive_stun(
                stun.parse(binding(CLIENT_CREDENTIALS, BRIDGE_CREDENTIALS)), address, now
            )

    def answer_checks(self, *, at: Address | None = None, now: float = 0.0, nominated: bool = True) -> None:
        """It answers the checks that have come, to one address or to all, and nominating ones or not."""
        waiting, self.sent = self.sent, []
        for data, address in waiting:
            if data[0] >= 4:
                self.sent.append((data, address))
                continue
            message = stun.parse(data)
            nominating = message.get(Attribute.USE_CANDIDATE) is not None
            if (
                message.cls is MessageClass.REQUEST
                and at in {None, address}
                and (nominated or not nominating)
            ):
                answer = stun.parse(success(message, BRIDGE, CLIENT_CREDENTIALS.pwd))
                self.transport.receive_stun(answer, address, now)

    def shake(self, address: Address, now: float = 0.0) -> None:
        """It goes on with the handshake from this address until both sides are silent."""
        while flight := [data for data, _ in self.sent if 20 <= data[0] < 64]:
            self.sent = [one for one in self.sent if one[0] not in flight]
            for datagram in flight:
                for reply in self.dtls.receive(datagram):
                    self.transport.receive(reply, address, now)

    def dtls_sent_to(self) -> set[Address]:
        """Where DTLS of ours went."""
        return {address for data, address in self.sent if 20 <= data[0] < 64}


def rejected() -> float:
    """How much DTLS from addresses that are not validated was dropped."""
    return float(REJECTED.labels("dtls", "unchecked")._value.get())


def reached(world: World, address: Address = A) -> World:
    """A client whose first pair is good and not yet nominated."""
    world.accept()
    world.check(address)
    world.answer_checks()
    assert world.transport.ice.selected is None
    return world


def test_the_handshake_does_not_wait_for_nomination() -> None:
    world = reached(World())
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, A, 0.0)
    world.shake(A)
    assert world.told == ["connected"]
    assert not world.transport.ice_succeeded
    assert world.transport.remote == A


def test_a_passive_client_gets_our_hello_as_soon_as_a_pair_is_good_and_not_before() -> None:
    world = World(DtlsServer())
    world.accept()
    world.check(A)
    assert world.dtls_sent_to() == set()
    world.answer_checks()
    assert world.dtls_sent_to() == {A}
    world.shake(A)
    assert world.told == ["connected"]
    client = SrtpSession(world.dtls.keys())
    world.transport.receive(client.protect_rtp(RTP), A, 0.0)
    assert world.received == [RTP]
    world.transport.send_rtp(RTP)
    assert client.unprotect_rtp(world.sent[-1][0]) == RTP


def test_what_comes_before_its_address_is_validated_waits_for_that() -> None:
    world = World()
    world.accept()
    world.check(A)
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, A, 0.0)
    assert world.dtls_sent_to() == set()
    world.answer_checks()
    assert world.dtls_sent_to() == {A}
    world.shake(A)
    assert world.told == ["connected"]


def test_what_comes_from_a_second_address_while_the_first_is_in_use_waits_too() -> None:
    world = reached(World())
    world.check(B)
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, B, 0.0)
    assert world.dtls_sent_to() == set()
    world.transport.handle_timeout(1.0)
    world.answer_checks(at=B, now=1.0)
    world.shake(B)
    assert world.told == ["connected"]


def test_a_flood_from_one_address_does_not_drive_out_the_hello_from_another() -> None:
    """Somebody who repeats a check that he has seen, from his own address, may fill only his own place."""
    world = World()
    world.accept()
    world.check(A, B)
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, A, 0.0)
    before = rejected()
    for _ in range(100):
        world.transport.receive(HELLO, B, 0.0)
    assert rejected() == before + 100 - MAX_EARLY_DATAGRAMS
    world.answer_checks(at=A)
    world.shake(A)
    assert world.told == ["connected"]


def test_nothing_that_was_kept_is_answered_at_an_address_that_never_answers_a_check() -> None:
    world = World()
    world.accept()
    world.check(A, B)
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, B, 0.0)
    now = 0.0
    while now < 40.0:
        now = max(now + 0.01, world.transport.due)
        world.transport.handle_timeout(now)
        world.answer_checks(at=A, now=now)
    assert world.dtls_sent_to() == set()
    assert world.told == []


def test_nothing_is_kept_any_more_once_there_are_keys() -> None:
    world = reached(World())
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, A, 0.0)
    world.shake(A)
    world.check(B)
    before = rejected()
    world.transport.receive(HELLO, B, 0.0)
    assert rejected() == before + 1
    assert world.transport._early == {}


def test_a_forgotten_address_is_not_sent_to_and_the_next_good_one_takes_its_place() -> None:
    world = reached(World(), OVER_TCP)
    assert world.transport.remote == OVER_TCP
    world.transport.lose(OVER_TCP, 0.1)
    assert world.transport.remote is None
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, OVER_TCP, 0.1)
    assert world.dtls_sent_to() == set()
    world.check(A, now=0.2)
    world.answer_checks(now=0.2)
    assert world.transport.remote == A


def test_what_was_kept_from_a_forgotten_address_is_gone() -> None:
    world = World()
    world.check(A)
    world.transport.receive(HELLO, A, 0.0)
    assert world.transport._early
    world.transport.handle_timeout(FORGET_S)
    assert world.transport._early == {}


def test_an_answer_goes_where_the_client_speaks_from_when_nothing_else_is_left() -> None:
    world = reached(World())
    world.check(B, now=0.1)
    world.answer_checks(now=0.1)
    world.transport.handle_timeout(1.0)
    world.answer_checks(now=1.0, nominated=False)
    assert world.transport.ice.validated(B)
    world.transport.ice.lose(A)
    world.transport.handle_timeout(1.0)
    assert world.transport.remote is None
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, B, 1.1)
    assert world.transport.remote == B
    assert world.dtls_sent_to() == {B}


def test_a_wrong_fingerprint_in_what_was_kept_ends_it_once() -> None:
    world = World()
    world.transport.set_remote(CLIENT_CREDENTIALS, (DtlsClient().fingerprint,), 0.0)
    world.check(A)
    for datagram in world.dtls.advance():
        world.transport.receive(datagram, A, 0.0)
    world.answer_checks()
    world.shake(A)
    assert world.told == ["fingerprint"]


@pytest.mark.parametrize("controlling", [True, False])
def test_rubbish_that_was_kept_ends_nothing_twice(controlling: bool) -> None:
    world = World(controlling=controlling)
    world.accept()
    world.check(A)
    for _ in range(MAX_EARLY_DATAGRAMS):
        world.transport.receive(b"\x16" + bytes(50), A, 0.0)
    world.answer_checks()
    assert len(world.told) <= 1


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3000), st.booleans()), max_size=200))
def test_what_is_kept_is_bounded_whoever_sends(datagrams: list[tuple[int, int, bool]]) -> None:
    """Forty addresses, each with a good check or without one; no datagram is the answer to anything."""
    world = World()
    learned: set[Address] = set()
    for host, length, checks in datagrams:
        address = Address("203.0.113.9", 1024 + host, UDP)
        if checks:
            world.check(address)
        learned = world.transport.ice.addresses()
        if address in learned:  # others never get as far as here
            world.transport.receive(b"\x16" + bytes(length), address, 0.0)
    kept = world.transport._early
    assert set(kept) <= learned and len(kept) <= MAX_PAIRS
    assert all(len(each) <= MAX_EARLY_DATAGRAMS for each in kept.values())
    assert all(len(data) <= MAX_EARLY_BYTES for each in kept.values() for data in each)
    assert world.dtls_sent_to() == set()
