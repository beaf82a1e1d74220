"""What is known about one received SSRC: extended sequence numbers, loss and jitter (RFC 3550 §6.4.1, A.1,
A.3, A.8)."""

from __future__ import annotations

from bridge.media.rtcp import ReportBlock, SenderReport


class Reception:
    """Statistics of one SSRC, and the sender's clock as its SRs tell it."""

    __slots__ = (
        "_base",
        "_expected_before",
        "_jitter",
        "_last_timestamp",
        "_octets_before",
        "_received_before",
        "_transit",
        "clock_rate",
        "fraction_lost",
        "highest",
        "last_sr",
        "last_sr_at",
        "octets",
        "rate_bps",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.highest = -1
        """The highest extended sequence number; they start at 65536 + the first. -1 = nothing came yet."""
        self.received = 0
        self.octets = 0
        self.rate_bps = 0.0
        """Over the last interval between two calls of measure()."""
        self.fraction_lost = 0.0
        """Of the last interval between two report blocks."""
        self.last_sr: SenderReport | None = None
        self.last_sr_at = 0.0
        self._base = 0
        self._octets_before = 0
        self._expected_before = self._received_before = 0
        self._jitter = 0.0
        self._transit = 0.0
        self._last_timestamp = -1

    def index(self, sequence_number: int) -> int:
        """The extended number of a packet; changes nothing."""
        highest = self.highest
        if highest < 0:
            return 0x10000 + sequence_number
        return highest + ((sequence_number - highest + 0x8000) & 0xFFFF) - 0x8000

    def count(self, index: int, timestamp: int, size: int, now: float) -> None:
        """Count a packet that came on its own (not by retransmission)."""
        if self.highest < 0:
            self._base = index
        self.received += 1
        self.octets += size
        self.highest = max(self.highest, index)
        if timestamp != self._last_timestamp:
            transit = now * self.clock_rate - timestamp
            if self._last_timestamp >= 0:
                change = abs(transit - self._transit)
                if change < self.clock_rate * 10:  # a new start or a wrap of the timestamp is not jitter
                    self._jitter += (change - self._jitter) / 16
            self._transit = transit
            self._last_timestamp = timestamp

    def jump(self, index: int) -> None:
        """The sender began a new numbering at `index`: what lies between is not loss."""
        self._base += index - 1 - self.highest
        self.highest = index - 1
        self._last_timestamp = -1

    def restart(self, ssrc: int, sequence_number: int) -> None:
        """Another SSRC takes the stream over; its first packet has that number and continues the old ones."""
        self.ssrc = ssrc
        self.last_sr = None
        if self.highest >= 0:
            following = self.highest + 1
            self.jump(following + ((sequence_number - following) & 0xFFFF))

    def measure(self, elapsed_s: float) -> None:
        """Compute the rate over the time since the last call."""
        self.rate_bps = (self.octets - self._octets_before) * 8 / elapsed_s
        self._octets_before = self.octets

    @property
    def jitter_s(self) -> float:
        """Interarrival jitter in seconds."""
        return self._jitter / self.clock_rate

    @property
    def lost(self) -> int:
        """Packets expected and not received so far."""
        return self.highest - self._base + 1 - self.received if self.highest >= 0 else 0

    def report_block(self, now: float) -> ReportBlock:
        """The block about this SSRC; starts a new interval."""
        expected = self.highest - self._base + 1
        interval = expected - self._expected_before
        lost = interval - (self.received - self._received_before)
        self._expected_before, self._received_before = expected, self.received
        self.fraction_lost = max(0.0, lost / interval) if interval > 0 else 0.0
        last_sr = delay = 0
        if self.last_sr is not None:
            last_sr = self.last_sr.ntp >> 16 & 0xFFFFFFFF
            delay = min(int((now - self.last_sr_at) * 65536), 0xFFFFFFFF)
        return ReportBlock(
            self.ssrc,
            min(255, int(self.fraction_lost * 256)),
            max(-0x800000, min(0x7FFFFF, self.lost)),
            self.highest & 0xFFFFFFFF,
            int(self._jitter) & 0xFFFFFFFF,
            last_sr,
            delay,
        )

    def sender_report(self, report: SenderReport, now: float) -> None:
        """Note an SR of this SSRC."""
        self.last_sr = report
        self.last_sr_at = now

    def sender_time(self, timestamp: int) -> float | None:
        """The sender's wall clock (seconds) at an RTP timestamp, by its last SR."""
        if self.last_sr is None:
            return None
        ahead = ((timestamp - self.last_sr.rtp_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        return self.last_sr.ntp / (1 << 32) + ahead / self.clock_rate

    def timestamp_at(self, sender_time: float) -> int | None:
        """The RTP timestamp at a time of the sender's wall clock: the inverse of sender_time."""
        if self.last_sr is None:
            return None
        ahead = sender_time - self.last_sr.ntp / (1 << 32)
        return (self.last_sr.rtp_timestamp + round(ahead * self.clock_rate)) & 0xFFFFFFFF
