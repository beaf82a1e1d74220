"""The STUN message codec (RFC 8489) that relay and bridge share. No I/O."""

from carillon.stun.address import parse_xor_address, xor_address
from carillon.stun.attributes import Attribute, comprehension_required
from carillon.stun.error_code import error_code, parse_error_code
from carillon.stun.errors import StunError
from carillon.stun.message import (
    HEADER_BYTES,
    MAGIC_COOKIE,
    Message,
    MessageClass,
    Method,
    build,
    is_stun,
    parse,
)

__all__ = [
    "HEADER_BYTES",
    "MAGIC_COOKIE",
    "Attribute",
    "Message",
    "MessageClass",
    "Method",
    "StunError",
    "build",
    "comprehension_required",
    "error_code",
    "is_stun",
    "parse",
    "parse_error_code",
    "parse_xor_address",
    "xor_address",
]
