"""The ICE agent against a scripted controlled client over a simulated network."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ice import IceAgent
from bridge.ice_checks import MAX_CHECKS
from bridge.ice_data import (
    MAX_PAIRS,
    Address,
    ConsentLost,
    ConsentRenewed,
    Credentials,
    Forgotten,
    IceRefused,
    Learned,
    Role,
    Selected,
    Send,
    Validated,
)
from carillon import stun
from carillon.stun import Attribute, Message, MessageClass, Method
from tests.bridge.ice_peer import (
    BRIDGE,
    BRIDGE_CREDENTIALS,
    CLIENT_CREDENTIALS,
    TCP,
    UDP,
    Client,
    Network,
    binding,
    make_agent,
    success,
)

A = Address("198.51.100.7", 40001, UDP)
B = Address("198.51.100.8", 40002, UDP)
NEW_BRIDGE = Credentials("bridgenew", "new-bridge-password-of-ch")
NEW_CLIENT = Credentials("clientnew", "new-client-password-of-ch")


def check(**options: object) -> bytes:
    return binding(CLIENT_CREDENTIALS, BRIDGE_CREDENTIALS, **options)  # type: ignore[arg-type]


def requests(network: Network) -> list[Send]:
    """The checks that the agent has sent."""
    return [event for event in network.events if isinstance(event, Send) and event.data[:2] == b"\0\1"]


def connected() -> tuple[Network, Client]:
    network, client = Network(make_agent()), Client()
    network.attach(client, A, B)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), A)
    network.run(0.5)
    assert network.agent.selected is not None
    return network, client


def test_a_check_is_answered_before_the_clients_password_is_known() -> None:
    network, client = Network(make_agent()), Client()
    network.attach(client, A)
    network.to_bridge(check(), A)
    network.run(1)
    (answer,) = client.answers
    assert answer.cls is MessageClass.SUCCESS
    mapped = answer.get(Attribute.XOR_MAPPED_ADDRESS)
    assert mapped is not None
    assert stun.parse_xor_address(mapped, answer.transaction_id) == A[:2]
    assert network.seen(Learned) == [Learned(A)]
    assert client.checks == []


def test_a_source_learned_early_is_checked_when_the_credentials_come_and_nominated() -> None:
    network, client = Network(make_agent()), Client()
    network.attach(client, A)
    network.to_bridge(check(), A)
    network.run(2)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.run(0.2)
    assert client.nominated == [A]
    assert network.seen(Validated) == [Validated(A)]
    assert network.seen(Selected) == [Selected(A)]
    ordinary, nominating = (message for _, message in client.checks)
    assert ordinary.get(Attribute.ICE_CONTROLLING) is not None
    assert ordinary.get(Attribute.USE_CANDIDATE) is None
    assert nominating.get(Attribute.USE_CANDIDATE) == b""


def test_of_two_working_pairs_the_one_with_the_higher_priority_is_nominated() -> None:
    network, client = Network(make_agent()), Client()
    network.attach(client, A, B)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(priority=80 << 24, transaction_id=b"a" * 12), A)
    network.to_bridge(check(priority=110 << 24, transaction_id=b"b" * 12), B)
    network.run(1)
    assert client.nominated == [B]


def test_a_pair_that_does_not_answer_does_not_hold_up_nomination() -> None:
    network, client = Network(make_agent()), Client()
    network.attach(client, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(priority=110 << 24, transaction_id=b"b" * 12), B)
    network.to_bridge(check(priority=80 << 24, transaction_id=b"a" * 12), A)
    network.run(0.3)
    assert client.nominated == [A]


def test_lost_checks_are_repeated() -> None:
    network, client = Network(make_agent()), Client()
    network.attach(client, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.lost = lambda data, address: (
        random.Random(data[8:20] + bytes(str(network.now), "ascii")).random() < 0.5
    )
    network.to_bridge(check(), A)
    network.run(20)
    assert network.seen(Selected) == [Selected(A)]


def test_a_client_that_restarts_may_go_on_with_our_old_credentials_and_its_new_ones() -> None:
    """Chromium does, when its checks are answered before our answer to its offer arrives."""
    network, old = Network(make_agent(controlling=False)), Client()
    network.attach(old, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(controlling=1, use_candidate=True), A)
    network.run(0.5)
    assert network.agent.selected is not None
    network.detach(A)
    network.attach(Client(local=NEW_CLIENT), B)
    ahead = binding(NEW_CLIENT, BRIDGE_CREDENTIALS, controlling=1, use_candidate=True)
    network.to_bridge(ahead, B)
    network.run(0.1)
    network.agent.restart(NEW_BRIDGE)
    network.agent.set_remote(NEW_CLIENT, network.now)
    network.to_bridge(ahead, B)
    network.run(0.5)
    assert network.agent.selected.address == B
    network.run(60.0)
    assert not network.agent.closed


def test_checks_to_a_dead_source_end() -> None:
    network = Network(make_agent())
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), A)
    network.run(59)
    assert len(requests(network)) == 6
    network.run(5)
    assert network.seen(Forgotten) == [Forgotten(A)]
    assert network.agent.timeout() is None


def test_a_repeated_check_of_the_client_revives_a_failed_pair() -> None:
    network, client = Network(make_agent()), Client()
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), A)
    network.run(40)
    network.attach(client, A)
    network.to_bridge(check(transaction_id=b"b" * 12), A)
    network.run(1)
    assert network.seen(Selected) == [Selected(A)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (check(key="wrong"), "integrity"),
        (binding(CLIENT_CREDENTIALS, Credentials("guessed", BRIDGE_CREDENTIALS.pwd)), "username"),
        (stun.build(Method.BINDING, MessageClass.REQUEST, bytes(12), []), "username"),
        (
            stun.build(
                Method.BINDING, MessageClass.REQUEST, bytes(12), [(Attribute.USERNAME, b"bridgeuf:clientuf")]
            ),
            "integrity",
        ),
        (
            stun.build(
                Method.BINDING,
                MessageClass.REQUEST,
                bytes(12),
                [(Attribute.USERNAME, b"bridgeuf:clientuf")],
                key=BRIDGE_CREDENTIALS.pwd.encode(),
            ),
            "malformed",
        ),
        (stun.build(Method.ALLOCATE, MessageClass.REQUEST, bytes(12), []), "malformed"),
        (stun.build(Method.BINDING, MessageClass.INDICATION, bytes(12), []), "malformed"),
        (stun.build(Method.BINDING, MessageClass.SUCCESS, bytes(12), []), "transaction"),
    ],
)
def test_what_is_not_acceptable_is_neither_answered_nor_learned(data: bytes, reason: str) -> None:
    network = Network(make_agent())
    network.to_bridge(data, A)
    network.run(1)
    assert network.refused == [reason]
    assert network.events == []


def test_an_answer_signed_with_a_wrong_password_proves_nothing() -> None:
    network, client = Network(make_agent()), Client(silent=True)
    network.attach(client, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), A)
    network.run(0.1)
    network.to_bridge(success(client.checks[0][1], BRIDGE, "another password"), A)
    network.run(0.1)
    assert network.refused == ["integrity"]
    assert network.seen(Validated) == []


def test_an_answer_from_another_address_proves_nothing() -> None:
    network, client = Network(make_agent()), Client(silent=True)
    network.attach(client, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), A)
    network.run(0.1)
    client.silent = False
    request = client.checks[0][1]
    answer = client.receive(request.raw, A)
    assert answer is not None
    network.to_bridge(answer, B)
    network.run(0.1)
    assert network.refused == ["transaction"]
    assert network.seen(Validated) == []


def test_a_flood_of_sources_is_capped_and_spares_the_working_pair() -> None:
    network, client = connected()
    sent_before = len(requests(network))
    for number in range(1000):
        network.to_bridge(check(), Address("203.0.113.9", 1024 + number, UDP))
    network.run(2)
    assert len(network.agent.addresses()) == MAX_PAIRS
    assert A in network.agent.addresses()
    assert len(requests(network)) - sent_before <= 2 / 0.05 + MAX_PAIRS * 3
    assert network.agent.selected is not None
    assert network.agent.selected.address == A
    assert len(network.agent._checks) <= MAX_CHECKS
    network.run(40)
    assert network.seen(ConsentLost) == []
    assert client.nominated == [A]


def test_use_candidate_is_no_command_to_a_controlling_agent() -> None:
    network, client = Network(make_agent()), Client(silent=True)
    network.attach(client, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(use_candidate=True), A)
    network.run(1)
    assert network.agent.selected is None


def test_consent_is_asked_for_every_five_seconds_and_keeps_the_pair() -> None:
    network, client = connected()
    before = len(client.checks)
    network.run(300)
    assert 300 / 6 <= len(client.checks) - before <= 300 / 4
    assert not network.agent.closed


def test_consent_that_is_lost_ends_everything_within_thirty_seconds() -> None:
    network, client = connected()
    network.run(60)
    client.silent = True
    network.run(31)
    assert network.seen(ConsentLost) == [ConsentLost()]
    assert network.agent.closed
    assert network.agent.timeout() is None
    sent = len(network.seen(Send))
    network.to_bridge(check(), A)
    network.run(10)
    assert network.refused == ["closed"]
    assert len(network.seen(Send)) == sent


@pytest.mark.parametrize(("signed_with", "at"), [("guessed", A), (CLIENT_CREDENTIALS.pwd, B)])
def test_consent_is_renewed_only_from_the_selected_address_with_the_password(
    signed_with: str, at: Address
) -> None:
    network, client = connected()
    client.silent = True
    renewed = len(network.seen(ConsentRenewed))
    for _ in range(35):
        network.run(1)
        for asked in requests(network)[-3:]:
            network.to_bridge(success(stun.parse(asked.data), BRIDGE, signed_with), at)
    assert len(network.seen(ConsentRenewed)) == renewed
    assert network.seen(ConsentLost) == [ConsentLost()]


def test_consent_of_a_client_whose_connection_is_gone_expires() -> None:
    network, client = Network(make_agent()), Client()
    over_tcp = Address("198.51.100.7", 50001, TCP)
    network.attach(client, over_tcp)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), over_tcp)
    network.run(2)
    assert network.seen(Selected) == [Selected(over_tcp)]
    network.detach(over_tcp)
    network.agent.lose(over_tcp)
    network.run(31)
    assert network.seen(ConsentLost) == [ConsentLost()]


def test_a_client_that_moved_to_another_address_is_followed_by_nominating_it() -> None:
    network, client = connected()
    network.run(10)
    network.detach(A)
    network.run(4)
    network.to_bridge(check(transaction_id=b"b" * 12), B)
    network.run(1)
    assert network.seen(Selected) == [Selected(A), Selected(B)]
    assert client.nominated == [A, B]
    network.run(100)
    assert network.seen(ConsentLost) == []
    assert network.seen(Forgotten) == [Forgotten(A)]


def test_a_second_working_address_does_not_move_media_while_the_first_lives() -> None:
    network, _ = connected()
    network.to_bridge(check(transaction_id=b"b" * 12), B)
    network.run(1)
    assert network.seen(Selected) == [Selected(A)]
    assert network.agent.validated(B)


def test_a_controlling_client_with_the_smaller_tie_breaker_is_told_to_switch() -> None:
    network, client = Network(make_agent()), Client()
    network.attach(client, A)
    network.to_bridge(check(controlling=0), A)
    network.run(1)
    (answer,) = client.answers
    value = answer.get(Attribute.ERROR_CODE)
    assert value is not None
    assert stun.parse_error_code(value)[0] == 487
    assert network.agent.role is Role.CONTROLLING
    assert network.seen(Learned) == []


def test_a_controlling_client_with_the_larger_tie_breaker_nominates_itself() -> None:
    network, client = Network(make_agent()), Client()
    network.attach(client, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(controlling=2**64 - 1), A)
    network.run(1)
    assert network.agent.role is Role.CONTROLLED
    assert network.agent.selected is None
    assert client.checks[0][1].get(Attribute.ICE_CONTROLLED) is not None
    network.to_bridge(check(controlling=2**64 - 1, use_candidate=True, transaction_id=b"b" * 12), A)
    network.run(1)
    assert network.seen(Selected) == [Selected(A)]
    assert client.nominated == []


def test_a_487_makes_the_agent_switch_and_check_again() -> None:
    network, client = Network(make_agent()), Client(silent=True)
    network.attach(client, A)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), A)
    network.run(0.1)
    request = client.checks[0][1]
    conflict = [(int(Attribute.ERROR_CODE), stun.error_code(487, "Role Conflict"))]
    key = CLIENT_CREDENTIALS.pwd.encode()
    network.to_bridge(
        stun.build(Method.BINDING, MessageClass.ERROR, request.transaction_id, conflict, key=key), A
    )
    network.run(0.2)
    assert network.agent.role is Role.CONTROLLED
    assert client.checks[-1][1].get(Attribute.ICE_CONTROLLED) is not None


def test_a_restart_keeps_the_old_pair_until_a_new_one_is_nominated() -> None:
    network, client = connected()
    network.agent.restart(NEW_BRIDGE)
    assert network.agent.local == NEW_BRIDGE
    assert network.agent.ufrags() == (BRIDGE_CREDENTIALS.ufrag, NEW_BRIDGE.ufrag)
    network.run(20)
    assert not network.agent.closed
    restarted = Client(local=NEW_CLIENT, remote=NEW_BRIDGE)
    network.attach(restarted, B)
    network.to_bridge(binding(NEW_CLIENT, NEW_BRIDGE), B)
    network.run(1)
    assert network.seen(Selected) == [Selected(A)]
    network.agent.set_remote(NEW_CLIENT, network.now)
    network.run(1)
    assert network.seen(Selected) == [Selected(A), Selected(B)]
    assert network.seen(Forgotten) == [Forgotten(A)]
    assert network.agent.ufrags() == (NEW_BRIDGE.ufrag,)
    client.silent = True
    network.run(100)
    assert not network.agent.closed


def test_restarts_without_an_answer_do_not_pile_up() -> None:
    network, _ = connected()
    for number in range(20):
        network.agent.restart(Credentials(f"again{number}", "p" * 24))
    assert network.agent.ufrags() == (BRIDGE_CREDENTIALS.ufrag, "again19")


@given(
    st.sampled_from([BRIDGE_CREDENTIALS.pwd, CLIENT_CREDENTIALS.pwd]),
    st.sampled_from(list(MessageClass)),
    st.lists(st.tuples(st.sampled_from(list(Attribute)), st.binary(max_size=24)), max_size=6),
)
def test_no_message_raises_anything_but_a_refusal(
    key: str, cls: MessageClass, attributes: list[tuple[int, bytes]]
) -> None:
    reserved = (Attribute.MESSAGE_INTEGRITY, Attribute.FINGERPRINT)
    kept = [(int(kind), value) for kind, value in attributes if kind not in reserved]
    agent = make_agent()
    agent.set_remote(CLIENT_CREDENTIALS, 0.0)
    agent.receive(stun.parse(check()), A, 0.0)
    *_, asked = (event for event in agent.events() if isinstance(event, Send))
    transaction_id = stun.parse(asked.data).transaction_id
    kept.insert(0, (int(Attribute.USERNAME), b"bridgeuf:clientuf"))
    message = stun.parse(stun.build(Method.BINDING, cls, transaction_id, kept, key=key.encode()))
    _feed(agent, message)


def _feed(agent: IceAgent, message: Message) -> None:
    try:
        agent.receive(message, A, 1.0)
    except IceRefused:
        return
    agent.handle_timeout(2.0)
    agent.events()


def test_udp_is_nominated_even_when_tcp_was_good_first_and_has_the_higher_priority() -> None:
    network, client = Network(make_agent()), Client()
    tcp, udp = Address(A.ip, A.port, TCP), B
    network.attach(client, tcp, udp)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(binding(CLIENT_CREDENTIALS, BRIDGE_CREDENTIALS, priority=2**31 - 1), tcp)
    network.run(0.3)
    assert client.nominated == []
    network.to_bridge(check(), udp)
    network.run(1.0)
    assert client.nominated == [udp]


def test_tcp_alone_is_nominated_and_left_for_udp_when_that_works() -> None:
    network, client = Network(make_agent()), Client()
    tcp, udp = Address(A.ip, A.port, TCP), B
    network.attach(client, tcp, udp)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), tcp)
    network.run(1.0)
    assert network.seen(Selected) == [Selected(tcp)]
    network.to_bridge(check(), udp)
    network.run(1.0)
    assert network.seen(Selected) == [Selected(tcp), Selected(udp)]


def test_a_connection_that_is_closed_is_left_for_the_next_one_at_once() -> None:
    network, client = Network(make_agent()), Client()
    first, second = Address(A.ip, 1, TCP), Address(A.ip, 2, TCP)
    network.attach(client, first, second)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    network.to_bridge(check(), first)
    network.run(1.0)
    network.agent.lose(first)
    network.detach(first)
    network.to_bridge(check(), second)
    network.run(0.2)
    assert network.seen(Selected) == [Selected(first), Selected(second)]
    network.run(0.1)
    assert network.agent.addresses() == {second}


def test_a_connection_that_is_closed_and_not_in_use_is_forgotten() -> None:
    network, client = Network(make_agent()), Client()
    spare = Address(A.ip, 1, TCP)
    network.attach(client, A, spare)
    network.agent.set_remote(CLIENT_CREDENTIALS, network.now)
    for address in (A, spare):
        network.to_bridge(check(), address)
        network.run(1.0)
    network.agent.lose(spare)
    network.collect()
    assert network.events[-1] == Forgotten(spare)
    assert network.agent.addresses() == {A}
