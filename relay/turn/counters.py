"""What the server counts. Plain numbers, because some change with every packet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()


@dataclass(slots=True)
class Counters:
    """Totals since start; keys of the tables come from the code, never from the wire."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answered requests by method and error code (0 = success)."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Packets and connections dropped, by reason."""
    packets_to_peers: int = 0
    bytes_to_peers: int = 0
    packets_to_clients: int = 0
    bytes_to_clients: int = 0

    def drop(self, reason: str) -> None:
        """Count something dropped; the first one of each reason is logged."""
        if reason not in self.dropped:
            log.info("turn drops a packet, others of this kind are only counted", reason=reason)
        self.dropped[reason] += 1
