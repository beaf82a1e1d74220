"""The table of all allocations, with their ports and quotas."""

from __future__ import annotations

from collections import Counter

from carillon.guard.addresses import source
from relay.turn.allocation import Allocation
from relay.turn.authentication import User
from relay.turn.errors import TurnError
from relay.turn.five_tuple import FiveTuple
from relay.turn.output import Output
from relay.turn.ports import PortPool


class Allocations:
    """Allocations by client and by relay port; port and quota are given back only with the socket."""

    def __init__(self, output: Output, ports: PortPool, *, per_user: int, maximum: int) -> None:
        self.by_client: dict[FiveTuple, Allocation] = {}
        self.by_port: dict[int, Allocation] = {}
        self._held: Counter[str] = Counter()
        self._output = output
        self._ports = ports
        self.per_user = per_user
        self.maximum = maximum
        self.draining = False
        """Whether there are no new ones any more."""

    def find(self, client: FiveTuple, now: float) -> Allocation | None:
        """Return the client's allocation if it has one that has not expired."""
        allocation = self.by_client.get(client)
        if allocation is not None and allocation.expires <= now:
            self.remove(allocation)
            return None
        return allocation

    def add(
        self, client: FiveTuple, user: User, transaction_id: bytes, expires: float, *, even: bool
    ) -> Allocation:
        """Open a relay port, an `even` one if wanted.

        Raises TurnError 486 (the user's quota is used up) or 508 (the quota of all, no port is free,
        or the relay is about to end).
        """
        holder = self._holder(client, user)
        if self._held[holder] >= self.per_user:
            raise TurnError(486)
        if self.draining or len(self.by_client) >= self.maximum:
            raise TurnError(508)
        port = self._ports.take(lambda port: not (even and port & 1) and self._output.open_port(port))
        if port is None:
            raise TurnError(508)
        allocation = Allocation(client, user, port, expires, transaction_id)
        self.by_client[client] = self.by_port[port] = allocation
        self._held[holder] += 1
        return allocation

    def remove(self, allocation: Allocation) -> None:
        """Close the relay port at once and forget the allocation."""
        self._output.close_port(allocation.port)
        del self.by_client[allocation.client]
        del self.by_port[allocation.port]
        self._ports.give_back(allocation.port)
        holder = self._holder(allocation.client, allocation.user)
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]

    def expire(self, now: float) -> None:
        """Remove the allocations whose lifetime is over."""
        for allocation in [entry for entry in self.by_client.values() if entry.expires <= now]:
            self.remove(allocation)

    @staticmethod
    def _holder(client: FiveTuple, user: User) -> str:
        """Whose quota it is: the user's, whatever the expiry before the colon; else the source address's."""
        return f"user {user.name}" if user.name else f"source {source(client.ip)}"
