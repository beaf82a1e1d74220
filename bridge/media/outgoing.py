"""What every stream to a receiver has: a numbering that goes on, and figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bridge.media.reception import Reception
from bridge.media.rtcp import ReportBlock

Send = Callable[[str, bytes], None]
"""Sends a packet to an endpoint."""
MAX_EXPECTED = 100_000
"""A report block that claims more packets since the last one is not believed."""


class Position(NamedTuple):
    """Where a stream's numbering stands: what the next packet must continue."""

    sequence: int
    """Extended."""
    timestamp: int
    picture_id: int
    tl0picidx: int
    at: float
    """When the last packet was sent; negative = none was."""
    rtx_sequence: int
    """Of the last retransmission."""


class Clock(NamedTuple):
    """Which clock an outgoing stream's timestamps follow."""

    owner: str
    """The endpoint whose clock it is."""
    reception: Reception | None
    """None: the bridge's own."""
    offset: int
    """What is added to that clock's timestamps; the present timestamp where the clock is the bridge's own."""


class Quality:
    """How one stream fares: its rate, and what the receiver's reports say about it."""

    __slots__ = (
        "_highest",
        "_lost",
        "_octets_before",
        "fraction_lost",
        "jitter",
        "rate_bps",
        "reported_packets",
    )

    def __init__(self) -> None:
        self.fraction_lost = 0.0
        self.jitter = 0
        """In units of the RTP clock."""
        self.rate_bps = 0.0
        self.reported_packets = 0
        """The packet count in the last SR."""
        self._octets_before = 0
        self._highest = -1
        self._lost = 0

    def report(self, block: ReportBlock) -> tuple[int, int]:
        """Note a report block; returns how many packets were expected and lost since the last one."""
        self.fraction_lost = block.fraction_lost / 256
        self.jitter = block.jitter
        expected = (block.highest_sequence - self._highest) & 0xFFFFFFFF if self._highest >= 0 else 0
        lost = block.cumulative_lost - self._lost
        self._highest, self._lost = block.highest_sequence, block.cumulative_lost
        return (expected, lost) if 0 < expected < MAX_EXPECTED and abs(lost) <= expected else (0, 0)

    def measure(self, octets: int, elapsed_s: float) -> None:
        """Compute the rate from what was sent so far, over the time since the last call."""
        self.rate_bps = (octets - self._octets_before) * 8 / elapsed_s
        self._octets_before = octets
