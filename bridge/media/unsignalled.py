"""The capability `unsignalled-sources`: a client whose SSRCs nobody knows before its packets come.

Its signalling announces sources with SSRCs made up for it; what comes is bound to them by payload type. The
numbering of a new SSRC in mid-call continues that of the one before, so that nobody behind notices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridge.media import rtp
from bridge.media.capabilities import VP8, Capabilities
from bridge.media.incoming import AudioTrack, RtxStream, Stream, Track, VideoLayer, VideoTrack
from bridge.media.reception import Reception
from bridge.media.rtcp import SenderReport

CAPABILITY = "unsignalled-sources"
REBIND_AFTER_S = 0.3
"""A new SSRC takes a source over only when the one before was silent for so long: two cannot share it."""


class Binding:
    """One SSRC as it comes, and the announced stream that it stands for."""

    __slots__ = ("at", "ssrc", "stream", "timestamp", "timestamp_offset")

    def __init__(self, ssrc: int, stream: Stream) -> None:
        self.ssrc = ssrc
        self.stream = stream
        self.timestamp_offset = 0
        self.timestamp = 0
        """Of the newest packet, moved."""
        self.at = 0.0


class Bindings:
    """Those of one endpoint: at most one for audio, one for video, one for its retransmissions."""

    __slots__ = ("_bindings",)

    def __init__(self) -> None:
        self._bindings: dict[int, Binding] = {}

    def retain(self, tracks: Iterable[Track]) -> None:
        """Only these tracks are announced any more."""
        kept = set(tracks)
        self._bindings = {
            ssrc: binding for ssrc, binding in self._bindings.items() if _track(binding.stream) in kept
        }

    def stream(
        self, packet: rtp.Packet, capabilities: Capabilities, tracks: Iterable[Track], now: float
    ) -> Stream | None:
        """The stream that a packet of an unknown SSRC belongs to; its timestamp is moved to continue it."""
        binding = self._bindings.get(packet.ssrc)
        if binding is None:
            binding = self._bind(packet, capabilities, tracks, now)
            if binding is None:
                return None
        packet.timestamp = (packet.timestamp + binding.timestamp_offset) & 0xFFFFFFFF
        binding.timestamp, binding.at = packet.timestamp, now
        return binding.stream

    def sender_report(self, report: SenderReport) -> tuple[Stream, SenderReport] | None:
        """The stream that an SR is about, and the report as that stream's."""
        binding = self._bindings.get(report.ssrc)
        if binding is None:
            return None
        timestamp = (report.rtp_timestamp + binding.timestamp_offset) & 0xFFFFFFFF
        return binding.stream, replace(report, rtp_timestamp=timestamp)

    def _bind(
        self, packet: rtp.Packet, capabilities: Capabilities, tracks: Iterable[Track], now: float
    ) -> Binding | None:
        stream = _announced(packet, capabilities, tracks)
        if stream is None:
            return None
        made = Binding(packet.ssrc, stream)
        before = next((one for one in self._bindings.values() if _same(one.stream, stream)), None)
        if not isinstance(stream, RtxStream):
            if now - stream.last_packet_at < REBIND_AFTER_S:
                return None
            if before is not None:
                passed = round((now - before.at) * stream.reception.clock_rate)
                made.timestamp_offset = before.timestamp + passed - packet.timestamp
            stream.restart(packet.ssrc, packet.sequence_number)
        if before is not None:
            del self._bindings[before.ssrc]
        self._bindings[packet.ssrc] = made
        return made


def _announced(packet: rtp.Packet, capabilities: Capabilities, tracks: Iterable[Track]) -> Stream | None:
    """What the packet can be, by its payload type: of the first audio or the first video announced."""
    repaired = capabilities.rtx_payloads.get(packet.payload_type)
    codec = capabilities.codecs.get(packet.payload_type if repaired is None else repaired)
    if codec is None or codec[0] == "telephone-event":
        return None
    for track in tracks:
        if isinstance(track, VideoTrack) and codec == VP8:
            layer = track.layers[0]
            return layer if repaired is None else RtxStream(layer, Reception(packet.ssrc, 90000))
        if isinstance(track, AudioTrack) and codec[1] != VP8[1]:
            return track
    return None


def _track(stream: Stream) -> Track:
    if isinstance(stream, AudioTrack):
        return stream
    return stream.track if isinstance(stream, VideoLayer) else stream.layer.track


def _same(one: Stream, other: Stream) -> bool:
    if isinstance(one, RtxStream) and isinstance(other, RtxStream):
        return one.layer is other.layer
    return one is other
