"""What an endpoint sends, as signalled: audio tracks, video tracks with simulcast layers and RTX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from bridge.media import rtp, vp8
from bridge.media.codec import LevelMeter
from bridge.media.key_frames import KeyFrameRequests
from bridge.media.nack import MissingPackets
from bridge.media.reception import Reception
from bridge.metrics import KEY_FRAMES
from jingle.colibri2 import MediaSource

MAX_LAYERS = 4
"""Of a simulcast group; more are ignored."""
RING = 512
"""Packets of one layer kept for retransmission: more than a second of 1080p, at most about 640 kB."""
KEPT_S = 2.0
"""Kept packets are let go of after this time: no receiver has use for them any more."""
MAX_JUMP = 3000
"""A larger step of the sequence number is a new numbering (MAX_DROPOUT of RFC 3550 A.1)."""
MAX_EARLY = 64
"""Packets from before the first one that came may still follow it."""
ACTIVE_S = 1.5
"""A layer without packets for so long is off: the browser pauses layers it has no bandwidth for."""


class VideoPacket:
    """One VP8 packet as forwarded: every receiver gets its own header before the shared `tail`."""

    __slots__ = (
        "arrival",
        "head",
        "index",
        "key_frame",
        "marker",
        "orientation",
        "picture_id",
        "picture_id_bits",
        "tail",
        "timestamp",
        "tl0picidx",
        "word",
    )

    def __init__(self, index: int, packet: rtp.Packet, arrival: float, orientation: bytes | None) -> None:
        """Raises RtpError when the payload is not VP8; padding only gives an empty tail."""
        self.index = index
        self.marker = packet.marker
        self.timestamp = packet.timestamp
        self.arrival = arrival
        self.orientation = orientation
        self.key_frame = False
        """The first packet of a key frame."""
        self.tail = payload = packet.payload
        self.word = -1
        """Both octets of `head` as a number when 15-bit picture id and TL0PICIDX follow, as usual."""
        if not payload:
            self.head = b""
            self.picture_id = self.tl0picidx = -1
            self.picture_id_bits = 0
            return
        descriptor = vp8.parse_descriptor(payload)
        self.head = descriptor.head
        self.picture_id = descriptor.picture_id
        self.picture_id_bits = descriptor.picture_id_bits
        self.tl0picidx = descriptor.tl0picidx
        if descriptor.picture_id_bits == 15 and descriptor.tl0picidx >= 0:
            self.word = payload[0] << 8 | payload[1]
        self.tail = payload[descriptor.tail_start :]
        self.key_frame = vp8.starts_key_frame(payload, descriptor)


class VideoReceiver(Protocol):
    """What a layer hands its packets to."""

    def receive(self, layer: VideoLayer, packet: VideoPacket, now: float) -> None:
        """A packet of a layer that this receiver forwards or waits for."""

    def receive_padding(self, layer: VideoLayer, packet: VideoPacket) -> None:
        """A packet of that layer that carries nothing but its number."""

    def interrupt(self, layer: VideoLayer) -> None:
        """The layer's numbering starts anew: nothing continues across it but at a key frame."""


class AudioReceiver(Protocol):
    """What an audio track hands its packets to."""

    def receive(self, packet: rtp.Packet, index: int) -> None:
        """A packet to forward."""

    def interrupt(self) -> None:
        """The track's numbering starts anew."""


