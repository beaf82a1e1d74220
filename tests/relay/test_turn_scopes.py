"""How far guests and people with accounts relay: a deployment that lets guests in is no open relay."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from carillon.credentials import issue
from relay.turn.peers import Scope
from tests.relay.turn_client import Peer, Refused, TurnClient, credential, running_tls_relay
from tests.relay.turn_core import PEER, SECRET, UNIX_TIME, Client, Core, indication, policy

GUESTS = {
    "guest": "x1@guest.localhost",
    "nameless": "",
    "hash": "5d41402abc4b2a76b9719d911017c592",
    "other domain": "romeo@example.org",
    "subdomain": "romeo@a.localhost",
    "domain alone": "localhost",
    "no local part": "@localhost",
    "account in a resource": "x1@guest.localhost/romeo@localhost",
    "resource of an account": "romeo@localhost/x",
    "other case": "romeo@LOCALHOST",
}
BRIDGE = ("127.0.0.9", 10_000)
ANYWHERE = [("1.1.1.1", 53), ("8.8.8.8", 443), PEER]


def client_of(core: Core, name: str) -> Client:
    return core.client(user=issue(SECRET, name, 600, UNIX_TIME))


@pytest.mark.parametrize("name", GUESTS.values(), ids=GUESTS)
def test_who_has_no_account_relays_to_the_bridge_and_nowhere_else(name: str) -> None:
    core = Core(turn__allow_peers='["10.0.0.0/8"]', turn__bridges='["192.0.2.5:10001"]')
    guest, account = client_of(core, name), core.client("romeo@localhost")
    port, account_port = guest.allocate(), account.allocate()
    for peer in [*ANYWHERE, ("10.0.0.1", 7), ("127.0.0.1", 7), ("9.9.9.8", port)]:
        assert guest.permit(peer[0]) == guest.bind(0x4001, peer) == 403
        assert not guest.send(b"x", peer)
        assert not guest.send_channel(b"x", 0x4001, peer)
        assert core.peer_sends(port, b"x", peer) is None
    for peer in [*ANYWHERE, ("10.0.0.1", 7)]:
        assert account.permit(peer[0]) == 0
        assert account.send(b"x", peer)
        assert core.peer_sends(account_port, b"x", peer) is not None
    for number, (ip, right) in enumerate((BRIDGE, ("192.0.2.5", 10_001))):
        assert guest.permit(ip) == 0
        assert guest.send(b"x", (ip, right))
        assert indication(core.peer_sends(port, b"y", (ip, right)) or b"") == ((ip, right), b"y")
        assert guest.bind(0x4000 + number, (ip, right)) == 0
        assert guest.send_channel(b"x", 0x4000 + number, (ip, right))
        for wrong in (right + 1, 53, port):
            assert not guest.send(b"x", (ip, wrong))
            assert core.peer_sends(port, b"y", (ip, wrong)) is None
            assert guest.bind(0x4100, (ip, wrong)) == 403
    assert guest.permit(BRIDGE[0], "1.1.1.1") == 403


def test_a_bridge_on_a_public_address_opens_only_itself_to_guests() -> None:
    core = Core(bridge__address='"8.8.4.4"')
    guest, account = core.client("x1@guest.localhost"), core.client()
    guest.allocate()
    account.allocate()
    for one in (guest, account):
        assert one.permit("8.8.4.4") == 0
        assert one.send(b"x", ("8.8.4.4", 10_000))
        assert not one.send(b"x", ("8.8.4.4", 10_001))
    assert guest.permit("8.8.4.5") == 403
    assert account.permit("8.8.4.5") == 0


@pytest.mark.parametrize("address", ['"9.9.9.9"', '"127.0.0.1"', '"10.0.0.7"'])
@pytest.mark.parametrize("names", [("x1@guest.localhost", "x2@guest.localhost"), ("", "romeo@localhost")])
def test_addresses_relayed_here_reach_each_other(address: str, names: tuple[str, str]) -> None:
    core = Core(turn__address=address)
    ip = address.strip('"')
    one, two = (client_of(core, name) for name in names)
    ports = one.allocate(), two.allocate()
    assert one.permit(ip) == 0
    assert not one.send(b"x", (ip, ports[1])), "the other has not permitted it"
    assert two.bind(0x4000, (ip, ports[0])) == 0
    assert one.send(b"x", (ip, ports[1]))
    assert core.output.to_clients[-1] == (two.five_tuple, b"\x40\0\0\1x")
    assert two.send_channel(b"y", 0x4000, (ip, ports[0]))
    assert indication(core.output.to_clients[-1][1]) == ((ip, ports[1]), b"y")
    assert not core.output.to_peers, "nothing leaves the process"
    for port in (3478, 5349, 8080, 53, ports[0] ^ 1):
        assert not one.send(b"x", (ip, port))
        assert one.bind(0x4001, (ip, port)) == 403
        assert core.peer_sends(ports[0], b"x", (ip, port)) is None
    assert two.refresh(0) == 0
    assert not one.send(b"x", (ip, ports[1]))


def test_behind_1_to_1_nat_they_reach_each_other_at_the_address_that_clients_are_told() -> None:
    core = Core(turn__address='"10.0.0.7"', turn__advertise='"9.9.9.9"')
    one, two = core.client("x1@guest.localhost"), core.client("x2@guest.localhost")
    ports = one.allocate(), two.allocate()
    assert one.permit("9.9.9.9") == two.permit("9.9.9.9") == 0
    assert one.send(b"x", ("9.9.9.9", ports[1]))
    assert indication(core.output.to_clients[-1][1]) == (("9.9.9.9", ports[0]), b"x")


def test_the_scope_of_guests_can_be_opened() -> None:
    core = Core(turn__guest_scope='"open"')
    for name in GUESTS.values():
        guest = client_of(core, name)
        guest.allocate()
        assert guest.permit("1.1.1.1") == 0
        assert guest.permit("10.0.0.1") == 403, "what nobody may is still refused"


def test_where_guests_log_in_on_the_domain_itself_nobody_is_known_to_have_an_account() -> None:
    same = policy(xmpp__domain='"example.org"', xmpp__guest_domain='"example.org"')
    apart = policy(xmpp__domain='"example.org"')
    for name in ("romeo@example.org", "x@guest.example.org", ""):
        assert same.scope(name) is Scope.BRIDGE
    assert apart.scope("romeo@example.org") is Scope.OPEN
    assert apart.scope("x@guest.example.org") is Scope.BRIDGE


@pytest.mark.parametrize("transports", [("udp", "udp"), ("tcp", "udp"), ("tls", "tcp")], ids="-".join)
async def test_two_guests_call_each_other_through_two_relayed_addresses(
    tmp_path: Path, transports: tuple[str, str]
) -> None:
    stranger = await Peer.open()
    async with running_tls_relay(tmp_path, bridge__port=stranger.address[1] ^ 1) as (relay, tls_port):
        turn = relay._settings.turn
        ports = {"udp": turn.udp_port, "tcp": turn.tcp_port, "tls": tls_port}
        guests = [
            TurnClient(transport, credential(f"x{number}@guest.localhost"))
            for number, transport in enumerate(transports)
        ]
        await asyncio.gather(
            *(guest.connect(ports[kind]) for guest, kind in zip(guests, transports, strict=True))
        )
        one, two = guests
        first, second = await one.allocate(), await two.allocate()
        await one.permit(second)
        await two.permit(first)
        one.send(second, b"check")
        assert await two.receive() == (first, b"check")
        two.send(first, b"check back")
        assert await one.receive() == (second, b"check back")
        await one.bind(0x4000, second)
        await two.bind(0x4001, first)
        for size in (1, 172, 1200):
            one.send_channel(0x4000, bytes(size))
            assert await two.receive() == (0x4001, bytes(size))
            two.send_channel(0x4001, b"y" * size)
            assert await one.receive() == (0x4000, b"y" * size)
        with pytest.raises(Refused) as refused:
            await one.bind(0x4002, stranger.address)
        assert refused.value.code == 403
        stranger.send(b"from outside", first)
        two.send_channel(0x4001, b"after it")
        assert await one.receive() == (0x4000, b"after it")
        assert stranger.data.empty()
        for guest in guests:
            guest.close()
    stranger.close()
