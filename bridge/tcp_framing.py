"""Datagrams in a stream, each behind its length (RFC 4571 §2, as RFC 6544 §3 uses it). Sans-I/O."""

from __future__ import annotations

HEADER_BYTES = 2


class FramingError(Exception):
    """A datagram longer than any of ours: the stream is of no use."""


class Framing:
    """Cuts a stream into datagrams. Between two calls of `feed` it holds less than the longest one."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The datagrams that are complete now, without empty ones. Raises FramingError."""
        buffer = self._buffer
        buffer += data
        datagrams: list[bytes] = []
        start = 0
        while len(buffer) - start >= HEADER_BYTES:
            length = buffer[start] << 8 | buffer[start + 1]
            if length > self._max_bytes:
                raise FramingError(f"a datagram of {length} bytes")
            end = start + HEADER_BYTES + length
            if end > len(buffer):
                break
            if length:
                datagrams.append(bytes(buffer[start + HEADER_BYTES : end]))
            start = end
        del buffer[:start]
        return datagrams


def frame(datagram: bytes) -> bytes:
    """The datagram as it stands in the stream."""
    return len(datagram).to_bytes(HEADER_BYTES, "big") + datagram
