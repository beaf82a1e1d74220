"""How a layer's numbering maps to what a receiver sees: stretches with constant offsets, and the recent ones
of them."""

from __future__ import annotations

from collections import deque

from bridge.media.incoming import VideoLayer

MAX_SEGMENTS = 64
_ENDLESS = 1 << 62


class Segment:
    """A stretch of a layer's packets that are forwarded with the same offsets."""

    __slots__ = (
        "end",
        "first",
        "layer",
        "newest",
        "picture_offset",
        "sequence_offset",
        "timestamp_offset",
        "tl0_offset",
    )

    def __init__(
        self,
        layer: VideoLayer,
        first: int,
        *,
        sequence_offset: int,
        timestamp_offset: int,
        picture_offset: int,
        tl0_offset: int,
    ) -> None:
        self.layer = layer
        self.first = first
        """The layer's index from which it holds."""
        self.end = _ENDLESS
        """The index from which it does not hold any more."""
        self.newest = first - 1
        """The highest index forwarded."""
        self.sequence_offset = sequence_offset
        self.timestamp_offset = timestamp_offset
        self.picture_offset = picture_offset
        self.tl0_offset = tl0_offset

    def without(self, index: int) -> Segment:
        """End before `index`, a number that is left out; returns the segment that goes on behind it."""
        self.end = index
        return Segment(
            self.layer,
            index + 1,
            sequence_offset=self.sequence_offset - 1,
            timestamp_offset=self.timestamp_offset,
            picture_offset=self.picture_offset,
            tl0_offset=self.tl0_offset,
        )


class Segments:
    """The recent segments of one outgoing stream, for packets that come late and for those that are asked for
    again."""

    __slots__ = ("_segments",)

    def __init__(self) -> None:
        self._segments: deque[Segment] = deque(maxlen=MAX_SEGMENTS)

    def append(self, segment: Segment) -> None:
        """A new segment begins; the oldest is forgotten."""
        self._segments.append(segment)

    def of_layer(self, layer: VideoLayer, index: int) -> Segment | None:
        """The segment in which the layer's packet `index` belongs."""
        for segment in reversed(self._segments):
            if segment.layer is layer and segment.first <= index:
                return segment if index < segment.end else None
        return None

    def of_sequence(self, sequence: int) -> tuple[Segment, int] | None:
        """The segment in which the extended outgoing number was sent, and the layer's index of that
        packet."""
        for segment in reversed(self._segments):
            index = sequence - segment.sequence_offset
            if index >= segment.first:
                return (segment, index) if index < segment.end else None
        return None
