"""An allocation (RFC 8656 §2) with its permissions (§9) and channels (§12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from relay.turn.authentication import User
from relay.turn.errors import TurnError
from relay.turn.five_tuple import FiveTuple
from relay.turn.peers import Reach

PERMISSION_LIFETIME_S = 300.0  # RFC 8656 §9
CHANNEL_LIFETIME_S = 600.0  # RFC 8656 §12
MAX_PERMISSIONS = 128  # a mesh of browsers needs a few dozen; one entry is about 300 bytes
MAX_CHANNELS = 128


@dataclass(slots=True)
class Permission:
    """An address that may send to the relay and be sent to, on the ports of `reach`."""

    reach: Reach
    expires: float


@dataclass(slots=True)
class Channel:
    """A channel number bound to a peer."""

    number: int
    peer: tuple[str, int]
    reach: Reach
    expires: float


class _Expiring(Protocol):
    expires: float


_Key = TypeVar("_Key")
_Entry = TypeVar("_Entry", bound=_Expiring)


def _make_room(table: dict[_Key, _Entry], wanted: int, limit: int, now: float) -> None:
    """Drop expired entries when `wanted` more would exceed `limit`; TurnError 508 when that is not enough."""
    if len(table) + wanted <= limit:
        return
    for key in [key for key, entry in table.items() if entry.expires <= now]:
        del table[key]
    if len(table) + wanted > limit:
        raise TurnError(508)


@dataclass(slots=True)
class Allocation:
    """One relayed transport address of one client."""

    client: FiveTuple
    user: User
    port: int
    expires: float
    transaction_id: bytes
    """Of the Allocate request, to know its retransmission."""
    heard: float
    """When the client last sent something that it was entitled to."""
    answer: tuple[tuple[int, bytes], ...] = ()
    """What the success said; a retransmission is told the same."""
    permissions: dict[str, Permission] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    peers: dict[tuple[str, int], Channel] = field(default_factory=dict)
    """The channels by their peer."""
    bytes_to_peers: int = 0
    bytes_to_clients: int = 0

    def permit(self, reaches: dict[str, Reach], now: float) -> None:
        """Install or refresh permissions, all or (TurnError 508) none."""
        new = sum(ip not in self.permissions for ip in reaches)
        _make_room(self.permissions, new, MAX_PERMISSIONS, now)
        for ip, reach in reaches.items():
            self.permissions[ip] = Permission(reach, now + PERMISSION_LIFETIME_S)

    def permits(self, peer: tuple[str, int], now: float) -> bool:
        """Whether a permission for this peer is in force."""
        permission = self.permissions.get(peer[0])
        return permission is not None and permission.expires > now and permission.reach.allows(peer[1])

    def bind(self, number: int, peer: tuple[str, int], reach: Reach, now: float) -> None:
        """Bind or refresh a channel, with its permission. TurnError 400 if either has another partner."""
        self._forget_expired(self.channels.get(number), now)
        self._forget_expired(self.peers.get(peer), now)
        bound, other = self.channels.get(number), self.peers.get(peer)
        if bound is not other:
            raise TurnError(400)
        if bound is None:
            _make_room(self.channels, 1, MAX_CHANNELS, now)
            self.peers = {channel.peer: channel for channel in self.channels.values()}
        self.permit({peer[0]: reach}, now)
        channel = Channel(number, peer, reach, now + CHANNEL_LIFETIME_S)
        self.channels[number] = self.peers[peer] = channel

    def summary(self) -> dict[str, str | int]:
        """Return what an operator may see of it."""
        return {
            "transport": self.client.transport,
            "client": f"{self.client.ip} {self.client.port}",
            "user": self.user.name,
            "port": self.port,
            "permissions": len(self.permissions),
            "channels": len(self.channels),
            "bytes_to_peers": self.bytes_to_peers,
            "bytes_to_clients": self.bytes_to_clients,
        }

    def _forget_expired(self, channel: Channel | None, now: float) -> None:
        if channel is not None and channel.expires <= now:
            del self.channels[channel.number]
            del self.peers[channel.peer]
