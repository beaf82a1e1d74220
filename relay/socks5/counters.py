"""What the proxy counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import structlog

_log = structlog.get_logger()


@dataclass(slots=True)
class Counters:
    """Totals since start; keys of the tables come from the code, never from the wire."""

    refused: Counter[str] = field(default_factory=Counter)
    """Connections that came to nothing, by reason."""
    activations: Counter[str] = field(default_factory=Counter)
    """Activations by their condition; "" is success."""
    ended: Counter[str] = field(default_factory=Counter)
    """Streams that were active and are over, by reason."""

    def refuse(self, reason: str) -> None:
        """Count a connection that came to nothing; the first one of each reason is logged."""
        if reason not in self.refused:
            _log.info("a socks5 connection is closed, others of this kind are only counted", reason=reason)
        self.refused[reason] += 1
