"""An audio track as one receiver gets it."""

from __future__ import annotations

import struct

from bridge.media import rtp
from bridge.media.incoming import AudioTrack
from bridge.media.outgoing import Clock, Position, Quality, Send

_LEVEL_HEADER = struct.Struct("!BBHIIHHBBH")
"""RTP header and the audio level alone in a one-byte header extension."""


class OutgoingAudio:
    """An audio track as one receiver gets it."""

    __slots__ = (
        "_first",
        "_last",
        "_level_id",
        "_marker",
        "_offset",
        "_payload_types",
        "_receiver",
        "_send",
        "_sender_level_id",
        "_timestamp_offset",
        "octets",
        "packets",
        "quality",
        "ssrc",
        "track",
    )

    def __init__(self, track: AudioTrack, receiver: str, send: Send, start: Position) -> None:
        self.track = track
        self.ssrc = track.ssrc
        self._receiver = receiver
        self._send = send
        self._last = start.sequence
        """The newest number sent, extended."""
        self._first = -1
        """The index from which the offset holds; -1 = the next packet decides."""
        self._offset = self._timestamp_offset = self._marker = 0
        self._payload_types: dict[int, int] = {}
        self._level_id = self._sender_level_id = -1
        self.quality = Quality()
        self.packets = self.octets = 0

    def negotiate(self, payload_types: dict[int, int], sender_level_id: int, level_id: int) -> None:
        """The sender's payload types to the receiver's; the audio-level ids of both (-1 = none)."""
        self._payload_types = payload_types
        self._sender_level_id = sender_level_id
        self._level_id = level_id

    def receive(self, packet: rtp.Packet, index: int) -> None:
        """Forward a packet; one without payload or with an unknown payload type is left out without a gap."""
        if self._first < 0:
            self._start(packet, index)
        elif index < self._first:
            return
        sequence = index + self._offset
        payload_type = self._payload_types.get(packet.payload_type, -1)
        if payload_type < 0 or not packet.payload:
            if sequence > self._last:
                self._first, self._offset = index + 1, self._offset - 1
            return
        self._last = max(self._last, sequence)
        marker = packet.marker | self._marker
        self._marker = 0
        timestamp = (packet.timestamp + self._timestamp_offset) & 0xFFFFFFFF
        level = packet.extensions.get(self._sender_level_id) if self._level_id >= 0 else None
        if level is None:
            data = (
                rtp.FIXED_HEADER.pack(0x80, marker | payload_type, sequence & 0xFFFF, timestamp, self.ssrc)
                + packet.payload
            )
        elif len(level) == 1 and self._level_id < 15:
            data = (
                _LEVEL_HEADER.pack(
                    0x90,
                    marker | payload_type,
                    sequence & 0xFFFF,
                    timestamp,
                    self.ssrc,
                    0xBEDE,
                    1,
                    self._level_id << 4,
                    level[0],
                    0,
                )
                + packet.payload
            )
        else:
            data = rtp.build(
                payload_type,
                sequence & 0xFFFF,
                timestamp,
                self.ssrc,
                packet.payload,
                marker=marker,
                extension=rtp.extension_block([(self._level_id, level)]),
            )
        self.packets += 1
        self.octets += len(data)
        self._send(self._receiver, data)

    def _start(self, packet: rtp.Packet, index: int) -> None:
        """The numbering goes on with this packet."""
        self._first = index
        self._offset = self._last + 1 - index

    def interrupt(self) -> None:
        """Go on without a gap at the next packet, whatever its number."""
        self._first = -1

    def clock(self, now: float) -> Clock | None:
        """The sender's clock."""
        return Clock(self.track.owner, self.track.reception, 0) if self.packets else None

    def close(self) -> Position:
        """Where the numbering stands."""
        return Position(self._last, 0, 0, 0, 0.0, 0)
