"""The bytestream proxy's state as another process takes it over: what is not active yet. No I/O.

Active streams stay where they are: bytes of theirs may be in a pipe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Final

import msgspec

from relay.checked import MAX_ROWS, Number, Time, refuse_repeated

_MAX_DESTINATION_BYTES: Final = 2 + 255 + 2
"""Type, length, a domain name, port."""


class Step(Enum):
    """What of a handshake is read next."""

    GREETING = 0
    """VER and NMETHODS (RFC 1928 §3)."""
    METHODS = 1
    REQUEST = 2
    """VER, CMD, RSV, ATYP (§4) and the first octet of DST.ADDR: of a domain name, its length."""
    DESTINATION = 3
    """The rest of DST.ADDR, and DST.PORT."""
    DONE = 4


_Few = Annotated[bytes, msgspec.Meta(max_length=_MAX_DESTINATION_BYTES)]


@dataclass(frozen=True)
class HandshakeState:
    """A handshake, whatever it waits for."""

    step: Step
    digest: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{40})?$")] = ""
    missing: Annotated[int, msgspec.Meta(ge=0, le=257)] = 0
    buffer: _Few = b""
    address_type: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    destination: _Few = b""

    def __post_init__(self) -> None:
        if (self.step is Step.DONE) != bool(self.digest):
            raise ValueError("a handshake that is over has a hash, another one has none")
        if len(self.buffer) > self.missing:
            raise ValueError("a handshake with more than it waits for")


@dataclass(frozen=True)
class ClientState:
    """A connection that is not part of an active stream."""

    socket: Number
    source: Annotated[str, msgspec.Meta(max_length=64)]
    handshake: HandshakeState
    since: Time
    """When its handshake began; once that is over, when its stream got as far as it is."""


@dataclass(frozen=True)
class Socks5State:
    """Everything that a successor goes on with; connections in the order in which they came."""

    clients: Annotated[tuple[ClientState, ...], msgspec.Meta(max_length=MAX_ROWS)] = ()
    refused: dict[str, Number] = field(default_factory=dict)
    activations: dict[str, Number] = field(default_factory=dict)
    ended: dict[str, Number] = field(default_factory=dict)
    moved: Number = 0
    """Bytes of streams that are over."""

    def __post_init__(self) -> None:
        digests = [one.handshake.digest for one in self.clients if one.handshake.digest]
        pairs = digests.copy()
        for digest in set(digests):
            pairs.remove(digest)
        refuse_repeated("stream of three connections", pairs)
