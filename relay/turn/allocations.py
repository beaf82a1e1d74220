"""The table of all allocations, with their ports and quotas."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final

from carillon.guard.addresses import source
from relay.turn.allocation import Allocation
from relay.turn.authentication import User
from relay.turn.errors import TurnError
from relay.turn.five_tuple import FiveTuple
from relay.turn.output import Output
from relay.turn.ports import PortPool

SILENT_S: Final = 15.0
"""A client that sends nothing for so long has no use for its allocation: who takes part in a meeting sends
audio, and asks the other end of a way that it holds for consent every 4 to 6 s (RFC 7675 §5.1)."""


class Allocations:
    """Allocations by client and by relay port; port and quota are given back only with the socket.

    `port in allocations`: whether this is a relay port that lives, here or in the process beside this one.
    """

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
        self.leaving = False
        """Whether this process waits for the last of them: those of silent clients end."""
        self.changed = False
        """Set whenever one comes, goes or changes: whoever keeps a copy resets it."""
        self.elsewhere: frozenset[int] = frozenset()
        """Relay ports of the process before or after this one, while both are at work."""

    def __contains__(self, port: object) -> bool:
        return port in self.by_port or port in self.elsewhere

    def find(self, client: FiveTuple, now: float) -> Allocation | None:
        """Return the client's allocation if it has one that has not expired."""
        allocation = self.by_client.get(client)
        if allocation is not None and allocation.expires <= now:
            self.remove(allocation)
            return None
        return allocation

    def add(
        self,
        client: FiveTuple,
        user: User,
        transaction_id: bytes,
        now: float,
        lifetime_s: float,
        *,
        even: bool,
    ) -> Allocation:
        """Open a relay port, an `even` one if wanted.

        Raises TurnError 486 (the user's quota is used up) or 508 (the quota of all, no port is free,
        or the relay is about to end).
        """
        if self._held[self._holder(client, user)] >= self.per_user:
            raise TurnError(486)
        if self.draining or len(self.by_client) >= self.maximum:
            raise TurnError(508)
        port = self._ports.take(lambda port: not (even and port & 1) and self._output.open_port(port))
        if port is None:
            raise TurnError(508)
        allocation = Allocation(client, user, port, now + lifetime_s, transaction_id, now)
        self._enter(allocation)
        return allocation

    def restore(self, allocations: Iterable[Allocation]) -> None:
        """Enter allocations of another process, whose relay ports are open."""
        for allocation in allocations:
            self._enter(allocation)
        self._ports.withdraw(self.by_port)
        self.changed = True

    def _enter(self, allocation: Allocation) -> None:
        self.by_client[allocation.client] = self.by_port[allocation.port] = allocation
        self._held[self._holder(allocation.client, allocation.user)] += 1
        self.changed = True

    def remove(self, allocation: Allocation) -> None:
        """Close the relay port at once and forget the allocation."""
        self.changed = True
        self._output.close_port(allocation.port)
        del self.by_client[allocation.client]
        del self.by_port[allocation.port]
        self._ports.give_back(allocation.port)
        holder = self._holder(allocation.client, allocation.user)
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]

    def expire(self, now: float) -> None:
        """Remove the allocations whose lifetime is over; while leaving, those of silent clients too."""
        silent_since = now - SILENT_S if self.leaving else -math.inf
        over = [one for one in self.by_client.values() if one.expires <= now or one.heard <= silent_since]
        for allocation in over:
            self.remove(allocation)

    @staticmethod
    def _holder(client: FiveTuple, user: User) -> str:
        """Whose quota it is: the user's, whatever the expiry before the colon; else the source address's."""
        return f"user {user.name}" if user.name else f"source {source(client.ip)}"
