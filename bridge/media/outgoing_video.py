"""A video track as one receiver gets it: one SSRC, numbered continuously whatever the sender's layers do."""

from __future__ import annotations

import struct

from bridge.media import rtp, rtx, vp8
from bridge.media.incoming import VideoLayer, VideoPacket, VideoTrack
from bridge.media.outgoing import Clock, Position, Quality, Send
from bridge.media.segment import Segment, Segments
from bridge.media.sequence import extend

SWITCH_TIMEOUT_S = 3.0
"""A layer that gave no key frame for so long is not waited for: the browser may have paused it."""
BLOCKED_S = 10.0
"""How long such a layer is not tried again."""
RETRY_S = 1.0
"""Between two requests for the key frame of a switch."""
MAX_LATE = 150
"""A key frame whose start was repaired so many packets late is not begun with: a new one is quicker."""
MAX_CLOCK_ERROR_S = 1.0
"""Senders' clocks that disagree with the time that passed by more are not believed."""

_VP8_HEADER = struct.Struct("!BBHIIHHB")
"""RTP header, both octets of the descriptor's head, 15-bit picture id, TL0PICIDX."""


class OutgoingVideo:
    """A video track as one receiver gets it: the chosen layer, rewritten to the SSRC of the first.

    A layer is taken up only at the start of one of its key frames; until then the old one goes on.
    """

    __slots__ = (
        "_blocked",
        "_newest",
        "_newest_segment",
        "_orientation_id",
        "_payload_type",
        "_receiver",
        "_retry_at",
        "_rtx_payload_type",
        "_rtx_sequence",
        "_segments",
        "_send",
        "_ssrc",
        "_start",
        "_waiting_since",
        "octets",
        "packets",
        "quality",
        "resent",
        "segment",
        "switches",
        "target",
        "track",
        "wanted_height",
    )

    def __init__(self, track: VideoTrack, receiver: str, send: Send, start: Position) -> None:
        self.track = track
        self._ssrc = track.ssrc
        self._receiver = receiver
        self._send = send
        self._start = start
        self._payload_type = self._rtx_payload_type = self._orientation_id = -1
        self.target: VideoLayer | None = None
        """The layer to forward; None = none."""
        self.segment: Segment | None = None
        """What is being forwarded; None = nothing yet."""
        self._segments = Segments()
        self._newest: VideoPacket | None = None
        self._newest_segment: Segment | None = None
        self._waiting_since: float | None = None
        self._retry_at = 0.0
        self._blocked: dict[VideoLayer, float] = {}
        self._rtx_sequence = start.rtx_sequence
        self.wanted_height = 0
        """What the receiver's constraints ask of this track; 0 = not wanted."""
        self.quality = Quality()
        self.packets = self.octets = self.resent = self.switches = 0

    def negotiate(self, payload_type: int, rtx_payload_type: int, orientation_id: int) -> None:
        """The receiver's payload types (-1 = none) and its id of the orientation extension (-1 = none)."""
        self._payload_type = payload_type
        self._rtx_payload_type = rtx_payload_type
        self._orientation_id = orientation_id
        if payload_type < 0:
            self.stop()

    @property
    def current(self) -> VideoLayer | None:
        """The layer being forwarded."""
        return self.segment.layer if self.segment is not None else None

    @property
    def possible(self) -> bool:
        """Whether the receiver can have this track at all."""
        return self._payload_type >= 0

    def usable(self, layer: VideoLayer, now: float) -> bool:
        """Whether that layer is being sent and was not waited for in vain a short while ago."""
        return layer.active(now) and self._blocked.get(layer, now) <= now

    # --- choosing

    def select(self, layer: VideoLayer | None, now: float) -> None:
        """Forward that layer from its next key frame on; None stops at once."""
        if layer is self.target:
            return
        if self.target is not None and self.target is not self.current:
            self.target.receivers.remove(self)
        self.target = layer
        if layer is None:
            self._stop()
        elif layer is not self.current:
            layer.receivers.append(self)
            layer.key_frames.request()
            self._waiting_since = now
            self._retry_at = now + RETRY_S

    def stop(self) -> None:
        """Forward nothing from now on."""
        self.select(None, 0.0)

    def waiting(self, now: float) -> None:
        """Called now and then: repeat the request for a key frame, or give the layer up and stay."""
        target = self.target
        if target is None or target is self.current:
            return
        if not target.active(now):
            self._waiting_since = None  # it is not being sent: the key frame it starts with will do
            return
        if self._waiting_since is None:
            self._waiting_since = now
        alternative = self.segment is not None or len(target.track.layers) > 1
        if alternative and now - self._waiting_since > SWITCH_TIMEOUT_S:
            self._blocked[target] = now + BLOCKED_S
            target.receivers.remove(self)
            self.target = self.current
        elif now >= self._retry_at:
            target.key_frames.request()
            self._retry_at = now + RETRY_S

    def forget(self, layers: list[VideoLayer]) -> None:
        """These layers do not exist any more."""
        for layer in layers:
            self._blocked.pop(layer, None)

    def _stop(self) -> None:
        if self.segment is not None:
            self.segment.layer.receivers.remove(self)
            self.segment.end = self.segment.newest + 1
            self.segment = None

    def interrupt(self, layer: VideoLayer) -> None:
        """The layer's numbering starts anew: go on at its next key frame."""
        if self.segment is not None and self.segment.layer is layer:
            self.segment.end = self.segment.newest + 1
            self.segment = None
            self._waiting_since = None
            if self.target is not layer:
                layer.receivers.remove(self)
        layer.key_frames.request()

    # --- forwarding

    def receive(self, layer: VideoLayer, packet: VideoPacket, now: float) -> None:
        """Forward a packet, if this receiver is to have it."""
        segment = self.segment
        if segment is None or segment.layer is not layer:
            if packet.key_frame and self.target is layer:
                self._switch(layer, packet, now)
            return
        if packet.index < segment.first:
            late = self._segments.of_layer(layer, packet.index)
            if late is not None:
                self._forward(packet, late)
            return
        if packet.index > segment.newest:
            segment.newest = packet.index
            self._newest = packet
            self._newest_segment = segment
        self._forward(packet, segment)

    def _forward(self, packet: VideoPacket, segment: Segment) -> None:
        data = self._rewrite(packet, segment)
        self.packets += 1
        self.octets += len(data)
        self._send(self._receiver, data)

    def _rewrite(self, packet: VideoPacket, segment: Segment) -> bytes:
        if packet.word >= 0 and packet.orientation is None:
            return (
                _VP8_HEADER.pack(
                    0x80,
                    packet.marker | self._payload_type,
                    (packet.index + segment.sequence_offset) & 0xFFFF,
                    (packet.timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
                    self._ssrc,
                    packet.word,
                    0x8000 | (packet.picture_id + segment.picture_offset) & 0x7FFF,
                    (packet.tl0picidx + segment.tl0_offset) & 0xFF,
                )
                + packet.tail
            )
        descriptor = vp8.rewrite(
            packet.head,
            packet.picture_id,
            packet.picture_id_bits,
            packet.tl0picidx,
            picture_offset=segment.picture_offset,
            tl0_offset=segment.tl0_offset,
        )
        return rtp.build(
            self._payload_type,
            (packet.index + segment.sequence_offset) & 0xFFFF,
            (packet.timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
            self._ssrc,
            descriptor + packet.tail,
            marker=packet.marker,
            extension=self._extension(packet),
        )

    def _extension(self, packet: VideoPacket) -> bytes:
        if packet.orientation is None or self._orientation_id < 0:
            return b""
        return rtp.extension_block([(self._orientation_id, packet.orientation)])

    def receive_padding(self, layer: VideoLayer, packet: VideoPacket) -> None:
        """Leave out a number that carries nothing, without a gap; one that comes late fills its gap as
        padding."""
        segment = self.segment
        if segment is None or segment.layer is not layer:
            return
        if packet.index > segment.newest:
            self._begin(segment.without(packet.index))
            return
        late = self._segments.of_layer(layer, packet.index)
        if late is not None:
            sequence_number = (packet.index + late.sequence_offset) & 0xFFFF
            timestamp = (packet.timestamp + late.timestamp_offset) & 0xFFFFFFFF
            data = rtp.build(self._payload_type, sequence_number, timestamp, self._ssrc, b"", padding=1)
            self._send(self._receiver, data)

    def _begin(self, segment: Segment) -> None:
        self.segment = segment
        self._segments.append(segment)

    # --- switching

    def position(self) -> Position:
        """Where the numbering stands."""
        packet, segment = self._newest, self._newest_segment
        if packet is None or segment is None:
            return self._start._replace(rtx_sequence=self._rtx_sequence)
        sequence = packet.index + segment.sequence_offset
        if self.segment is not None and self.segment.newest < self.segment.first:
            # Nothing came since numbers were left out: the next is the one this segment begins with.
            sequence = self.segment.first + self.segment.sequence_offset - 1
        return Position(
            sequence,
            (packet.timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
            packet.picture_id + segment.picture_offset,
            packet.tl0picidx + segment.tl0_offset,
            packet.arrival,
            self._rtx_sequence,
        )

    def _switch(self, layer: VideoLayer, packet: VideoPacket, now: float) -> None:
        newest = max(packet.index, layer.reception.highest)
        if newest - packet.index > MAX_LATE:
            layer.key_frames.request()
            return
        last = self.position()
        timestamp = self._next_timestamp(layer, packet, last, now)
        if self.segment is not None:
            self.segment.layer.receivers.remove(self)
            self.segment.end = self.segment.newest + 1
            self.switches += 1
        self._begin(
            Segment(
                layer,
                packet.index,
                sequence_offset=last.sequence + 1 - packet.index,
                timestamp_offset=timestamp - packet.timestamp,
                picture_offset=last.picture_id + 1 - packet.picture_id,
                tl0_offset=last.tl0picidx + 1 - packet.tl0picidx,
            )
        )
        # The start of a key frame may come late, repaired: what follows it may be here already.
        for index in range(packet.index, newest + 1):
            following = layer.cached(index)
            if following is not None and following.tail:
                self.receive(layer, following, now)
            elif following is not None:
                self.receive_padding(layer, following)

    def _next_timestamp(self, layer: VideoLayer, packet: VideoPacket, last: Position, now: float) -> int:
        """The outgoing timestamp of a new layer's first frame: by the sender's clock, else by the time that
        passed."""
        old, segment = self._newest, self._newest_segment
        if old is None or segment is None:
            if last.at < 0:  # a stream never sent before has nothing to continue
                return packet.timestamp
        elif segment.layer.track.owner == layer.track.owner:
            old_time = segment.layer.reception.sender_time(old.timestamp)
            new_time = layer.reception.sender_time(packet.timestamp)
            if old_time is not None and new_time is not None:
                ahead = round((new_time - old_time) * 90000)
                if 0 < ahead < 0x7FFFFFFF and abs(new_time - old_time - (now - last.at)) < MAX_CLOCK_ERROR_S:
                    return last.timestamp + ahead
        return last.timestamp + max(1, round((now - last.at) * 90000) & 0x7FFFFFFF)

    # --- repairing and reporting

    def resend(self, sequence_number: int, limits: rtx.ResendLimits, now: float, rtt_s: float) -> bool:
        """Answer a NACK for one number by RTX. False when the packet is not kept any more, or RTX not
        negotiated.

        Without RTX there is no answer: SRTP never protects the same number twice.
        """
        rtx_ssrc = self.track.layers[0].rtx_ssrc
        if self._rtx_payload_type < 0 or rtx_ssrc is None:
            return False
        sequence = extend(sequence_number, self.position().sequence)
        found = self._segments.of_sequence(sequence)
        if found is None:
            return False
        segment, index = found
        packet = segment.layer.cached(index)
        if packet is None or not packet.tail:
            return False
        if limits.allow(self._ssrc, sequence, now, rtt_s):
            self._rtx_sequence += 1
            self.resent += 1
            header_size = 12 + len(self._extension(packet))
            data = rtx.encapsulate(
                self._rewrite(packet, segment),
                header_size,
                self._rtx_payload_type,
                self._rtx_sequence,
                rtx_ssrc,
            )
            self._send(self._receiver, data)
        return True

    def clock(self, now: float) -> Clock | None:
        """The sender's clock behind what is being forwarded."""
        segment = self._newest_segment
        if segment is None:
            return None
        return Clock(segment.layer.track.owner, segment.layer.reception, segment.timestamp_offset)

    def close(self) -> Position:
        """Stop for good; returns where the numbering stands."""
        position = self.position()
        if self.target is not None and self.target is not self.current:
            self.target.receivers.remove(self)
        self.target = None
        self._stop()
        return position