class VideoLayer:
    """One simulcast layer (or the only one) of a video track."""

    __slots__ = (
        "floor",
        "height",
        "key_frames",
        "last_packet_at",
        "missing",
        "order",
        "receivers",
        "reception",
        "recovered",
        "ring",
        "rtx",
        "rtx_ssrc",
        "ssrc",
        "track",
    )

    def __init__(self, track: VideoTrack, order: int, ssrc: int, rtx_ssrc: int | None) -> None:
        self.track = track
        self.order = order
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.rtx = Reception(rtx_ssrc, 90000) if rtx_ssrc is not None else None
        self.reception = Reception(ssrc, 90000)
        self.ring: list[VideoPacket | None] = [None] * RING
        self.floor = 0
        """What lies below this index comes too late for anybody (and may have been forwarded long ago)."""
        self.missing = MissingPackets()
        self.key_frames = KeyFrameRequests()
        self.receivers: list[VideoReceiver] = []
        """Who forwards this layer or waits for its next key frame."""
        self.height = 0
        """The smaller side of the picture, from the last key frame; 0 = not seen yet."""
        self.last_packet_at = float("-inf")
        self.recovered = 0
        """Packets that came by retransmission."""

    def active(self, now: float) -> bool:
        """Whether packets of this layer come at present."""
        return now - self.last_packet_at < ACTIVE_S

    def cached(self, index: int) -> VideoPacket | None:
        """The packet of that index, while it is kept."""
        packet = self.ring[index % RING]
        return packet if packet is not None and packet.index == index else None

    def receive(self, packet: rtp.Packet, orientation: bytes | None, size: int, now: float) -> None:
        """A packet on the layer's own SSRC. Raises RtpError."""
        reception = self.reception
        index = reception.index(packet.sequence_number)
        highest = reception.highest
        if highest < 0:
            self.floor = index - MAX_EARLY
        elif not -MAX_JUMP < index - highest < MAX_JUMP:
            if index < highest:
                index += 0x10000
            reception.jump(index)
            self._interrupt()
        elif index > highest + 1:
            self._skipped(highest + 1, index, now)
        reception.count(index, packet.timestamp, size, now)
        self.last_packet_at = now
        self._accept(index, packet, orientation, now)

    def restart(self, ssrc: int, sequence_number: int) -> None:
        """Another SSRC takes the layer over, beginning with that number."""
        began = self.reception.highest >= 0
        self.reception.restart(ssrc, sequence_number)
        if began:
            self._interrupt()

    def receive_recovered(self, packet: rtp.Packet, orientation: bytes | None, now: float) -> None:
        """A packet taken out of the layer's RTX stream. Raises RtpError."""
        if self.reception.highest >= 0:
            index = self.reception.index(packet.sequence_number)
            self.recovered += self._accept(index, packet, orientation, now)

    def _accept(self, index: int, received: rtp.Packet, orientation: bytes | None, now: float) -> bool:
        """Keep and forward a packet, unless it was here before (retransmissions are also sent as probes)."""
        if self.missing:
            self.missing.received(index)
        slot = index % RING
        kept = self.ring[slot]
        if index < self.floor or (kept is not None and kept.index >= index):
            return False
        packet = VideoPacket(index, received, now, orientation)
        self.ring[slot] = packet
        if not received.payload:
            for receiver in self.receivers:
                receiver.receive_padding(self, packet)
        elif packet.key_frame:
            self._key_frame(packet, received.payload)
            for receiver in self.receivers[:]:  # a switch takes receivers out of this list and others
                receiver.receive(self, packet, now)
        else:
            for receiver in self.receivers:
                receiver.receive(self, packet, now)
        return True

    def _key_frame(self, packet: VideoPacket, payload: bytes) -> None:
        KEY_FRAMES.inc()
        self.key_frames.key_frame()
        self.missing.forget_before(packet.index)
        size = vp8.key_frame_size(payload, vp8.parse_descriptor(payload))
        if size is not None and min(size) != self.height:
            self.height = min(size)
            self.track.changed = True

    def _skipped(self, first: int, beyond: int, now: float) -> None:
        if not self.receivers:
            return
        if not self.missing.gap([index for index in range(first, beyond) if self.cached(index) is None], now):
            self.key_frames.request()

    def _interrupt(self) -> None:
        self.clear()
        for receiver in self.receivers[:]:
            receiver.interrupt(self)

    def trim(self, now: float) -> None:
        """Let go of packets that are too old."""
        while self.floor <= self.reception.highest:
            packet = self.cached(self.floor)
            if packet is None:
                if self.floor in self.missing:
                    return
            elif packet.arrival > now - KEPT_S:
                return
            else:
                self.ring[self.floor % RING] = None
            self.floor += 1

    def clear(self) -> None:
        """Let go of all kept packets."""
        self.ring = [None] * RING
        self.floor = max(0, self.reception.highest + 1)
        self.missing.clear()


