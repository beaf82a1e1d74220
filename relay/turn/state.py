"""The TURN server's state as another process takes it over: plain data. No I/O."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec

from relay.checked import MAX_ROWS, Ip, Number, Port, Time, refuse_repeated
from relay.turn.allocation import MAX_CHANNELS, MAX_PERMISSIONS
from relay.turn.channel_data import FIRST_CHANNEL, LAST_CHANNEL

MAX_USERNAME_CHARACTERS: Final = 513
"""RFC 8489 §14.3."""
MAX_UNSENT_BYTES: Final = 1 << 20
"""Of one connection: above what its buffers hold."""

_Key = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_TransactionId = Annotated[bytes, msgspec.Meta(min_length=12, max_length=12)]
_Type = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
_Octets = Annotated[bytes, msgspec.Meta(max_length=MAX_UNSENT_BYTES)]


@dataclass(frozen=True)
class PermissionState:
    """A permission; which ports are open follows from the successor's own policy."""

    ip: Ip
    expires: Time

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.ip)


@dataclass(frozen=True)
class ChannelState:
    """A channel bound to a peer."""

    number: Annotated[int, msgspec.Meta(ge=FIRST_CHANNEL, le=LAST_CHANNEL)]
    ip: Ip
    port: Port
    expires: Time

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.ip)


@dataclass(frozen=True)
class AllocationState:
    """An allocation and the socket of its relay port."""

    transport: Literal["udp", "tcp"]
    """Those in TLS stay: what TLS knows cannot be handed over."""
    ip: Ip
    client_port: Port
    username: Annotated[str, msgspec.Meta(max_length=MAX_USERNAME_CHARACTERS)]
    key: _Key
    port: Port
    socket: Number
    expires: Time
    heard: Time
    transaction_id: _TransactionId
    answer: Annotated[tuple[tuple[_Type, _Octets], ...], msgspec.Meta(max_length=16)] = ()
    permissions: Annotated[tuple[PermissionState, ...], msgspec.Meta(max_length=MAX_PERMISSIONS)] = ()
    channels: Annotated[tuple[ChannelState, ...], msgspec.Meta(max_length=MAX_CHANNELS)] = ()
    bytes_to_peers: Number = 0
    bytes_to_clients: Number = 0

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.ip)
        refuse_repeated("address of a permission", (entry.ip for entry in self.permissions))
        refuse_repeated("channel", (entry.number for entry in self.channels))
        refuse_repeated("peer of a channel", ((entry.ip, entry.port) for entry in self.channels))


@dataclass(frozen=True)
class ConnectionState:
    """A plain TCP connection of a client, with or without an allocation."""

    ip: Ip
    port: Port
    socket: Number
    unread: _Octets = b""
    """What has come of a message that is not complete."""
    unsent: _Octets = b""
    """What the kernel had not taken yet."""

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.ip)


@dataclass(frozen=True)
class CountersState:
    """Totals since the first process of the line started."""

    requests: tuple[tuple[str, int, Number], ...] = ()
    """By method and code."""
    dropped: dict[str, Number] = field(default_factory=dict)
    packets_to_peers: Number = 0
    bytes_to_peers: Number = 0
    packets_to_clients: Number = 0
    bytes_to_clients: Number = 0


@dataclass(frozen=True)
class TurnState:
    """Everything that a successor goes on with."""

    nonce_key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    """So that nonces stay good."""
    allocations: Annotated[tuple[AllocationState, ...], msgspec.Meta(max_length=MAX_ROWS)] = ()
    connections: Annotated[tuple[ConnectionState, ...], msgspec.Meta(max_length=MAX_ROWS)] = ()
    kept: Annotated[tuple[Port, ...], msgspec.Meta(max_length=65535)] = ()
    """Relay ports that stay with the predecessor."""
    counters: CountersState = field(default_factory=CountersState)

    def __post_init__(self) -> None:
        refuse_repeated("client", ((one.transport, one.ip, one.client_port) for one in self.allocations))
        refuse_repeated("relay port", (*(one.port for one in self.allocations), *self.kept))
        refuse_repeated("connection", ((one.ip, one.port) for one in self.connections))
        connected = {(one.ip, one.port) for one in self.connections}
        if any(
            one.transport == "tcp" and (one.ip, one.client_port) not in connected for one in self.allocations
        ):
            raise ValueError("an allocation of a client without connection")
