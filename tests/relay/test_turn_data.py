"""Send and Data indications and ChannelData on the server core (RFC 8656 §11, §12)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.stun import Attribute, MessageClass, Method, build
from relay.turn.five_tuple import FiveTuple
from tests.relay.turn_core import PEER, Core, indication


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1500, 65_000])
def test_data_goes_both_ways(transport: str, size: int) -> None:
    core = Core()
    client = core.client(transport=transport)
    port = client.allocate()
    data = bytes(size)
    assert client.permit(PEER[0]) == 0
    assert client.send(data)
    assert indication(core.peer_sends(port, data) or b"") == (PEER, data)
    assert client.bind() == 0
    assert client.send_channel(data)
    padding = bytes(-size % 4) if transport == "tcp" else b""
    assert core.peer_sends(port, data) == b"\x40\x00" + size.to_bytes(2, "big") + data + padding
    other = (PEER[0], PEER[1] + 1)
    assert indication(core.peer_sends(port, data, other) or b"") == (other, data)


def test_nothing_goes_without_permission() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    assert client.permit("2.2.2.2") == 0
    assert not client.send(b"x", PEER)
    assert not client.send_channel(b"x")
    assert core.peer_sends(port, b"x", PEER) is None
    assert client.send(b"x", ("2.2.2.2", 1))
    assert core.peer_sends(port, b"x", ("2.2.2.2", 65_535)) is not None


def test_send_indications_that_cannot_be_used_are_dropped() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    client.permit(PEER[0])
    assert not client.send(b"x", PEER, (Attribute.DONT_FRAGMENT, b""))
    assert client.send(b"x", PEER, (Attribute.SOFTWARE, b""))
    for attributes in ([], [(Attribute.DATA, b"x")], [(0x0012, b"x"), (0x0013, b"x")]):
        message = build(Method.SEND, MessageClass.INDICATION, bytes(12), attributes)
        assert not client.relays(message, b"x", PEER)


def test_a_stranger_relays_nothing() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    client.bind()
    stranger = core.client()
    assert not stranger.send_channel(b"x")
    assert not stranger.send(b"x")
    assert client.send_channel(b"x")


def test_what_cannot_be_sent_is_counted_as_dropped() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    client.bind()
    core.output.takes = False
    assert not client.send_channel(b"x")
    assert core.peer_sends(port, b"x") is None
    counters = core.server.counters
    assert (counters.packets_to_peers, counters.packets_to_clients) == (0, 0)
    assert counters.dropped == {"peer unreachable": 1, "client too slow": 1}
    core.output.takes = True
    assert client.send_channel(b"xyz")
    assert core.peer_sends(port, b"xy") is not None
    assert (counters.packets_to_peers, counters.bytes_to_peers) == (1, 3)
    assert (counters.packets_to_clients, counters.bytes_to_clients) == (1, 2)


def test_a_datagram_too_long_for_an_indication_is_dropped() -> None:
    core = Core()
    client = core.client()
    port = client.allocate()
    client.permit(PEER[0])
    assert core.peer_sends(port, bytes(65_507)) is None
    assert core.peer_sends(port, b"x") is not None
    assert core.peer_sends(port + 1, b"x") is None


@given(st.binary(max_size=80), st.sampled_from(["udp", "tcp"]))
def test_any_bytes_from_a_client_leave_the_server_standing(data: bytes, transport: str) -> None:
    core = Core()
    client = core.client(transport=transport)
    client.allocate()
    client.bind()
    core.server.receive(client.five_tuple, data, core.now)
    core.server.receive(FiveTuple(transport, "198.51.100.1", 1), data, core.now)
    assert client.send_channel(b"x")


@given(st.data())
def test_mutated_requests_leave_the_server_standing(draw: st.DataObject) -> None:
    core = Core()
    client = core.client()
    client.allocate()
    method = draw.draw(st.sampled_from([3, 4, 8, 9]))
    kinds = st.sampled_from([0x0C, 0x0D, 0x12, 0x13, 0x17, 0x18, 0x19, 0x22])
    attributes = draw.draw(st.lists(st.tuples(kinds, st.binary(max_size=24)), max_size=6))
    assert client.code(method, *attributes) in (0, 400, 403, 420, 437, 443, 508)
