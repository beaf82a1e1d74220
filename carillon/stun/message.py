"""The STUN message (RFC 8489 §5), with MESSAGE-INTEGRITY (§14.5) and FINGERPRINT (§14.7)."""

from __future__ import annotations

import hmac
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from carillon.stun.attributes import Attribute
from carillon.stun.errors import StunError

MAGIC_COOKIE = b"\x21\x12\xa4\x42"
HEADER_BYTES = 20
MAX_ATTRIBUTES = 64  # real messages carry at most a dozen; keeps the work for one datagram small
_FINGERPRINT_XOR = 0x5354554E
_INTEGRITY_BYTES = 20
_HEADER = struct.Struct("!HH4s12s")
_TYPE_LENGTH = struct.Struct("!HH")


class MessageClass(IntEnum):
    """The two class bits of the message type."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


class Method(IntEnum):
    """Methods of STUN and TURN (RFC 8489 §18.2, RFC 8656 §17)."""

    BINDING = 1
    ALLOCATE = 3
    REFRESH = 4
    SEND = 6
    DATA = 7
    CREATE_PERMISSION = 8
    CHANNEL_BIND = 9


@dataclass(frozen=True, slots=True)
class Message:
    """One parsed message; after MESSAGE-INTEGRITY its `attributes` have only FINGERPRINT."""

    method: int
    cls: MessageClass
    transaction_id: bytes
    attributes: tuple[tuple[int, bytes], ...]
    raw: bytes

    def get(self, attribute: int) -> bytes | None:
        """Return the value of the first attribute of this type (later ones are ignored, RFC 8489 §14)."""
        for kind, value in self.attributes:
            if kind == attribute:
                return value
        return None

    def integrity_ok(self, key: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is present and made with `key`; compared in constant time."""
        offset = HEADER_BYTES
        for kind, value in self.attributes:
            if kind == Attribute.MESSAGE_INTEGRITY:
                return hmac.compare_digest(value, _integrity(self.raw[:offset], key))
            offset += 4 + _padded(len(value))
        return False


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _with_length(prefix: bytes, following: int) -> bytes:
    """The first bytes of a message, its length set as if `following` more bytes came and then the end."""
    return prefix[:2] + struct.pack("!H", len(prefix) - HEADER_BYTES + following) + prefix[4:]


def _integrity(prefix: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _with_length(prefix, 4 + _INTEGRITY_BYTES), "sha1")


def _fingerprint(prefix: bytes) -> bytes:
    return struct.pack("!I", zlib.crc32(_with_length(prefix, 8)) ^ _FINGERPRINT_XOR)


def is_stun(data: bytes) -> bool:
    """Whether a datagram's header is that of a STUN message (RFC 8489 §6.3, RFC 7983): for demultiplexing."""
    return (
        len(data) >= HEADER_BYTES
        and data[0] < 4
        and data[4:8] == MAGIC_COOKIE
        and data[3] & 3 == 0
        and int.from_bytes(data[2:4], "big") == len(data) - HEADER_BYTES
    )


def _message_type(method: int, cls: MessageClass) -> int:
    bits = (method & 0xF80) << 2 | (method & 0x70) << 1 | method & 0x0F
    return bits | (cls & 2) << 7 | (cls & 1) << 4


def _split_type(kind: int) -> tuple[int, MessageClass]:
    method = (kind & 0x3E00) >> 2 | (kind & 0xE0) >> 1 | kind & 0x0F
    return method, MessageClass((kind & 0x100) >> 7 | (kind & 0x10) >> 4)


def parse(data: bytes) -> Message:
    """Return the message that fills `data` exactly.

    A FINGERPRINT must be the last attribute and right. Anything else after MESSAGE-INTEGRITY is checked
    for form and dropped: nobody signed it. Raises StunError.
    """
    if len(data) < HEADER_BYTES or data[0] > 0x3F:
        raise StunError("no STUN header")
    kind, length, cookie, transaction_id = _HEADER.unpack_from(data)
    if cookie != MAGIC_COOKIE or length & 3 or length != len(data) - HEADER_BYTES:
        raise StunError("wrong magic cookie or length")
    method, cls = _split_type(kind)
    return Message(method, cls, transaction_id, _attributes(data), data)


def _attributes(data: bytes) -> tuple[tuple[int, bytes], ...]:
    attributes: list[tuple[int, bytes]] = []
    offset, end, count, signed = HEADER_BYTES, len(data), 0, False
    while offset < end:
        kind, size = _TYPE_LENGTH.unpack_from(data, offset)
        value = data[offset + 4 : offset + 4 + size]
        following = offset + 4 + _padded(size)
        count += 1
        if following > end or count > MAX_ATTRIBUTES:
            raise StunError("attribute reaches past the end, or too many attributes")
        if kind == Attribute.FINGERPRINT:
            if following != end or value != _fingerprint(data[:offset]):
                raise StunError("wrong FINGERPRINT")
        elif kind == Attribute.MESSAGE_INTEGRITY and size != _INTEGRITY_BYTES:
            raise StunError("MESSAGE-INTEGRITY of wrong length")
        if not signed or kind == Attribute.FINGERPRINT:
            attributes.append((kind, value))
        signed = signed or kind == Attribute.MESSAGE_INTEGRITY
        offset = following
    return tuple(attributes)


def build(
    method: int,
    cls: MessageClass,
    transaction_id: bytes,
    attributes: Iterable[tuple[int, bytes]],
    *,
    key: bytes | None = None,
    fingerprint: bool = False,
) -> bytes:
    """Return a message, signed when `key` is given. Raises StunError when it exceeds 65,535 bytes."""
    if len(transaction_id) != 12:
        raise StunError("a transaction ID has 12 bytes")
    body = bytearray()
    for kind, value in attributes:
        size = len(value)
        if size > 0xFFFF:
            raise StunError("attribute too long")
        body += _TYPE_LENGTH.pack(kind, size) + value + bytes(-size & 3)
    if len(body) + HEADER_BYTES + 32 > 0xFFFF:  # 32: room for MESSAGE-INTEGRITY and FINGERPRINT
        raise StunError("message too long")
    message = _HEADER.pack(_message_type(method, cls), len(body), MAGIC_COOKIE, transaction_id) + body
    if key is not None:
        integrity = _TYPE_LENGTH.pack(Attribute.MESSAGE_INTEGRITY, _INTEGRITY_BYTES) + _integrity(
            message, key
        )
        message = _with_length(message + integrity, 0)
    if fingerprint:
        message = _with_length(
            message + _TYPE_LENGTH.pack(Attribute.FINGERPRINT, 4) + _fingerprint(message), 0
        )
    return message
