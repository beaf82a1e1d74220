"""The server's side of the SOCKS5 handshake (RFC 1928) as XEP-0065 uses it. No I/O.

There is no authentication, and the only destination is a hash: nothing that a client can write makes this
server connect anywhere. The caller reads at most `wanted` bytes at a time, so that what follows the request,
the stream itself, stays in the kernel until the other end may have it.
"""

from __future__ import annotations

import re
from enum import IntEnum, StrEnum
from typing import Final

from relay.socks5.state import HandshakeState, Step

_VERSION: Final = 5
_NO_AUTHENTICATION: Final = 0
_CONNECT: Final = 1
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_NO_METHOD: Final = bytes((_VERSION, 0xFF))
_NO_ADDRESS: Final = bytes((_IPV4, 0, 0, 0, 0, 0, 0))
_is_digest = re.compile(rb"[0-9A-Fa-f]{40}").fullmatch


class Reply(IntEnum):
    """Reply codes (RFC 1928 §6)."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class Reason(StrEnum):
    """Why a connection is not served; the values label the counter."""

    VERSION = "version"
    METHODS = "methods"
    MALFORMED = "malformed"
    COMMAND = "command"
    ADDRESS_TYPE = "address-type"
    DESTINATION = "destination"
    TAKEN = "taken"
    """There are two connections of this stream."""
    SOURCE = "source"
    """Too many from one source address."""
    FULL = "full"
    """The oldest of too many that wait."""
    DESCRIPTORS = "descriptors"
    """The process may open no more."""
    TIMEOUT = "timeout"
    """The handshake was not finished, or nobody came or activated the stream."""
    GONE = "gone"
    """The client went away before its stream was activated."""


class HandshakeRefused(Exception):
    """The client asked for what is not served: `answer` is to be sent (it may be empty), then it is over."""

    def __init__(self, reason: Reason, answer: bytes = b"") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.answer = answer


class Handshake:
    """One handshake; when `digest` is there, the request is complete and waits for its `reply`."""

    def __init__(self, state: HandshakeState | None = None) -> None:
        """Begin, or go on with a handshake that another process has begun."""
        state = state or HandshakeState(Step.GREETING, missing=2, destination=_NO_ADDRESS)
        self.step = state.step
        self.digest = state.digest
        """The hash asked for, in lower case: 40 hexadecimal digits."""
        self._missing = state.missing
        self._buffer = bytearray(state.buffer)
        self._address_type = state.address_type
        self._destination = state.destination

    @property
    def state(self) -> HandshakeState:
        """All there is to know about it."""
        rest = bytes(self._buffer), self._address_type, self._destination
        return HandshakeState(self.step, self.digest, self._missing, *rest)

    @property
    def wanted(self) -> int:
        """How many bytes may be read now; 0 when the request is complete."""
        return self._missing - len(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """Take at most `wanted` bytes; gives what is to be sent now. Raises HandshakeRefused."""
        if len(data) > self.wanted:
            raise ValueError("more than was wanted")
        self._buffer += data
        if self.wanted or self.step is Step.DONE:
            return b""
        octets = bytes(self._buffer)
        self._buffer.clear()
        return _READERS[self.step](self, octets)

    def reply(self, code: Reply) -> bytes:
        """The answer to the request; it repeats the destination, as XEP-0065 wants."""
        return bytes((_VERSION, code, 0)) + self._destination

    def _expect(self, step: Step, octets: int) -> None:
        self.step, self._missing = step, octets

    def _greeting(self, octets: bytes) -> bytes:
        version, methods = octets
        if version != _VERSION:  # SOCKS4, HTTP, TLS: no answer of ours means anything there
            raise HandshakeRefused(Reason.VERSION)
        if not methods:
            raise HandshakeRefused(Reason.METHODS, _NO_METHOD)
        self._expect(Step.METHODS, methods)
        return b""

    def _methods(self, octets: bytes) -> bytes:
        if _NO_AUTHENTICATION not in octets:
            raise HandshakeRefused(Reason.METHODS, _NO_METHOD)
        self._expect(Step.REQUEST, 5)
        return bytes((_VERSION, _NO_AUTHENTICATION))

    def _request(self, octets: bytes) -> bytes:
        version, command, reserved, self._address_type, first = octets
        if version != _VERSION or reserved:
            raise self._refusal(Reason.MALFORMED, Reply.GENERAL_FAILURE)
        if command != _CONNECT:
            raise self._refusal(Reason.COMMAND, Reply.COMMAND_NOT_SUPPORTED)
        # Even what will be refused is read to its end: bytes left unread would turn the answer into a reset.
        rest = {_IPV4: 3, _IPV6: 15, _DOMAIN: first}.get(self._address_type)
        if rest is None:
            raise self._refusal(Reason.ADDRESS_TYPE, Reply.ADDRESS_TYPE_NOT_SUPPORTED)
        self._expect(Step.DESTINATION, rest + 2)
        return b""

    def _at_destination(self, octets: bytes) -> bytes:
        if self._address_type != _DOMAIN:
            raise self._refusal(Reason.ADDRESS_TYPE, Reply.ADDRESS_TYPE_NOT_SUPPORTED)
        address, port = octets[:-2], octets[-2:]
        self._destination = bytes((_DOMAIN, len(address))) + octets
        if not _is_digest(address) or any(port):
            raise self._refusal(Reason.DESTINATION, Reply.NOT_ALLOWED)
        self.digest = address.decode("ascii").lower()
        self._expect(Step.DONE, 0)
        return b""

    def _refusal(self, reason: Reason, code: Reply) -> HandshakeRefused:
        return HandshakeRefused(reason, self.reply(code))


_READERS: Final = {
    Step.GREETING: Handshake._greeting,
    Step.METHODS: Handshake._methods,
    Step.REQUEST: Handshake._request,
    Step.DESTINATION: Handshake._at_destination,
}
"""What takes the octets of each step, and says what comes next."""
