"""A simulated browser: sends audio and simulcast video, obeys feedback; repairs and decodes what comes."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.media import rtcp, rtp, transport_cc, vp8
from bridge.media.sequence import extend, signed_distance
from jingle.colibri2 import MediaSource
from tests.bridge.media_packets import (
    HEIGHTS,
    LEVEL_ID,
    MID_ID,
    OPUS,
    PACKETS_PER_FRAME,
    RTX,
    TRANSPORT_CC_ID,
    VP8,
    descriptor,
    key_frame_header,
)

if TYPE_CHECKING:
    from tests.bridge.media_world import World


@dataclass
class Layer:
    """The sending side of one simulcast layer."""

    ssrc: int
    order: int
    sequence: int
    timestamp_offset: int
    picture_id: int
    tl0picidx: int
    key_wanted: bool = True
    enabled: bool = True
    sent: dict[int, bytes] = field(default_factory=dict)
    rtx_sequence: int = 0
    packets: int = 0
    plis: list[float] = field(default_factory=list)


@dataclass
class Frame:
    """A frame as a receiver put it together."""

    ssrc: int
    timestamp: int
    picture_id: int
    tl0picidx: int
    key: bool
    order: int
    number: int
    at: float


class ReceivedStream:
    """The receiving side of one SSRC: repairs, puts frames together, decodes in order."""

    def __init__(self) -> None:
        self.packets: dict[int, rtp.Packet] = {}
        self.highest = -1
        self.first = -1
        self.arrived: list[int] = []
        self.repaired = 0
        self.duplicates = 0
        self.frames: list[Frame] = []
        self.next_index = -1
        self.last_decoded_at = 0.0
        self.asked: dict[int, tuple[float, int]] = {}
        self.senders: list[tuple[float, rtcp.SenderReport]] = []
        self.pli_at = 0.0
        self.reported = (0, 0)
        """Expected and received at the last report."""
        self.originals = 0

    def report_block(self, ssrc: int, now: float) -> rtcp.ReportBlock:
        """What an RR says of this stream."""
        expected, received = self.highest - self.first + 1, self.originals
        interval, came = expected - self.reported[0], received - self.reported[1]
        self.reported = (expected, received)
        lost = max(0, interval - came)
        last_sr, delay = 0, 0
        if self.senders:
            at, report = self.senders[-1]
            last_sr, delay = report.ntp >> 16 & 0xFFFFFFFF, int((now - at) * 65536)
        fraction = min(255, lost * 256 // interval) if interval > 0 else 0
        return rtcp.ReportBlock(
            ssrc, fraction, max(0, expected - received), self.highest & 0xFFFFFFFF, 0, last_sr, delay
        )

    def receive(self, packet: rtp.Packet, now: float, *, repaired: bool = False) -> None:
        if self.highest < 0:
            self.first = self.highest = self.next_index = packet.sequence_number + 0x10000
        index = extend(packet.sequence_number, self.highest)
        self.originals += not repaired
        self.duplicates += index in self.packets
        self.repaired += repaired
        self.packets.setdefault(index, packet)
        self.arrived.append(index)
        self.highest = max(self.highest, index)
        self._decode(now)

    def missing(self) -> list[int]:
        return [index for index in range(self.next_index, self.highest) if index not in self.packets]

    def check_pictures(self) -> None:
        """Picture ids and timestamps of what was decoded go on, even over a switch."""
        for before, after in itertools.pairwise(self.frames):
            assert signed_distance(after.timestamp, before.timestamp, 32) > 0
            assert signed_distance(after.picture_id, before.picture_id, 15) == 1 or after.key

    def _decode(self, now: float) -> None:
        """Decode every complete frame that continues the last; a complete key frame may be jumped to."""
        while True:
            frame_end = self._frame_end(self.next_index)
            if frame_end is None:
                jump = self._complete_key_frame_after(self.next_index)
                if jump is None:
                    return
                self.next_index, frame_end = jump
            start = self.packets[self.next_index]
            if start.payload:
                shape = vp8.parse_descriptor(start.payload)
                key = vp8.starts_key_frame(start.payload, shape)
                tail = start.payload[-8:]
                self.frames.append(
                    Frame(
                        start.ssrc,
                        start.timestamp,
                        shape.picture_id,
                        shape.tl0picidx,
                        key,
                        tail[0],
                        int.from_bytes(tail[1:5], "big"),
                        now,
                    )
                )
                self.last_decoded_at = now
            self.next_index = frame_end + 1

    def _frame_end(self, index: int) -> int | None:
        first = self.packets.get(index)
        if first is None:
            return None
        if not first.payload:
            return index
        if not vp8.parse_descriptor(first.payload).starts_frame:
            return None
        if not self.frames and not vp8.starts_key_frame(first.payload, vp8.parse_descriptor(first.payload)):
            return None
        while True:
            packet = self.packets.get(index)
            if packet is None or packet.timestamp != first.timestamp:
                return None
            if packet.marker:
                return index
            index += 1

    def _complete_key_frame_after(self, index: int) -> tuple[int, int] | None:
        for start in range(index + 1, self.highest + 1):
            packet = self.packets.get(start)
            if packet is None or not packet.payload:
                continue
            if vp8.starts_key_frame(packet.payload, vp8.parse_descriptor(packet.payload)):
                end = self._frame_end(start)
                if end is not None:
                    return start, end
        return None


class Browser:
    """One simulated client: sends audio and simulcast video, obeys PLI and NACK, receives and repairs."""

    def __init__(self, world: World, name: str, base: int, *, layers: int = 3, speaks: bool = True) -> None:
        self.world = world
        self.name = name
        self.base = base
        self.random = random.Random(name)
        self.layers = [
            Layer(
                base + 1 + order,
                order,
                self.random.randrange(0x10000),
                self.random.randrange(1 << 32),
                self.random.randrange(0x8000),
                self.random.randrange(0x100),
            )
            for order in range(layers)
        ]
        self.audio_sequence = self.random.randrange(0x10000)
        self.audio_offset = self.random.randrange(1 << 32)
        self.transport_sequence = self.random.randrange(0x10000)
        self.clock_offset = self.random.uniform(0, 1e6)
        """This browser's wall clock minus the world's."""
        self.level = 30 if speaks else 127
        self.camera = True
        self.microphone = True
        self.received: dict[int, ReceivedStream] = {}
        self.rtcp: list[tuple[float, rtcp.RtcpPacket]] = []
        self.raw: list[bytes] = []
        self.messages: list[dict[str, Any]] = []
        self.told: dict[int, float | None] = {}
        self.sent_at: dict[int, float] = {}
        self.loss_reports = 0.0
        self.nacks = True
        self.frame_number = 0
        self.down: tuple[MediaSource, ...] = ()
        """What the bridge said it sends, where it makes up sources of its own."""

    # --- sending

    def send(self, packet: bytes, *, tagged: bool = True) -> None:
        self.world.to_router(self.name, packet, is_rtcp=not tagged)

    def extensions(self, *more: tuple[int, bytes]) -> bytes:
        number = self.transport_sequence & 0xFFFF
        self.sent_at[self.transport_sequence] = self.world.now
        self.transport_sequence += 1
        return rtp.extension_block([(TRANSPORT_CC_ID, number.to_bytes(2, "big")), *more])

    def wall_clock(self) -> float:
        return self.world.now + self.clock_offset

    def send_audio(self) -> None:
        if not self.microphone:
            return
        timestamp = (self.audio_offset + round(self.world.now * 48000)) & 0xFFFFFFFF
        extension = self.extensions((LEVEL_ID, bytes((0x80 | self.level,))), (MID_ID, b"0"))
        payload = self.name.encode().ljust(60, b".")
        packet = rtp.build(
            OPUS, self.audio_sequence & 0xFFFF, timestamp, self.base, payload, extension=extension
        )
        self.audio_sequence += 1
        self.send(packet)

    def send_frame(self) -> None:
        if not self.camera:
            return
        self.frame_number += 1
        for layer in self.layers:
            if layer.enabled:
                self._send_layer_frame(layer)

    def _send_layer_frame(self, layer: Layer) -> None:
        timestamp = (layer.timestamp_offset + round(self.world.now * 90000)) & 0xFFFFFFFF
        key, layer.key_wanted = layer.key_wanted, False
        count = PACKETS_PER_FRAME[layer.order] * (3 if key else 1)
        tid = self.frame_number % 2 if not key else 0
        layer.picture_id = (layer.picture_id + 1) & 0x7FFF
        if tid == 0:
            layer.tl0picidx = (layer.tl0picidx + 1) & 0xFF
        for number in range(count):
            head = key_frame_header(HEIGHTS[layer.order]) if key and number == 0 else b"\x11" + bytes(9)
            mark = bytes((layer.order,)) + self.frame_number.to_bytes(4, "big") + bytes((number, count, 0))
            payload = (
                descriptor(layer.picture_id, layer.tl0picidx, start=number == 0, tid=tid)
                + head
                + bytes(900)
                + mark
            )
            packet = rtp.build(
                VP8,
                layer.sequence & 0xFFFF,
                timestamp,
                layer.ssrc,
                payload,
                marker=0x80 if number == count - 1 else 0,
                extension=self.extensions((MID_ID, b"1"), (4, b"r")),
            )
            layer.sent[layer.sequence & 0xFFFF] = packet
            layer.sequence += 1
            layer.packets += 1
            self.send(packet)

    def send_padding(self, layer: Layer) -> None:
        """A packet of nothing but padding on the media SSRC."""
        timestamp = (layer.timestamp_offset + round(self.world.now * 90000)) & 0xFFFFFFFF
        packet = rtp.build(
            VP8, layer.sequence & 0xFFFF, timestamp, layer.ssrc, b"", padding=200, extension=self.extensions()
        )
        layer.sent[layer.sequence & 0xFFFF] = packet
        layer.sequence += 1
        self.send(packet)

    def resend(self, layer: Layer, sequence_number: int) -> None:
        original = layer.sent.get(sequence_number)
        if original is None:
            return
        packet = rtp.parse(original)
        layer.rtx_sequence += 1
        self.send(
            rtp.build(
                RTX,
                layer.rtx_sequence & 0xFFFF,
                packet.timestamp,
                layer.ssrc + 10,
                sequence_number.to_bytes(2, "big") + packet.payload,
                marker=packet.marker,
                extension=self.extensions(),
            )
        )

    def send_reports(self) -> None:
        clocks = [(self.base, self.audio_offset, 48000)]
        clocks += [(layer.ssrc, layer.timestamp_offset, 90000) for layer in self.layers if layer.enabled]
        for ssrc, offset, rate in clocks:
            timestamp = (offset + round(self.world.now * rate)) & 0xFFFFFFFF
            ntp = int((self.wall_clock() + 2208988800) * (1 << 32))
            self.send(rtcp.sender_report(rtcp.SenderReport(ssrc, ntp, timestamp, 1, 1)), tagged=False)

    def send_receiver_report(self) -> None:
        now = self.world.now
        blocks = [
            stream.report_block(ssrc, now) for ssrc, stream in self.received.items() if stream.highest >= 0
        ]
        self.send(
            rtcp.receiver_report(1, blocks[:31]) + rtcp.source_description([(1, self.name)]), tagged=False
        )

    # --- receiving

    def receive_rtp(self, data: bytes) -> None:
        self.raw.append(data)
        packet = rtp.parse(data)
        if packet.payload_type == RTX:
            original = int.from_bytes(packet.payload[:2], "big")
            restored = rtp.Packet(
                VP8, packet.marker, original, packet.timestamp, packet.ssrc - 10, {}, packet.payload[2:]
            )
            self.received.setdefault(packet.ssrc - 10, ReceivedStream()).receive(
                restored, self.world.now, repaired=True
            )
            return
        self.received.setdefault(packet.ssrc, ReceivedStream())
        if packet.payload_type == OPUS:
            stream = self.received[packet.ssrc]
            index = (
                packet.sequence_number
                if stream.highest < 0
                else extend(packet.sequence_number, stream.highest)
            )
            if stream.highest < 0:
                stream.first = index
            stream.originals += 1
            stream.arrived.append(index)
            stream.packets[index] = packet
            stream.highest = max(stream.highest, index)
            return
        self.received[packet.ssrc].receive(packet, self.world.now)

    def receive_rtcp(self, data: bytes) -> None:
        now = self.world.now
        for packet in rtcp.parse(data):
            self.rtcp.append((now, packet))
            match packet:
                case rtcp.Pli(media_ssrc=ssrc):
                    for layer in self.layers:
                        if layer.ssrc == ssrc:
                            layer.plis.append(now)
                            layer.key_wanted = True
                case rtcp.Nack(media_ssrc=ssrc):
                    for layer in self.layers:
                        if layer.ssrc == ssrc:
                            for number in packet.sequence_numbers:
                                self.resend(layer, number)
                case rtcp.TransportCc(fci=fci):
                    for index, at in transport_cc.parse_feedback(fci, self.transport_sequence):
                        self.told[index] = at if at is not None else self.told.get(index)
                case rtcp.SenderReport(ssrc=ssrc):
                    self.received.setdefault(ssrc, ReceivedStream()).senders.append((now, packet))

    def repair(self) -> None:
        """NACK what is missing; ask for a key frame when nothing could be decoded for a second."""
        now = self.world.now
        for ssrc, stream in self.received.items():
            if stream.next_index < 0:  # audio is not repaired
                continue
            due = []
            for index in stream.missing():
                at, tries = stream.asked.get(index, (0.0, 0))
                if now - at >= 0.06 and tries < 10:
                    stream.asked[index] = (now, tries + 1)
                    due.append(index & 0xFFFF)
            if due and self.nacks:
                self.send(rtcp.nack(1, ssrc, due), tagged=False)
            frozen = now - stream.last_decoded_at > 1 and now - stream.pli_at > 1
            if stream.arrived and frozen:
                stream.pli_at = now
                self.send(rtcp.pli(1, ssrc), tagged=False)

    def decoded(self, sender: Browser) -> ReceivedStream:
        """What came of another's video."""
        return self.received.get(sender.base + 1, ReceivedStream())

    def frames(self, ssrc: int) -> list[Frame]:
        """What was decoded of that SSRC."""
        return self.received[ssrc].frames if ssrc in self.received else []
