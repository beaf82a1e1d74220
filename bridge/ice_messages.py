"""The Binding messages of connectivity checks (RFC 8445 §7), built."""

from __future__ import annotations

import struct

from bridge.ice_data import Address, Credentials, Role
from carillon import stun
from carillon.stun import Attribute, Message, MessageClass, Method

_PRFLX_PRIORITY = (110 << 24) | (65535 << 8) | 255
"""What our candidate would have if the client learned it from the check (RFC 8445 §7.1.1)."""
ROLE_CONFLICT = 487
"""Error code (RFC 8445 §16.1)."""


def check_request(
    local: Credentials,
    remote: Credentials,
    transaction_id: bytes,
    *,
    role: Role,
    tie_breaker: int,
    nominating: bool,
) -> bytes:
    """A check towards the side with the credentials `remote`; only a controlling agent can nominate."""
    controlling = role is Role.CONTROLLING
    attributes = [
        (int(Attribute.USERNAME), f"{remote.ufrag}:{local.ufrag}".encode()),
        (int(Attribute.PRIORITY), struct.pack("!I", _PRFLX_PRIORITY)),
        (
            int(Attribute.ICE_CONTROLLING if controlling else Attribute.ICE_CONTROLLED),
            struct.pack("!Q", tie_breaker),
        ),
    ]
    if nominating and controlling:
        attributes.append((int(Attribute.USE_CANDIDATE), b""))
    key = remote.pwd.encode()
    return stun.build(
        Method.BINDING, MessageClass.REQUEST, transaction_id, attributes, key=key, fingerprint=True
    )


def success_response(request: Message, source: Address, pwd: str) -> bytes:
    """The answer to a good check: where it came from."""
    mapped = stun.xor_address(source.ip, source.port, request.transaction_id)
    return _response(request, MessageClass.SUCCESS, (int(Attribute.XOR_MAPPED_ADDRESS), mapped), pwd)


def role_conflict_response(request: Message, pwd: str) -> bytes:
    """The answer that makes the client switch its role (RFC 8445 §7.3.1.1)."""
    value = stun.error_code(ROLE_CONFLICT, "Role Conflict")
    return _response(request, MessageClass.ERROR, (int(Attribute.ERROR_CODE), value), pwd)


def _response(request: Message, cls: MessageClass, attribute: tuple[int, bytes], pwd: str) -> bytes:
    key = pwd.encode()
    return stun.build(Method.BINDING, cls, request.transaction_id, [attribute], key=key, fingerprint=True)


def error_code_of(response: Message) -> int:
    """The code of an error response; 0 when it has no good one."""
    try:
        return stun.parse_error_code(response.get(Attribute.ERROR_CODE) or b"")[0]
    except stun.StunError:
        return 0
