"""Allocate, Refresh, CreatePermission and ChannelBind on the server core (RFC 8656 §7 to §12)."""

from __future__ import annotations

import struct

import pytest

from carillon.stun import Attribute, Method, parse_xor_address, xor_address
from tests.relay.turn_core import PEER, UDP_TRANSPORT, Core, code_of

LIFETIME_MAX = (Attribute.LIFETIME, b"\xff" * 4)


def test_an_allocation_tells_relayed_and_mapped_address_and_lifetime() -> None:
    core = Core(turn__advertise='"203.0.113.5"')
    client = core.client()
    answer = client.request(Method.ALLOCATE, UDP_TRANSPORT)
    assert answer is not None and code_of(answer) == 0
    ip, port = parse_xor_address(answer.get(Attribute.XOR_RELAYED_ADDRESS) or b"", answer.transaction_id)
    assert ip == "203.0.113.5"
    assert core.output.open == {port}
    assert parse_xor_address(answer.get(Attribute.XOR_MAPPED_ADDRESS) or b"", answer.transaction_id) == (
        client.five_tuple.ip,
        client.five_tuple.port,
    )
    assert answer.get(Attribute.LIFETIME) == struct.pack("!I", 600)
    assert answer.get(Attribute.SOFTWARE) is None


def test_a_retransmitted_allocate_gets_the_same_success() -> None:
    core = Core()
    client = core.client()
    tid = bytes(range(12))
    first = client.request(Method.ALLOCATE, UDP_TRANSPORT, tid=tid)
    core.now += 3
    second = client.request(Method.ALLOCATE, UDP_TRANSPORT, tid=tid)
    assert first is not None and second is not None and first.raw == second.raw
    assert len(core.output.open) == 1
    assert client.code(Method.ALLOCATE, UDP_TRANSPORT) == 437


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ((), 400),
        (((Attribute.REQUESTED_TRANSPORT, b"\x11"),), 400),
        (((Attribute.REQUESTED_TRANSPORT, b"\x06\0\0\0"),), 442),
        ((UDP_TRANSPORT, (Attribute.DONT_FRAGMENT, b"")), 420),
        ((UDP_TRANSPORT, (Attribute.RESERVATION_TOKEN, bytes(8))), 420),
        ((UDP_TRANSPORT, (0x7777, b"")), 420),
        ((UDP_TRANSPORT, (0x8777, b"")), 0),
        ((UDP_TRANSPORT, (Attribute.LIFETIME, b"")), 400),
        ((UDP_TRANSPORT, (Attribute.REQUESTED_ADDRESS_FAMILY, b"\x01\0\0\0")), 0),
        ((UDP_TRANSPORT, (Attribute.REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0")), 440),
        ((UDP_TRANSPORT, (Attribute.REQUESTED_ADDRESS_FAMILY, b"\x01")), 400),
        ((UDP_TRANSPORT, (Attribute.EVEN_PORT, b"\0")), 0),
        ((UDP_TRANSPORT, (Attribute.EVEN_PORT, b"\x80")), 508),
        ((UDP_TRANSPORT, (Attribute.EVEN_PORT, b"")), 400),
    ],
)
def test_allocate_answers_by_its_attributes(attributes: tuple[tuple[int, bytes], ...], code: int) -> None:
    core = Core()
    assert core.client().code(Method.ALLOCATE, *attributes) == code
    assert len(core.output.open) == (code == 0)


def test_unknown_attributes_are_listed() -> None:
    answer = Core().client().request(Method.ALLOCATE, (0x7777, b""), UDP_TRANSPORT, (0x0026, b"x"))
    assert answer is not None and code_of(answer) == 420
    assert answer.get(Attribute.UNKNOWN_ATTRIBUTES) == b"\x77\x77\x00\x26"


def test_an_even_port_is_even() -> None:
    core = Core()
    ports = [core.client(f"{n}@x").allocate((Attribute.EVEN_PORT, b"\0")) for n in range(12)]
    assert all(port % 2 == 0 for port in ports)


@pytest.mark.parametrize(
    ("wanted", "granted"), [(None, 600), (1, 600), (600, 600), (3000, 3000), (0xFFFFFFFF, 3600), (0, 0)]
)
def test_refresh_grants_a_lifetime_within_the_limits(wanted: int | None, granted: int) -> None:
    core = Core()
    client = core.client()
    client.allocate()
    assert client.refresh(wanted) == granted
    core.now += max(granted - 1, 0)
    core.server.tick(core.now)
    assert len(core.output.open) == (granted > 0)
    core.now += 2
    core.server.tick(core.now)
    assert not core.output.open


def test_a_long_lifetime_is_capped_at_once() -> None:
    core = Core()
    core.client().allocate(LIFETIME_MAX)
    core.server.tick(core.now + 3599)
    assert core.output.open
    core.server.tick(core.now + 3601)
    assert not core.output.open


def test_an_expired_allocation_is_gone_before_the_tick() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    client.permit(PEER[0])
    core.now += 601
    assert not client.send(b"late")
    core.unix_time -= 600  # the credential is still good
    client.nonce = b""
    assert client.refresh() == -437


def test_requests_without_allocation_get_437() -> None:
    client = Core().client()
    assert client.refresh() == -437
    assert client.permit(PEER[0]) == 437
    assert client.bind() == 437


def test_permissions_last_five_minutes_and_channels_ten() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    assert client.permit("2.2.2.2") == 0
    assert client.bind() == 0
    core.now += 299
    assert client.send(b"x", ("2.2.2.2", 5))
    core.now += 2
    assert not client.send(b"x", ("2.2.2.2", 5))
    assert client.send_channel(b"x")
    assert core.peer_sends(port, b"y") == b"\x40\x00\x00\x01y"
    assert core.peer_sends(port, b"y", (PEER[0], 1)) is None
    core.now += 298
    assert client.send_channel(b"x")
    core.now += 2
    assert not client.send_channel(b"x")
    assert core.peer_sends(port, b"y") is None


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ((), 400),
        (((Attribute.XOR_PEER_ADDRESS, b"\0\1"),), 400),
        (((Attribute.XOR_PEER_ADDRESS, xor_address("1.1.1.1", 1, bytes(12))),), 0),
        (((Attribute.XOR_PEER_ADDRESS, xor_address("2606:4700::1", 1, bytes(12))),), 443),
    ],
)
def test_create_permission_needs_addresses_of_its_family(
    attributes: tuple[tuple[int, bytes], ...], code: int
) -> None:
    client = Core().client()
    client.allocate()
    assert client.code(Method.CREATE_PERMISSION, *attributes, tid=bytes(12)) == code


