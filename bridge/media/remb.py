"""How much an endpoint may send, for those that take REMB and no transport-wide feedback.

Only loss is looked at: such clients send one stream and start low.
"""

from __future__ import annotations

START_BPS = 600_000.0
MIN_BPS = 150_000.0
MAX_BPS = 2_500_000.0
LOW_LOSS = 0.02
HIGH_LOSS = 0.10
GROWTH = 1.08
"""Per report."""
HEADROOM = 1.5
"""More than this much above what comes is not offered: it would say nothing about the network."""


class ReceiveLimit:
    """What one endpoint is told."""

    __slots__ = ("bps",)

    def __init__(self) -> None:
        self.bps = START_BPS

    def update(self, received_bps: float, fraction_lost: float) -> None:
        """Called with every report: what came since the last one, and the fraction of it that was lost."""
        if fraction_lost > HIGH_LOSS:
            self.bps = max(MIN_BPS, min(self.bps, received_bps) * (1 - 0.5 * fraction_lost))
        elif fraction_lost < LOW_LOSS and received_bps * HEADROOM > self.bps:
            self.bps = min(MAX_BPS, self.bps * GROWTH)
