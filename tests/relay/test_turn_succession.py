"""relay.turn.succession: a server goes on with what another one has told it, at the point where that was."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from carillon.stun import Attribute, Method, parse_xor_address
from relay.turn.state import TurnState
from relay.turn.succession import restore, state_of
from tests.relay.turn_core import PEER, UDP_TRANSPORT, Client, Core, code_of

BRIDGE = ("127.0.0.9", 10000)


def successor(core: Core, *, without: Iterable[int] = (), **overrides: str) -> Core:
    """A core with these settings that goes on with all but the relay ports in `without`."""
    ports = [port for port in core.server.allocations.by_port if port not in without]
    state = state_of(core.server, {port: number for number, port in enumerate(ports)}, ())
    return restored(state, core.now, **overrides)


def restored(state: TurnState, now: float, **overrides: str) -> Core:
    core = Core(**overrides)
    core.now = now
    core.output.open |= {one.port for one in state.allocations}
    restore(core.server, state)
    return core


def at(client: Client, core: Core) -> Client:
    """The same client, whose packets reach this core now."""
    moved = Client(core, client.five_tuple, client.user, client.realm)
    moved.nonce = client.nonce
    return moved


def test_channels_permissions_and_the_way_back_go_on() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    assert client.bind() == 0
    assert client.permit("1.1.1.2") == 0
    after = successor(core)
    moved = at(client, after)
    assert moved.send_channel(b"by channel")
    assert moved.send(b"by indication", ("1.1.1.2", 9))
    assert after.peer_sends(port, b"back") == b"\x40\0\0\4back"
    assert after.peer_sends(port, b"a stranger", ("1.1.1.3", 9)) is None


def test_everything_ends_when_it_would_have_ended() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    client.bind()
    core.now += 290
    after = successor(core)
    moved = at(client, after)
    after.now += 9
    assert after.peer_sends(port, b"x", (PEER[0], 9)), "the permission has 300 s"
    after.now += 2
    assert after.peer_sends(port, b"x", (PEER[0], 9)) is None
    assert moved.send_channel(b"the channel has 600 s")
    after.now += 300
    after.server.tick(after.now)
    assert not after.server.allocations.by_port and not after.output.open


def test_a_nonce_stays_good_and_gets_no_older() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    core.now += 500
    moved = at(client, successor(core))
    assert moved.refresh(600) == 600
    moved.core.now += 101
    assert moved.code(Method.REFRESH) == 438


def test_a_retransmission_gets_the_same_answer() -> None:
    core = Core()
    client = core.client()
    client.challenge()
    tid = b"the same one"
    first = client.request(Method.ALLOCATE, UDP_TRANSPORT, tid=tid)
    again = at(client, successor(core)).request(Method.ALLOCATE, UDP_TRANSPORT, tid=tid)
    assert first is not None and again is not None
    values = [parse_xor_address(one.get(Attribute.XOR_RELAYED_ADDRESS) or b"", tid) for one in (first, again)]
    assert code_of(again) == 0 and values[0] == values[1]


def test_nobody_else_gets_at_the_allocation() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    stranger = at(client, successor(core)).with_user(core.client("juliet@localhost").user)
    assert stranger.code(Method.REFRESH) == 441


def test_quotas_count_what_was_handed_over_until_it_ends() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    after = successor(core, turn__allocations_per_user="1")
    second = after.client()
    assert second.code(Method.ALLOCATE, UDP_TRANSPORT) == 486
    assert at(client, after).refresh(0) == 0
    assert second.allocate()


def test_a_port_that_was_handed_over_is_given_to_nobody_until_it_is_free() -> None:
    ports = "[50000, 50001]"
    core = Core(turn__relay_ports=ports)
    client = core.client()
    first = client.allocate()
    after = successor(core, turn__relay_ports=ports)
    assert after.client().allocate() != first
    assert after.client().code(Method.ALLOCATE, UDP_TRANSPORT) == 508
    at(client, after).refresh(0)
    assert after.client().allocate() == first


def test_a_port_outside_of_the_new_range_is_not_given_again() -> None:
    core = Core(turn__relay_ports="[50000, 50000]")
    client = core.client()
    client.allocate()
    after = successor(core, turn__relay_ports="[50001, 50001]")
    at(client, after).refresh(0)
    assert after.client().allocate() == 50001
    assert after.client().code(Method.ALLOCATE, UDP_TRANSPORT) == 508


def test_a_policy_that_has_become_stricter_holds_for_what_was_permitted() -> None:
    core = Core(turn__allow_peers='["10.0.0.0/8"]')
    client = core.client()
    client.allocate()
    assert client.bind(peer=("10.0.0.1", 9)) == 0
    assert client.bind(number=0x4001) == 0
    moved = at(client, successor(core))
    assert not moved.send_channel(b"private", peer=("10.0.0.1", 9))
    assert moved.send_channel(b"public", number=0x4001)


@pytest.mark.parametrize("older", [False, True], ids=["successor", "predecessor"])
def test_a_guest_reaches_the_relay_ports_of_the_process_beside(older: bool) -> None:
    """Those in TLS stay behind: guests on both sides of the hand-over still meet each other."""
    core = Core()
    stays = core.client("one@guest.localhost", "tls")
    moves = core.client("two@guest.localhost")
    kept, handed = stays.allocate(), moves.allocate()
    after = successor(core, without=[kept])
    core.server.closed(moves.five_tuple)
    core.server.allocations.elsewhere = frozenset({handed})
    guest, port = (stays, handed) if older else (at(moves, after), kept)
    assert guest.bind(peer=("9.9.9.9", port)) == 0
    assert guest.send_channel(b"beside", peer=("9.9.9.9", port))
    assert guest.bind(0x4001, ("9.9.9.9", 50999 if port != 50999 else 50998)) == 403


def test_totals_go_on() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    client.bind()
    client.send_channel(b"12345")
    core.server.counters.drop("malformed")
    moved = at(client, successor(core))
    moved.send_channel(b"678")
    counters = moved.core.server.counters
    assert (counters.packets_to_peers, counters.bytes_to_peers, counters.dropped["malformed"]) == (2, 8, 1)
    assert counters.requests["allocate", 0] == 1
    (allocation,) = moved.core.server.allocations.by_client.values()
    assert allocation.bytes_to_peers == 8


def test_who_leaves_ends_the_allocations_of_silent_clients_alone() -> None:
    core = Core()
    silent, speaking, asking = core.client(), core.client(), core.client()
    for client in (silent, speaking, asking):
        client.allocate()
        client.bind()
    core.now += 100
    core.server.tick(core.now)
    assert len(core.server.allocations.by_client) == 3, "silence is no harm as long as the relay stays"
    core.server.allocations.leaving = True
    speaking.send_channel(b"here I am")
    asking.refresh(600)
    core.server.tick(core.now)
    assert set(core.server.allocations.by_client) == {speaking.five_tuple, asking.five_tuple}
    core.now += 14
    speaking.send(b"still here")
    core.now += 2
    core.server.tick(core.now)
    assert set(core.server.allocations.by_client) == {speaking.five_tuple}


def test_what_others_send_keeps_no_allocation() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    client.bind()
    core.server.allocations.leaving = True
    core.now += 16
    core.peer_sends(port, b"are you there?")
    core.server.receive(client.five_tuple, b"\x40\x09\0\1x", core.now)
    core.server.tick(core.now)
    assert not core.server.allocations.by_client