@pytest.mark.parametrize("number", [0x0000, 0x3FFF, 0x5000, 0x7FFF, 0xFFFF])
def test_reserved_channel_numbers_are_refused(number: int) -> None:
    client = Core().client()
    client.allocate()
    assert client.bind(number) == 400
    assert client.bind(0x4000) == client.bind(0x4FFF, ("1.1.1.2", 1)) == 0


def test_a_channel_has_one_peer_and_a_peer_one_channel() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    assert client.bind(0x4000, PEER) == 0
    assert client.bind(0x4000, PEER) == 0
    assert client.bind(0x4001, PEER) == 400
    assert client.bind(0x4000, ("1.1.1.1", 7001)) == 400
    core.now += 601
    core.unix_time -= 601
    client.nonce = b""
    assert client.refresh(3600) == -437
    client.allocate((Attribute.LIFETIME, struct.pack("!I", 3600)))
    assert client.bind(0x4001, PEER) == 0


def test_an_expired_channel_can_be_bound_anew() -> None:
    core = Core()
    client = core.client()
    client.allocate((Attribute.LIFETIME, struct.pack("!I", 3600)))
    assert client.bind(0x4000, PEER) == client.bind(0x4001, ("1.1.1.2", 5)) == 0
    core.now += 601
    core.unix_time -= 601
    client.nonce = b""
    assert client.bind(0x4001, PEER) == client.bind(0x4000, ("1.1.1.2", 5)) == 0
    assert client.send_channel(b"x", 0x4001, PEER)


