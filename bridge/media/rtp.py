"""RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

VERSION = 0x80
EXTENSION = 0x10
PADDING = 0x20
MARKER = 0x80

FIXED_HEADER = struct.Struct("!BBHII")
_EXTENSION_HEADER = struct.Struct("!HH")
_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x1000


class RtpError(Exception):
    """A packet that is not well-formed RTP, or whose payload is not what its payload type says."""


class Packet:
    """One received RTP packet, taken apart. CSRCs are skipped: a bridge neither mixes nor forwards them."""

    __slots__ = (
        "extensions",
        "marker",
        "payload",
        "payload_type",
        "sequence_number",
        "ssrc",
        "timestamp",
    )

    def __init__(  # noqa: PLR0917  (the header's fields in its order; names would cost time)
        self,
        payload_type: int,
        marker: int,
        sequence_number: int,
        timestamp: int,
        ssrc: int,
        extensions: dict[int, bytes],
        payload: bytes,
    ) -> None:
        self.payload_type = payload_type
        self.marker = marker
        """0x80 or 0: the bit where it stands in the second octet."""
        self.sequence_number = sequence_number
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.extensions = extensions
        """Element id to value."""
        self.payload = payload
        """Without padding; empty in a packet that holds nothing but padding."""


def parse(data: bytes) -> Packet:
    """Take a packet apart. Raises RtpError."""
    size = len(data)
    if size < 12:
        raise RtpError("shorter than a header")
    first, second, sequence_number, timestamp, ssrc = FIXED_HEADER.unpack_from(data)
    if first & 0xC0 != VERSION:
        raise RtpError("not version 2")
    start = 12 + 4 * (first & 0x0F)
    extensions: dict[int, bytes] = {}
    if first & EXTENSION:
        if start + 4 > size:
            raise RtpError("extension header cut off")
        profile, words = _EXTENSION_HEADER.unpack_from(data, start)
        end = start + 4 + 4 * words
        if end > size:
            raise RtpError("extension cut off")
        if profile == _ONE_BYTE_PROFILE:
            _one_byte_elements(data, start + 4, end, extensions)
        elif profile & 0xFFF0 == _TWO_BYTE_PROFILE:
            _two_byte_elements(data, start + 4, end, extensions)
        start = end
    if first & PADDING:
        if start >= size or not 0 < data[-1] <= size - start:
            raise RtpError("bad padding")
        size -= data[-1]
    if start > size:
        raise RtpError("shorter than its header says")
    return Packet(
        second & 0x7F, second & MARKER, sequence_number, timestamp, ssrc, extensions, data[start:size]
    )


def _one_byte_elements(data: bytes, position: int, end: int, elements: dict[int, bytes]) -> None:
    """RFC 8285 §4.2: id and length-1 share an octet; id 0 is padding, id 15 ends the list."""
    while position < end:
        octet = data[position]
        if octet < 0x10:
            if octet:
                raise RtpError("element with the id of padding and a length")
            position += 1
            continue
        if octet >= 0xF0:
            return
        following = position + 2 + (octet & 0x0F)
        if following > end:
            raise RtpError("extension element cut off")
        elements[octet >> 4] = data[position + 1 : following]
        position = following


def _two_byte_elements(data: bytes, position: int, end: int, elements: dict[int, bytes]) -> None:
    """RFC 8285 §4.3: an octet for the id, one for the length; id 0 is padding."""
    while position < end:
        identifier = data[position]
        if identifier == 0:
            position += 1
            continue
        if position + 2 > end:
            raise RtpError("extension element cut off")
        following = position + 2 + data[position + 1]
        if following > end:
            raise RtpError("extension element cut off")
        elements[identifier] = data[position + 2 : following]
        position = following


def extension_block(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """The header extension with these elements: one-byte form where it can say them, else two-byte form.

    Returns b"" when there is none (the packet then has no X bit).
    """
    elements = tuple(elements)
    if not elements:
        return b""
    if all(1 <= identifier <= 14 and 1 <= len(value) <= 16 for identifier, value in elements):
        profile = _ONE_BYTE_PROFILE
        body = b"".join(bytes((identifier << 4 | len(value) - 1,)) + value for identifier, value in elements)
    else:
        profile = _TWO_BYTE_PROFILE
        body = b"".join(bytes((identifier, len(value))) + value for identifier, value in elements)
    body += bytes(-len(body) % 4)
    return _EXTENSION_HEADER.pack(profile, len(body) // 4) + body


def build(
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    *,
    marker: int = 0,
    extension: bytes = b"",
    padding: int = 0,
) -> bytes:
    """A packet from its parts; `extension` comes from extension_block, `padding` is a number of octets
    (0–255)."""
    first = VERSION | (EXTENSION if extension else 0) | (PADDING if padding else 0)
    return (
        FIXED_HEADER.pack(first, marker | payload_type, sequence_number, timestamp, ssrc)
        + extension
        + payload
        + (bytes(padding - 1) + bytes((padding,)) if padding else b"")
    )
