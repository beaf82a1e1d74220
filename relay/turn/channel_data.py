"""The ChannelData message (RFC 8656 §12.4 and, for streams, §12.5)."""

from __future__ import annotations

import struct

FIRST_CHANNEL = 0x4000
LAST_CHANNEL = 0x4FFF
HEADER_BYTES = 4
_HEADER = struct.Struct("!HH")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class ChannelDataError(Exception):
    """Bytes that are no ChannelData message."""


def parse(message: bytes) -> tuple[int, bytes]:
    """Return channel number and application data, without padding. Raises ChannelDataError."""
    if len(message) < HEADER_BYTES:
        raise ChannelDataError("shorter than its header")
    number, length = _HEADER.unpack_from(message)
    if not FIRST_CHANNEL <= number <= LAST_CHANNEL:
        raise ChannelDataError("reserved channel number")
    if length > len(message) - HEADER_BYTES:
        raise ChannelDataError("shorter than its length says")
    return number, message[HEADER_BYTES : HEADER_BYTES + length]


def build(number: int, data: bytes, *, padded: bool) -> bytes:
    """Return a ChannelData message, `padded` to four bytes as streams need it."""
    size = len(data)
    return _HEADER.pack(number, size) + data + (_PADDING[size & 3] if padded else b"")
