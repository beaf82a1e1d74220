"""ERROR-CODE (RFC 8489 §14.8)."""

from carillon.stun.errors import StunError

_MAX_REASON_BYTES = 763  # RFC 8489 §14.8: less than 128 characters, which UTF-8 makes 763 bytes at most


def error_code(code: int, reason: str) -> bytes:
    """Return the attribute value for a code of 300 to 699. Raises StunError."""
    text = reason.encode("utf-8", "replace")
    if not 300 <= code <= 699 or len(text) > _MAX_REASON_BYTES:
        raise StunError(f"not an error code and reason phrase: {code}")
    return bytes((0, 0, code // 100, code % 100)) + text


def parse_error_code(value: bytes) -> tuple[int, str]:
    """Return code and reason phrase of an attribute value. Raises StunError."""
    if not 4 <= len(value) <= 4 + _MAX_REASON_BYTES:
        raise StunError("ERROR-CODE of wrong length")
    hundreds, number = value[2] & 0x07, value[3]
    if not 3 <= hundreds <= 6 or number > 99:
        raise StunError("ERROR-CODE out of range")
    try:
        return hundreds * 100 + number, value[4:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise StunError("reason phrase is not UTF-8") from error
