"""Retransmission payload format (RFC 4588 §4) and the limits on answering NACKs with it."""

from __future__ import annotations

from bridge.media import rtp
from bridge.media.rtp import RtpError

MAX_RESENDS = 5
"""Of one packet to one receiver."""
MIN_INTERVAL_S = 0.010
RESENDS_PER_SECOND = 500.0
"""To one receiver, of all its streams together: a NACK of 4 octets may ask for 17 packets."""
MAX_TRACKED = 1024


def restore(packet: rtp.Packet, payload_type: int, ssrc: int) -> rtp.Packet | None:
    """The original packet inside a retransmission; None when it holds none (padding). Raises RtpError."""
    payload = packet.payload
    if not payload:
        return None
    if len(payload) < 2:
        raise RtpError("RTX packet without an original sequence number")
    return rtp.Packet(
        payload_type,
        packet.marker,
        payload[0] << 8 | payload[1],
        packet.timestamp,
        ssrc,
        packet.extensions,
        payload[2:],
    )


def encapsulate(packet: bytes, header_size: int, payload_type: int, sequence_number: int, ssrc: int) -> bytes:
    """The retransmission of a packet: own payload type, number and SSRC; the original number before the
    payload."""
    first: int
    second: int
    original: int
    first, second, original, timestamp, _ = rtp.FIXED_HEADER.unpack_from(packet)
    header = rtp.FIXED_HEADER.pack(
        first, second & rtp.MARKER | payload_type, sequence_number & 0xFFFF, timestamp, ssrc
    )
    return header + packet[12:header_size] + original.to_bytes(2, "big") + packet[header_size:]


class ResendLimits:
    """Which packets one receiver may have again: each once per RTT and MAX_RESENDS times, all within a
    rate."""

    __slots__ = ("_at", "_credit", "_resent", "refused")

    def __init__(self) -> None:
        self._resent: dict[tuple[int, int], tuple[float, int]] = {}
        self._credit = RESENDS_PER_SECOND
        self._at = 0.0
        self.refused = 0

    def allow(self, ssrc: int, index: int, now: float, rtt_s: float) -> bool:
        """Whether to resend packet `index` of stream `ssrc` now."""
        self._credit = min(RESENDS_PER_SECOND, self._credit + (now - self._at) * RESENDS_PER_SECOND)
        self._at = now
        last, count = self._resent.get((ssrc, index), (float("-inf"), 0))
        if count >= MAX_RESENDS or now - last < max(MIN_INTERVAL_S, rtt_s) or self._credit < 1:
            self.refused += 1
            return False
        self._credit -= 1
        self._resent.pop((ssrc, index), None)
        self._resent[ssrc, index] = (now, count + 1)
        while len(self._resent) > MAX_TRACKED:
            del self._resent[next(iter(self._resent))]
        return True
