"""RTCP feedback to senders: key-frame requests, NACKs, transport-wide congestion control."""

from __future__ import annotations

from collections.abc import Callable

from bridge.media import rtcp
from bridge.media.endpoint import Endpoint
from bridge.media.incoming import VideoLayer, VideoTrack

FEEDBACK_S = 0.075
"""Between two transport-cc feedbacks to one sender."""
FEEDBACK_PACKETS = 100
"""So many packets are fed back at once: the sender's estimate must not wait during a burst."""


class Feedback:
    """Sends what is due to a sender, within the limits of KeyFrameRequests and MissingPackets."""

    def __init__(self, send_rtcp: Callable[[str, bytes], None]) -> None:
        self._send_rtcp = send_rtcp

    def _send(self, sender: Endpoint, feedback: bytes) -> None:
        """Feedback goes in a full compound: whether reduced size (RFC 5506) was negotiated is not known."""
        self._send_rtcp(sender.id, sender.feedback_start + feedback)

    def layer(self, sender: Endpoint, layer: VideoLayer, now: float) -> None:
        """NACK and key-frame request about one layer, if due."""
        ssrc = sender.feedback_ssrc
        if layer.missing.next_due <= now:
            if not sender.capabilities.nack:
                layer.missing.clear()
            elif due := layer.missing.due(now, sender.rtt_s):
                self._send(sender, rtcp.nack(ssrc, layer.reception.ssrc, [index & 0xFFFF for index in due]))
        if layer.key_frames.requested and layer.key_frames.take(now):
            if sender.capabilities.fir and not sender.capabilities.pli:
                self._send(sender, rtcp.fir(ssrc, layer.reception.ssrc, layer.key_frames.sent))
            else:
                self._send(sender, rtcp.pli(ssrc, layer.reception.ssrc))

    def layers(self, sender: Endpoint, now: float) -> None:
        """The same about all layers of an endpoint."""
        for track in sender.tracks:
            if isinstance(track, VideoTrack):
                for layer in track.layers:
                    self.layer(sender, layer, now)

    def transport(self, sender: Endpoint, now: float) -> None:
        """transport-cc feedback, if due. It names one SSRC of the sender, which browsers want to know."""
        arrived = len(sender.arrivals)
        if not arrived or (now - sender.fed_back_at < FEEDBACK_S and arrived < FEEDBACK_PACKETS):
            return
        sender.fed_back_at = now
        for fci in sender.arrivals.feedback():
            self._send(sender, rtcp.transport_cc(sender.feedback_ssrc, sender.media_ssrc, fci))