def test_channel_bind_needs_number_and_peer() -> None:
    client = Core().client()
    client.allocate()
    number = (Attribute.CHANNEL_NUMBER, b"\x40\0\0\0")
    peer = (Attribute.XOR_PEER_ADDRESS, xor_address(*PEER, bytes(12)))
    assert client.code(Method.CHANNEL_BIND, number, tid=bytes(12)) == 400
    assert client.code(Method.CHANNEL_BIND, peer, tid=bytes(12)) == 400
    assert client.code(Method.CHANNEL_BIND, peer, (Attribute.CHANNEL_NUMBER, b"\x40"), tid=bytes(12)) == 400
    assert client.code(Method.CHANNEL_BIND, number, peer, tid=bytes(12)) == 0


def test_permissions_and_channels_of_one_allocation_are_bounded() -> None:
    core = Core()
    client = core.client()
    client.allocate((Attribute.LIFETIME, struct.pack("!I", 3600)))
    codes = [client.permit(f"1.2.{n // 256}.{n % 256}") for n in range(200)]
    assert codes == [0] * 128 + [508] * 72
    core.now += 301
    assert client.permit("1.3.0.0") == 0
    codes = [client.bind(0x4000 + n, ("1.2.3.4", 1000 + n)) for n in range(200)]
    assert codes == [0] * 128 + [508] * 72


def test_the_quota_of_a_user_counts_every_expiry_and_is_given_back() -> None:
    core = Core(turn__allocations_per_user="3")
    clients = []
    for _ in range(3):
        core.unix_time += 1
        clients.append(core.client())
        clients[-1].allocate()
    late = core.client()
    assert late.code(Method.ALLOCATE, UDP_TRANSPORT) == 486
    core.client("juliet@localhost").allocate()
    assert clients[0].refresh(0) == 0
    late.allocate()


def test_who_has_no_name_is_counted_by_address() -> None:
    core = Core(turn__allocations_per_user="1")
    first = core.client("")
    first.allocate()
    neighbour = core.client("", five_tuple=first.five_tuple._replace(port=1))
    assert neighbour.code(Method.ALLOCATE, UDP_TRANSPORT) == 486
    core.client("").allocate()


def test_all_allocations_and_all_ports_are_bounded() -> None:
    core = Core(turn__max_allocations="2")
    first = core.client("a@x")
    first.allocate()
    core.client("b@x").allocate()
    third = core.client("c@x")
    assert third.code(Method.ALLOCATE, UDP_TRANSPORT) == 508
    first.refresh(0)
    third.allocate()
    core = Core(turn__relay_ports="[6000, 6001]", turn__allocations_per_user="9")
    core.output.busy = {6000}
    assert core.client().allocate() == 6001
    assert core.client().code(Method.ALLOCATE, UDP_TRANSPORT) == 508
    core.output.busy = set()
    assert core.client().allocate() == 6000


def test_the_end_of_a_connection_ends_its_allocation() -> None:
    core = Core()
    client = core.client(transport="tcp")
    client.allocate()
    core.server.closed(client.five_tuple)
    core.server.closed(client.five_tuple)
    assert not core.output.open


def test_an_ipv6_server_relays_ipv6() -> None:
    core = Core(turn__address='"2606:4700::5"', bridge__address='"2606:4700::5"')
    client = core.client()
    assert client.code(Method.ALLOCATE, UDP_TRANSPORT) == 440
    family = (Attribute.REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0")
    client.allocate(family)
    assert client.permit("1.1.1.1") == 443
    assert client.permit("::ffff:1.1.1.1") == 443
    assert client.permit("2606:4700::9") == 0
    assert client.send(b"x", ("2606:4700::9", 9))
    assert client.code(Method.REFRESH, (Attribute.REQUESTED_ADDRESS_FAMILY, b"\x01\0\0\0")) == 443
    assert client.code(Method.REFRESH, family) == 0
