"""What the ICE agent is made of (RFC 8445 §6.1): credentials, pairs, checks, checklists, and its events."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """One of our own sockets (RFC 8445 §5.1.1): what comes in there is answered from there."""

    protocol: str
    """udp, or tcp with a connection to each remote address (RFC 6544)."""


class Address(NamedTuple):
    """A remote transport address, and from which of our bases it is reached."""

    ip: str
    """In canonical text form, as the socket reports a source."""
    port: int
    base: Base


MAX_PAIRS = 16
"""Sources learned per checklist: a client has a handful of interfaces and TURN connections."""
_ICE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class Credentials:
    """Username fragment and password of one side (RFC 8445 §5.3)."""

    ufrag: str
    pwd: str

    def __repr__(self) -> str:
        return f"Credentials({self.ufrag!r})"


def make_credentials(random_source: random.Random) -> Credentials:
    """New ones: 47 bits of fragment, 142 bits of password."""

    def word(length: int) -> str:
        return "".join(random_source.choice(_ICE_CHARACTERS) for _ in range(length))

    return Credentials(word(8), word(24))


class Role(Enum):
    """Which side nominates (RFC 8445 §6.1.1)."""

    CONTROLLING = "controlling"
    CONTROLLED = "controlled"


class PairState(Enum):
    """State of a candidate pair (RFC 8445 §6.1.2.6; nothing is ever frozen with one component)."""

    WAITING = "waiting"
    IN_PROGRESS = "in-progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Pair:
    """One of our local candidates with a peer-reflexive remote one."""

    address: Address
    priority: int
    """Of the remote candidate, from the PRIORITY attribute of its first check."""
    heard_at: float
    """When the client's last valid request or response came from there."""
    state: PairState = PairState.WAITING
    nominated: bool = False
    """As controlled agent: the client asked to use it."""
    remote: Credentials | None = None
    """The client's credentials there, when the checklist has others: a client that restarts ICE uses its
    new ones with our old ones until our answer has arrived, and Chromium for as long as that works."""

    @property
    def rank(self) -> tuple[bool, int]:
        """The higher the better: a TCP connection makes media wait for what was lost."""
        return self.address.base.protocol == "udp", self.priority


@dataclass(slots=True, eq=False)
class Checklist:
    """The pairs of one pair of credentials; an ICE restart makes a second one (RFC 8445 §9)."""

    local: Credentials
    remote: Credentials | None = None
    pairs: dict[Address, Pair] = field(default_factory=dict)
    nominate_at: float | None = None
    """When the wait for a better pair ends; None: no pair has succeeded yet, or nomination is done."""


@dataclass(slots=True, eq=False)
class Check:
    """One STUN transaction of ours that has no answer yet."""

    checklist: Checklist
    pair: Pair
    remote: Credentials
    """Whose password signs the answer."""
    data: bytes
    asked_as: Role
    nominating: bool
    consent: bool
    due: float
    """When to repeat it, or, after the last time, when to give it up."""
    timeout: float
    """Length of the current wait, doubled with every repetition."""
    sent: int = 1


@dataclass(frozen=True, slots=True)
class Send:
    """Event: send these bytes to this address."""

    data: bytes
    address: Address


@dataclass(frozen=True, slots=True)
class Learned:
    """Event: a check with the right password came from a new address."""

    address: Address


@dataclass(frozen=True, slots=True)
class Validated:
    """Event: the client answered our check there, so the address is really its own."""

    address: Address


@dataclass(frozen=True, slots=True)
class Selected:
    """Event: this pair is nominated; media goes there from now on."""

    address: Address


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Event: nothing is known of this address any more."""

    address: Address


@dataclass(frozen=True, slots=True)
class ConsentRenewed:
    """Event: the client has answered on the selected pair: it is alive, whether it sends media or not."""


@dataclass(frozen=True, slots=True)
class ConsentLost:
    """Event: the client's consent has expired (RFC 7675); the agent is closed."""


IceEvent = Send | Learned | Validated | Selected | Forgotten | ConsentRenewed | ConsentLost


class IceRefused(Exception):
    """A STUN message that is not acted on.

    `reason`: malformed, username, integrity, transaction, closed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def foundation(ip: str, protocol: str) -> str:
    """A foundation for our host candidate on that address (RFC 8445 §5.1.1.3)."""
    return str(int.from_bytes(hashlib.sha256(f"{protocol} {ip}".encode()).digest()[:4], "big"))
