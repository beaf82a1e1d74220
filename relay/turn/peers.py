"""Which peers a relay may reach (RFC 8656 §21.1.4): public addresses, and what the configuration adds.

That is for people with an account. Guests, whom anybody can be, reach the bridge and each other's relayed
addresses: enough for every meeting, and nothing that an open relay would be used for.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum

from carillon.guard.addresses import Address, Network, canonical, is_in, is_public, is_unicast

_NO_PORT = frozenset({0})  # port 0 is nobody's


class Scope(Enum):
    """How far a user may relay; the values are those of turn.guest_scope."""

    BRIDGE = "bridge"
    """To our bridges and to addresses relayed here."""
    OPEN = "open"
    """To those and to whatever else the peer policy allows."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The ports of one permitted address: all but `closed`, or only those in one of `only`."""

    closed: Container[int] = _NO_PORT
    only: tuple[Container[int], ...] | None = None

    def allows(self, port: int) -> bool:
        """Whether data may go to and come from this port; asked for every packet."""
        if self.only is not None and not any(port in ports for ports in self.only):
            return False
        return port not in self.closed


@dataclass(frozen=True)
class PeerPolicy:
    """Decides by address, however it is spelled; permissions are per address, so `Reach` knows the ports."""

    allowed: tuple[Network, ...]
    """Networks that are allowed although they are not public."""
    bridges: frozenset[tuple[Address, int]]
    """Exact pairs that are allowed although their address is not."""
    relayed: frozenset[Address]
    """Addresses of the relay; their relay ports are open while they live."""
    own: frozenset[Address]
    """Addresses of this deployment; only live relay ports and bridges are open there, unless allowed."""
    own_ports: frozenset[int]
    """Listeners of this deployment, closed on its addresses and on every one that is not public."""
    account_domain: str | None
    """Whose users have accounts; None where guests cannot be told from them."""
    guest_scope: Scope

    def scope(self, name: str) -> Scope:
        """Return how far the user of this name may relay; "" and a hash are nobody with an account."""
        local, _, domain = name.partition("@")
        return Scope.OPEN if local and domain and domain == self.account_domain else self.guest_scope

    def reach(self, ip: str, relay_ports: Container[int], scope: Scope) -> Reach | None:
        """Return which ports of this address are open, or None when the address is refused.

        `relay_ports` are those now in use, looked at again for each packet.
        """
        address = canonical(ip)
        if not is_unicast(address):
            return None
        public, own = is_public(address), address in self.own
        bridge_ports = frozenset(port for bridge, port in self.bridges if bridge == address)
        if scope is Scope.OPEN:
            if is_in(address, self.allowed):
                return Reach(_NO_PORT if public and not own else (self.own_ports | _NO_PORT) - bridge_ports)
            if public and not own:
                return Reach()
        only = (bridge_ports, relay_ports) if address in self.relayed else (bridge_ports,)
        return Reach(only=only) if bridge_ports or address in self.relayed else None
