"""XOR-MAPPED-ADDRESS (RFC 8489 §14.2) and the attributes of the same form (RFC 8656 §18.3, §18.5)."""

import socket
import struct

from carillon.stun.errors import StunError

_COOKIE = b"\x21\x12\xa4\x42"
_FAMILIES = {1: (socket.AF_INET, 8), 2: (socket.AF_INET6, 20)}


def _xor(value: bytes, mask: bytes) -> bytes:
    size = len(value)
    return (int.from_bytes(value, "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")


def xor_address(ip: str, port: int, transaction_id: bytes) -> bytes:
    """Return the attribute value for an IPv4 or IPv6 address without zone. Raises StunError."""
    family = 2 if ":" in ip else 1
    try:
        packed = socket.inet_pton(_FAMILIES[family][0], ip)
        head = struct.pack("!BBH", 0, family, port ^ 0x2112)
    except (OSError, ValueError, struct.error) as error:
        raise StunError(f"not an address and port: {ip!r} {port}") from error
    return head + _xor(packed, _COOKIE + transaction_id)


def parse_xor_address(value: bytes, transaction_id: bytes) -> tuple[str, int]:
    """Return IP (canonical text) and port of an attribute value. Raises StunError."""
    if len(value) < 8:
        raise StunError("address attribute too short")
    family, size = _FAMILIES.get(value[1], (None, 0))
    if family is None or len(value) != size:
        raise StunError("address attribute of unknown family or wrong length")
    port: int = struct.unpack_from("!H", value, 2)[0] ^ 0x2112
    return socket.inet_ntop(family, _xor(value[4:], _COOKIE + transaction_id)), port
