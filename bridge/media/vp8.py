"""VP8 in RTP: the payload descriptor (RFC 7741 §4.2) and the few facts a bridge reads behind it (§4.3, RFC
6386 §9.1).

Only the descriptor is ever changed, so end-to-end encrypted frames pass (their first octets stay in the
clear).
"""

from __future__ import annotations

from bridge.media.rtp import RtpError

EXTENDED = 0x80
START = 0x10
PARTITION = 0x07
HAS_PICTURE_ID = 0x80
HAS_TL0PICIDX = 0x40
HAS_TID = 0x20
HAS_KEYIDX = 0x10


class Descriptor:
    """A payload descriptor. Fields that are absent are -1."""

    __slots__ = ("head", "picture_id", "picture_id_bits", "size", "starts_frame", "tail_start", "tl0picidx")

    def __init__(  # noqa: PLR0917  (one per packet; names would cost time)
        self,
        head: bytes,
        starts_frame: bool,
        picture_id: int,
        picture_id_bits: int,
        tl0picidx: int,
        tail_start: int,
        size: int,
    ) -> None:
        self.head = head
        """The octets before the picture id: they stay as they are."""
        self.starts_frame = starts_frame
        self.picture_id = picture_id
        self.picture_id_bits = picture_id_bits
        """15 or 7 (0 = no picture id)."""
        self.tl0picidx = tl0picidx
        self.tail_start = tail_start
        """Where in the payload stands what follows TL0PICIDX: it is copied, whatever it is."""
        self.size = size
        """Octets of the whole descriptor."""


def parse_descriptor(payload: bytes) -> Descriptor:
    """The descriptor at the start of a payload. Raises RtpError when it is cut off or nothing follows it."""
    try:
        first = payload[0]
        starts_frame = first & (START | PARTITION) == START
        if not first & EXTENDED:
            return _checked(Descriptor(payload[:1], starts_frame, -1, 0, -1, 1, 1), payload)
        flags = payload[1]
        position = 2
        picture_id, bits = -1, 0
        if flags & HAS_PICTURE_ID:
            picture_id, bits = payload[2], 7
            position = 3
            if picture_id & 0x80:
                picture_id, bits = (picture_id & 0x7F) << 8 | payload[3], 15
                position = 4
        tl0picidx = -1
        if flags & HAS_TL0PICIDX:
            tl0picidx = payload[position]
            position += 1
        size = position + (1 if flags & (HAS_TID | HAS_KEYIDX) else 0)
    except IndexError:
        raise RtpError("VP8 payload descriptor cut off") from None
    return _checked(
        Descriptor(payload[:2], starts_frame, picture_id, bits, tl0picidx, position, size), payload
    )


def _checked(descriptor: Descriptor, payload: bytes) -> Descriptor:
    if descriptor.size >= len(payload):
        raise RtpError("VP8 payload without data")
    return descriptor


def starts_key_frame(payload: bytes, descriptor: Descriptor) -> bool:
    """Whether this is the first packet of a key frame: the P bit of the payload header is 0 there."""
    return descriptor.starts_frame and not payload[descriptor.size] & 0x01


def key_frame_size(payload: bytes, descriptor: Descriptor) -> tuple[int, int] | None:
    """Width and height told by the first packet of a key frame, or None when it does not hold them."""
    start = descriptor.size
    if len(payload) < start + 10 or payload[start + 3 : start + 6] != b"\x9d\x01\x2a":
        return None
    width = int.from_bytes(payload[start + 6 : start + 8], "little") & 0x3FFF
    height = int.from_bytes(payload[start + 8 : start + 10], "little") & 0x3FFF
    return (width, height) if width and height else None


def rewrite(
    head: bytes,
    picture_id: int,
    picture_id_bits: int,
    tl0picidx: int,
    *,
    picture_offset: int,
    tl0_offset: int,
) -> bytes:
    """The start of a descriptor (up to its tail) with picture id and TL0PICIDX moved; widths stay."""
    parts = head
    if picture_id_bits == 15:
        parts += (0x8000 | (picture_id + picture_offset) & 0x7FFF).to_bytes(2, "big")
    elif picture_id_bits == 7:
        parts += bytes(((picture_id + picture_offset) & 0x7F,))
    if tl0picidx >= 0:
        parts += bytes(((tl0picidx + tl0_offset) & 0xFF,))
    return parts