class VideoTrack:
    """A video source: its layers, lowest first. Receivers know it by the SSRCs of the first."""

    __slots__ = ("changed", "layers", "name", "owner", "video_type")

    def __init__(self, owner: str, name: str, layers: list[tuple[int, int | None]]) -> None:
        self.owner = owner
        self.name = name
        self.layers = [VideoLayer(self, order, *ssrcs) for order, ssrcs in enumerate(layers)]
        self.video_type = "camera"
        """As the owner last said: camera, desktop, desktop_high_fps or none."""
        self.changed = True
        """Heights changed since the layers were last chosen."""

    @property
    def ssrc(self) -> int:
        """The SSRC that receivers see."""
        return self.layers[0].ssrc

    @property
    def is_screen(self) -> bool:
        """Whether it shows a screen."""
        return self.video_type.startswith("desktop")

    def height(self, layer: VideoLayer) -> int:
        """The layer's height, if need be guessed: each layer has twice the height of the one below."""
        for distance in range(len(self.layers)):
            for known in (layer.order - distance, layer.order + distance):
                if 0 <= known < len(self.layers) and self.layers[known].height:
                    height = self.layers[known].height
                    return height << distance if known <= layer.order else max(1, height >> distance)
        return (180 << layer.order) if len(self.layers) > 1 else 720


class AudioTrack:
    """An audio source: one SSRC."""

    __slots__ = ("last_packet_at", "meter", "name", "owner", "receivers", "reception", "ssrc")

    def __init__(self, owner: str, name: str, ssrc: int) -> None:
        self.owner = owner
        self.name = name
        self.ssrc = ssrc
        self.reception = Reception(ssrc, 48000)
        self.receivers: list[AudioReceiver] = []
        self.meter: LevelMeter | None = None
        """Where the sender does not tell the level."""
        self.last_packet_at = float("-inf")

    def restart(self, ssrc: int, sequence_number: int) -> None:
        """Another SSRC takes the track over, beginning with that number."""
        self.reception.restart(ssrc, sequence_number)
        for receiver in self.receivers:
            receiver.interrupt()

    def receive(self, packet: rtp.Packet, size: int, now: float) -> int:
        """Count a packet; returns its extended sequence number."""
        reception = self.reception
        index = reception.index(packet.sequence_number)
        if reception.highest >= 0 and not -MAX_JUMP < index - reception.highest < MAX_JUMP:
            if index < reception.highest:
                index += 0x10000
            reception.jump(index)
            for receiver in self.receivers:
                receiver.interrupt()
        reception.count(index, packet.timestamp, size, now)
        self.last_packet_at = now
        return index


class RtxStream:
    """The retransmission stream (RFC 4588) of a layer."""

    __slots__ = ("layer", "reception")

    def __init__(self, layer: VideoLayer, reception: Reception) -> None:
        self.layer = layer
        self.reception = reception


Track = VideoTrack | AudioTrack
Stream = VideoLayer | AudioTrack | RtxStream


def tracks_of(owner: str, source: MediaSource) -> Iterator[Track]:
    """The tracks that a signalled source stands for: a simulcast group is one, every other primary SSRC one
    of its own."""
    repaired = {
        group.ssrcs[0]: group.ssrcs[1] for group in source.groups if _is_fid(group.semantics, group.ssrcs)
    }
    taken = set(repaired.values())
    if source.type == "video":
        for group in source.groups:
            if group.semantics == "SIM" and group.ssrcs and not taken.intersection(group.ssrcs):
                taken.update(group.ssrcs)
                yield VideoTrack(
                    owner, source.id, [(ssrc, repaired.get(ssrc)) for ssrc in group.ssrcs[:MAX_LAYERS]]
                )
    for one in source.sources:
        if one.ssrc not in taken:
            taken.add(one.ssrc)
            if source.type == "audio":
                yield AudioTrack(owner, source.id, one.ssrc)
            elif source.type == "video":
                yield VideoTrack(owner, source.id, [(one.ssrc, repaired.get(one.ssrc))])


def _is_fid(semantics: str, ssrcs: tuple[int, ...]) -> bool:
    return semantics == "FID" and len(ssrcs) == 2 and ssrcs[0] != ssrcs[1]


def streams_of(track: Track) -> Iterator[tuple[int, Stream]]:
    """The SSRCs of a track with what receives them."""
    if isinstance(track, AudioTrack):
        yield track.ssrc, track
        return
    for layer in track.layers:
        yield layer.ssrc, layer
        if layer.rtx_ssrc is not None and layer.rtx is not None:
            yield layer.rtx_ssrc, RtxStream(layer, layer.rtx)
