"""relay.state: what one process tells the next survives the way, and what is none of that is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.socks5.state import ClientState, HandshakeState, Socks5State, Step
from relay.state import RelayState, StateError, decoded, encoded
from relay.turn.state import (
    AllocationState,
    ChannelState,
    ConnectionState,
    CountersState,
    PermissionState,
    TurnState,
)

ips = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
ports = st.integers(1, 65535)
times = st.floats(0, 1e9)
numbers = st.integers(0, 1 << 60)
octets = st.binary(max_size=40)
permissions = st.lists(st.builds(PermissionState, ips, times), max_size=3, unique_by=lambda one: one.ip)
channels = st.lists(
    st.builds(ChannelState, st.integers(0x4000, 0x4FFF), ips, ports, times),
    max_size=3,
    unique_by=(lambda one: one.number, lambda one: (one.ip, one.port)),
)
allocations = st.builds(
    AllocationState,
    transport=st.just("udp"),
    ip=ips,
    client_port=ports,
    username=st.text(max_size=40),
    key=st.binary(min_size=16, max_size=16),
    port=ports,
    socket=numbers,
    expires=times,
    heard=times,
    transaction_id=st.binary(min_size=12, max_size=12),
    answer=st.lists(st.tuples(st.integers(0, 65535), octets), max_size=3).map(tuple),
    permissions=permissions.map(tuple),
    channels=channels.map(tuple),
    bytes_to_peers=numbers,
    bytes_to_clients=numbers,
)
connections = st.builds(ConnectionState, ips, ports, numbers, octets, octets)
counters = st.builds(
    CountersState,
    requests=st.lists(st.tuples(st.text(), st.integers(0, 699), numbers), max_size=3).map(tuple),
    dropped=st.dictionaries(st.text(), numbers, max_size=3),
)
turn = st.builds(
    TurnState,
    nonce_key=st.binary(min_size=32, max_size=32),
    allocations=st.lists(
        allocations,
        max_size=3,
        unique_by=(lambda one: (one.ip, one.client_port), lambda one: one.port),
    ).map(tuple),
    connections=st.lists(connections, max_size=3, unique_by=lambda one: (one.ip, one.port)).map(tuple),
    counters=counters,
)
handshakes = st.one_of(
    st.builds(HandshakeState, st.just(Step.DONE), st.from_regex("[0-9a-f]{40}", fullmatch=True)),
    st.builds(HandshakeState, st.just(Step.METHODS), missing=st.integers(3, 255), buffer=st.just(b"\0\1")),
)
clients = st.builds(ClientState, numbers, ips, handshakes, times)
socks5 = st.builds(
    Socks5State, st.lists(clients, max_size=3, unique_by=lambda one: one.handshake).map(tuple), moved=numbers
)
states = st.builds(RelayState, turn, st.lists(numbers, max_size=4).map(tuple), st.one_of(st.none(), socks5))
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)

EXAMPLE = RelayState(
    TurnState(
        bytes(32),
        allocations=(
            AllocationState(
                "tcp",
                "192.0.2.1",
                5000,
                "1700000000:romeo@localhost",
                bytes(16),
                50000,
                3,
                1600.0,
                1000.0,
                bytes(12),
                ((0x16, b"answer"),),
                (PermissionState("198.51.100.1", 1300.0),),
                (ChannelState(0x4000, "198.51.100.1", 7000, 1600.0),),
            ),
        ),
        connections=(ConnectionState("192.0.2.1", 5000, 2, b"half", b"later"),),
        kept=(50001,),
    ),
    listeners=(0, 1),
    socks5=Socks5State((ClientState(4, "192.0.2.2", HandshakeState(Step.DONE, "0" * 40), 900.0),)),
)


def wire(state: RelayState) -> Any:
    """The state as JSON brings it."""
    return json.loads(json.dumps(encoded(state)))


def objects(data: Any) -> list[dict[str, Any]]:
    """Every JSON object in `data` that is a row with fields of its own, the whole first."""
    if isinstance(data, list):
        return [found for entry in data for found in objects(entry)]
    if not isinstance(data, dict):
        return []
    tables = ("dropped", "refused", "activations", "ended")
    inner = [found for key, value in data.items() if key not in tables for found in objects(value)]
    return [data, *inner]


@given(states)
def test_what_is_handed_over_arrives(state: RelayState) -> None:
    assert decoded(wire(state)) == state


@given(anything)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises(StateError):
        decoded(data)


@given(st.data())
def test_a_state_with_something_else_inside_is_refused_or_read(data: st.DataObject) -> None:
    state = wire(EXAMPLE)
    row = data.draw(st.sampled_from(objects(state)))
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(anything)
    try:
        assert isinstance(decoded(state), RelayState)
    except StateError as error:
        assert "not usable" in str(error)


def test_keys_of_a_newer_version_are_ignored() -> None:
    state = wire(EXAMPLE)
    for row in objects(state):
        row["of the next version"] = {"whatever": [1]}
    assert decoded(state) == EXAMPLE


def test_what_an_older_version_does_not_say_has_a_default() -> None:
    state = wire(EXAMPLE)
    del state["socks5"], state["turn"]["counters"], state["turn"]["kept"]
    read = decoded(state)
    assert (read.socks5, read.turn.kept, read.turn.counters) == (None, (), CountersState())
    assert read.turn.allocations == EXAMPLE.turn.allocations


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("allocation", "transport", "tls"),
        ("allocation", "ip", "nowhere"),
        ("allocation", "key", "c2hvcnQ="),
        ("allocation", "port", 0),
        ("allocation", "port", 50001),
        ("allocation", "socket", -1),
        ("allocation", "expires", float("nan")),
        ("allocation", "expires", float("inf")),
        ("allocation", "expires", -1.0),
        ("allocation", "client_port", 5001),
        ("allocation", "permissions", [{"ip": "192.0.2.7", "expires": 1.0}] * 2),
        ("allocation", "permissions", [{"ip": f"192.0.2.{n}", "expires": 1.0} for n in range(129)]),
        ("allocation", "channels", [{"number": 0x3FFF, "ip": "192.0.2.7", "port": 1, "expires": 1.0}]),
        ("connection", "unread", "no Base64!"),
        ("handshake", "digest", "0" * 39),
        ("handshake", "step", 0),
        ("handshake", "step", 9),
        ("handshake", "missing", 1000),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_that_cannot_be_is_refused(where: str, key: str, value: Any) -> None:
    state = wire(EXAMPLE)
    rows = {
        "allocation": state["turn"]["allocations"][0],
        "connection": state["turn"]["connections"][0],
        "handshake": state["socks5"]["clients"][0]["handshake"],
    }
    rows[where][key] = value
    with pytest.raises(StateError):
        decoded(state)


def test_a_bytestream_has_two_ends() -> None:
    state = wire(EXAMPLE)
    state["socks5"]["clients"] *= 2
    assert decoded(state)
    state["socks5"]["clients"] *= 2
    with pytest.raises(StateError, match="three"):
        decoded(state)
