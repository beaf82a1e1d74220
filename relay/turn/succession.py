"""The core's share of a hand-over: what a server is to its successor, and how that goes on with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from carillon import credentials
from relay.turn.allocation import Allocation, Channel, Permission
from relay.turn.authentication import User
from relay.turn.counters import Counters
from relay.turn.five_tuple import FiveTuple
from relay.turn.server import Server
from relay.turn.state import (
    AllocationState,
    ChannelState,
    ConnectionState,
    CountersState,
    PermissionState,
    TurnState,
)


def state_of(server: Server, sockets: Mapping[int, int], connections: Iterable[ConnectionState]) -> TurnState:
    """What the successor gets; `sockets` are the numbers of its relay ports, all others are kept."""
    allocations = server.allocations.by_port
    return TurnState(
        nonce_key=server.nonces.key,
        allocations=tuple(_allocation_state(allocations[port], number) for port, number in sockets.items()),
        connections=tuple(connections),
        kept=tuple(port for port in allocations if port not in sockets),
        counters=_counters_state(server.counters),
    )


def restore(server: Server, state: TurnState) -> None:
    """Go on with what another server has handed over; the relay ports are open."""
    server.nonces.key = state.nonce_key
    server.allocations.elsewhere = frozenset(state.kept)
    server.allocations.restore([_allocation(one) for one in state.allocations])
    # Only now: which addresses are relayed here is a matter of all allocations.
    for one in state.allocations:
        _restore_rights(server, server.allocations.by_port[one.port], one)
    _restore_counters(server.counters, state.counters)


def _allocation_state(allocation: Allocation, number: int) -> AllocationState:
    client = allocation.client
    assert client.transport != "tls", "what TLS knows cannot be handed over"
    return AllocationState(
        transport="tcp" if client.transport == "tcp" else "udp",
        ip=client.ip,
        client_port=client.port,
        username=allocation.user.username,
        key=allocation.user.key,
        port=allocation.port,
        socket=number,
        expires=allocation.expires,
        heard=allocation.heard,
        transaction_id=allocation.transaction_id,
        answer=allocation.answer,
        permissions=tuple(PermissionState(ip, one.expires) for ip, one in allocation.permissions.items()),
        channels=tuple(
            ChannelState(one.number, *one.peer, one.expires) for one in allocation.channels.values()
        ),
        bytes_to_peers=allocation.bytes_to_peers,
        bytes_to_clients=allocation.bytes_to_clients,
    )


def _allocation(state: AllocationState) -> Allocation:
    return Allocation(
        client=FiveTuple(state.transport, state.ip, state.client_port),
        user=User(state.username, credentials.name_of(state.username), state.key),
        port=state.port,
        expires=state.expires,
        transaction_id=state.transaction_id,
        heard=state.heard,
        answer=state.answer,
        bytes_to_peers=state.bytes_to_peers,
        bytes_to_clients=state.bytes_to_clients,
    )


def _restore_rights(server: Server, allocation: Allocation, state: AllocationState) -> None:
    """Permissions and channels, as far as the policy of this server allows them."""
    policy = server.context.policy
    scope = policy.scope(allocation.user.name)
    for one in state.permissions:
        if reach := policy.reach(one.ip, server.allocations, scope):
            allocation.permissions[one.ip] = Permission(reach, one.expires)
    for bound in state.channels:
        peer = (bound.ip, bound.port)
        reach = policy.reach(bound.ip, server.allocations, scope)
        if reach and reach.allows(bound.port):
            channel = Channel(bound.number, peer, reach, bound.expires)
            allocation.channels[bound.number] = allocation.peers[peer] = channel


def _counters_state(counters: Counters) -> CountersState:
    return CountersState(
        requests=tuple((method, code, number) for (method, code), number in counters.requests.items()),
        dropped=dict(counters.dropped),
        packets_to_peers=counters.packets_to_peers,
        bytes_to_peers=counters.bytes_to_peers,
        packets_to_clients=counters.packets_to_clients,
        bytes_to_clients=counters.bytes_to_clients,
    )


def _restore_counters(counters: Counters, state: CountersState) -> None:
    counters.requests.update({(method, code): number for method, code, number in state.requests})
    counters.dropped.update(state.dropped)
    counters.packets_to_peers += state.packets_to_peers
    counters.bytes_to_peers += state.bytes_to_peers
    counters.packets_to_clients += state.packets_to_clients
    counters.bytes_to_clients += state.bytes_to_clients
