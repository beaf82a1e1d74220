"""Attacks on the relay and the answers they get, each with a positive control beside it."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from carillon.stun import Attribute, MessageClass, Method, build, xor_address
from relay.turn.five_tuple import FiveTuple
from tests.relay.turn_core import PEER, UDP_TRANSPORT, Core, code_of, indication

STRANGER = FiveTuple("udp", "198.51.100.7", 4000)
FAMILY_6 = (Attribute.REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0")
BRIDGE = '"127.0.0.9"'

DENIED_4 = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3"),
    *("169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16"),
    *("224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1"),
]
DENIED_6 = ["::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "64:ff9b:1::1"]


def spelled(ip: str) -> list[str]:
    """The IPv6 spellings of an IPv4 address: mapped, compatible, translated, NAT64, 6to4."""
    number = int(ipaddress.IPv4Address(ip))
    numbers = [
        0xFFFF << 32 | number,
        number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80 | 1,
    ]
    return [str(ipaddress.IPv6Address(value)) for value in numbers]


@pytest.mark.parametrize("ip", DENIED_4 + DENIED_6 + [text for ip in DENIED_4 for text in spelled(ip)])
def test_peers_that_are_not_public_are_denied(ip: str) -> None:
    for overrides, family in (
        ({}, ()),
        ({"turn__address": '"2606:4700::5"', "bridge__address": '"2606:4700::5"'}, (FAMILY_6,)),
    ):
        core = Core(**overrides)
        client = core.client()
        port = client.allocate(*family)
        assert client.permit(ip) == 403
        assert client.bind(0x4000, (ip, 7)) == 403
        assert not client.send(b"x", (ip, 7))
        assert not client.send_channel(b"x", 0x4000, (ip, 7))
        assert core.peer_sends(port, b"x", (ip, 7)) is None
        good = "1.1.1.1" if not family else "2606:4700::1111"
        assert client.permit(good) == client.bind(0x4000, (good, 7)) == 0


def test_good_and_denied_peers_together_install_nothing() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    for peers in (("1.1.1.1", "127.0.0.1"), ("127.0.0.1", "1.1.1.1"), ("1.1.1.1", "::ffff:10.0.0.1")):
        assert client.permit(*peers) == 403
        assert not client.send(b"x", ("1.1.1.1", 5))
    assert client.permit("1.1.1.1", "1.1.1.2") == 0
    assert client.send(b"x", ("1.1.1.1", 5)) and client.send(b"x", ("1.1.1.2", 5))


def test_allowed_networks_are_allowed_wholly() -> None:
    core = Core(turn__allow_peers='["127.0.0.0/8", "10.1.0.0/16"]')
    client = core.client()
    client.allocate()
    for ip in ("127.0.0.1", "127.255.0.1", "10.1.2.3"):
        assert client.permit(ip) == 0
        assert client.send(b"x", (ip, 40_000))
    assert client.permit("10.2.0.1") == client.permit("192.168.0.1") == 403


def test_allowing_everything_does_not_allow_multicast_or_nobody() -> None:
    core = Core(turn__allow_peers='["0.0.0.0/0", "::/0"]')
    client = core.client()
    client.allocate()
    for ip in ("0.0.0.0", "224.0.0.1", "255.255.255.255"):
        assert client.permit(ip) == 403
    assert client.permit("192.168.0.1") == 0


OWN_PORTS = {
    "turn__udp_port": 3478,
    "turn__tcp_port": 3479,
    "front__port": 8080,
    "xmpp__c2s_port": 5222,
    "xmpp__component_port": 5347,
}


@pytest.mark.parametrize("address", ['"127.0.0.1"', '"9.9.9.9"'])
def test_listeners_of_our_own_are_closed_even_where_peers_are_allowed(address: str) -> None:
    ports = {key: str(value) for key, value in OWN_PORTS.items()}
    core = Core(turn__address=address, turn__allow_peers='["127.0.0.0/8", "9.9.9.9/32"]', **ports)
    client = core.client()
    relay_port = client.allocate()
    for ip in ("127.0.0.1", "127.0.0.2", "9.9.9.9") if address == '"9.9.9.9"' else ("127.0.0.1", "127.0.0.2"):
        assert client.permit(ip) == 0
        for number, port in enumerate([*OWN_PORTS.values(), 8083, 0]):
            assert client.bind(0x4100 + number, (ip, port)) == 403
            assert not client.send(b"x", (ip, port))
            assert core.peer_sends(relay_port, b"x", (ip, port)) is None
        assert client.bind(0x4000 + int(ip[-1]), (ip, 9000)) == 0
        assert client.send(b"x", (ip, 9000))


def test_of_our_own_public_address_only_live_relay_ports_are_open() -> None:
    core = Core()
    client, other = core.client(), core.client("juliet@localhost")
    client.allocate()
    theirs = ("9.9.9.9", other.allocate())
    assert client.permit("9.9.9.9") == 0
    assert not client.send(b"x", theirs)
    assert other.permit("9.9.9.9") == 0
    assert client.send(b"x", theirs)
    assert client.bind(0x4000, theirs) == 0
    for port in (3478, 53, 161, theirs[1] ^ 1):
        assert not client.send(b"x", ("9.9.9.9", port))
        assert client.bind(0x4001, ("9.9.9.9", port)) == 403
    assert other.refresh(0) == 0
    assert not client.send(b"x", theirs)
    assert not client.send_channel(b"x", 0x4000, theirs)


def test_a_bridge_is_open_as_an_exact_address_and_port() -> None:
    core = Core(bridge__address=BRIDGE, bridge__port="10000", turn__bridges='["10.0.0.5:10001"]')
    client = core.client()
    port = client.allocate()
    for number, pair in enumerate((("127.0.0.9", 10_000), ("10.0.0.5", 10_001))):
        wrong = (pair[0], pair[1] + 7)
        assert client.permit(pair[0]) == 0
        assert client.send(b"x", pair)
        assert indication(core.peer_sends(port, b"y", pair) or b"") == (pair, b"y")
        assert not client.send(b"x", wrong)
        assert core.peer_sends(port, b"y", wrong) is None
        assert client.bind(0x4000 + number, wrong) == 403
        assert client.bind(0x4000 + number, pair) == 0
        assert client.send_channel(b"x", 0x4000 + number, pair)
        assert core.peer_sends(port, b"y", wrong) is None
    for ip in ("127.0.0.1", "127.0.0.8", "10.0.0.6", "::ffff:127.0.0.1"):
        assert client.permit(ip) == 403
    assert client.permit("::ffff:127.0.0.9") == 443


def test_a_bridge_on_every_address_opens_none() -> None:
    core = Core(bridge__address='"0.0.0.0"', bridge__advertise='"10.0.0.5"')
    client = core.client()
    client.allocate()
    assert client.permit("0.0.0.0") == 403
    assert client.permit("10.0.0.5") == 0
    assert client.send(b"x", ("10.0.0.5", 10_000))
    assert not client.send(b"x", ("10.0.0.5", 10_001))


BINDING = build(Method.BINDING, MessageClass.REQUEST, bytes(12), [])
SILENT = {
    "success": build(Method.BINDING, MessageClass.SUCCESS, bytes(12), []),
    "error": build(Method.ALLOCATE, MessageClass.ERROR, bytes(12), []),
    "Binding indication": build(Method.BINDING, MessageClass.INDICATION, bytes(12), []),
    "Data indication": build(Method.DATA, MessageClass.INDICATION, bytes(12), []),
    "Send as a request": build(Method.SEND, MessageClass.REQUEST, bytes(12), []),
    "unknown method": build(0x0FF, MessageClass.REQUEST, bytes(12), []),
    "empty": b"",
    "garbage": b"\x37" * 40,
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "DTLS": bytes.fromhex("16fefd0000000000000000") + bytes(60),
    "RFC 3489": bytes.fromhex("00010000") + bytes(16),
    "RESPONSE-ADDRESS": build(1, MessageClass.REQUEST, bytes(12), [(2, bytes.fromhex("0001123401010101"))]),
    "CHANGE-REQUEST": build(1, MessageClass.REQUEST, bytes(12), [(3, b"\0\0\0\6")]),
    "bad FINGERPRINT": BINDING[:2] + b"\0\x08" + BINDING[4:] + bytes.fromhex("8028000400000000"),
    "reserved channel": b"\x50\x00\x00\x00",
    "unbound channel": b"\x40\x00\x00\x00",
}


@pytest.mark.parametrize("data", SILENT.values(), ids=SILENT.keys())
def test_what_is_no_request_gets_no_answer(data: bytes) -> None:
    core = Core()
    assert core.answer(STRANGER, data) is None
    assert code_of(core.answer(STRANGER, BINDING)) == 0


def test_answers_amplify_little() -> None:
    core = Core()
    answer = core.answer(STRANGER, BINDING)
    assert answer is not None and len(answer.raw) <= 2 * len(BINDING)
    for attributes in ([], [UDP_TRANSPORT]):
        request = build(Method.ALLOCATE, MessageClass.REQUEST, bytes(12), attributes)
        answer = core.answer(STRANGER, request)
        assert answer is not None and len(answer.raw) <= 4 * len(request)
    request = build(
        Method.BINDING, MessageClass.REQUEST, bytes(12), [(kind, b"") for kind in range(0x7000, 0x7020)]
    )
    answer = core.answer(STRANGER, request)
    assert answer is not None and code_of(answer) == 420 and len(answer.raw) <= 2 * len(request)


def test_a_flood_of_one_address_is_answered_a_little_and_hurts_nobody() -> None:
    core = Core()
    user = core.client()
    user.allocate()
    user.permit(PEER[0])
    answered = 0
    request = build(Method.ALLOCATE, MessageClass.REQUEST, bytes(12), [UDP_TRANSPORT])
    for number in range(3000):
        core.now += 1 / 3000
        answered += core.answer(STRANGER._replace(port=1024 + number), request) is not None
        if number % 100 == 0:
            assert user.refresh() == 600
            assert user.send(b"x")
    assert answered <= 45
    core.client("juliet@localhost").allocate()
    core.now += 2
    assert core.answer(STRANGER, request) is not None


def test_a_user_works_while_a_flood_comes_from_the_same_address() -> None:
    core = Core()
    user = core.client(five_tuple=STRANGER)
    user.allocate()
    for number in range(500):
        core.answer(STRANGER._replace(port=1024 + number), BINDING)
    assert user.permit(PEER[0]) == 0
    assert user.send(b"x")


def test_many_forged_sources_cost_bounded_memory() -> None:
    core = Core()
    request = build(Method.ALLOCATE, MessageClass.REQUEST, bytes(12), [])
    for number in range(20_000):
        core.server.receive(
            FiveTuple("udp", str(ipaddress.IPv4Address(number << 8 | 7)), 9), request, core.now
        )
        core.output.to_clients.clear()
    assert len(core.server._unauthenticated) <= 4096
    assert not core.server.allocations.by_client
    core.client().allocate()


def test_a_connection_that_sends_no_messages_is_closed_and_others_not() -> None:
    core = Core()
    bad, good = FiveTuple("tcp", "198.51.100.7", 1), FiveTuple("tcp", "198.51.100.7", 2)
    assert core.answer(bad, SILENT["bad FINGERPRINT"]) is None
    assert code_of(core.answer(good, BINDING)) == 0
    assert core.output.closed == [bad]


def test_a_giant_username_is_refused() -> None:
    core = Core()
    client = core.client()
    client.challenge()
    attributes = [(Attribute.USERNAME, b"1" * 60_000), (Attribute.REALM, b"localhost")]
    data = build(
        Method.ALLOCATE,
        MessageClass.REQUEST,
        bytes(12),
        [*attributes, (Attribute.NONCE, client.nonce)],
        key=b"k",
    )
    assert code_of(core.answer(client.five_tuple, data)) == 401
    client.allocate()


def test_a_released_port_is_closed_before_the_answer() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    assert client.refresh(0) == 0
    assert port not in core.output.open
    assert core.peer_sends(port, b"x") is None
    client.allocate()


def test_a_binding_tells_the_mapped_address_and_nothing_else() -> None:
    for ip in ("198.51.100.7", "2001:db8::7"):
        answer = Core().answer(FiveTuple("udp", ip, 4000), BINDING)
        assert answer is not None
        assert answer.attributes == ((Attribute.XOR_MAPPED_ADDRESS, xor_address(ip, 4000, bytes(12))),)
    signed = build(Method.BINDING, MessageClass.REQUEST, bytes(12), [], fingerprint=True)
    answer = Core().answer(STRANGER, signed)
    assert answer is not None and answer.get(Attribute.FINGERPRINT) is not None
    unknown = build(Method.BINDING, MessageClass.REQUEST, bytes(12), [(0x7777, struct.pack("!I", 1))])
    assert code_of(Core().answer(STRANGER, unknown)) == 420
