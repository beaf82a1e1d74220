"""STUN and ChannelData messages in a stream (RFC 8489 §6.2.2, RFC 8656 §12.5)."""

from __future__ import annotations

from carillon.stun import HEADER_BYTES as STUN_HEADER_BYTES
from carillon.stun import MAGIC_COOKIE
from relay.turn import channel_data


class FramingError(Exception):
    """The stream is not STUN and ChannelData, or a message is too long: the connection is of no use."""


class Framing:
    """Cuts a stream into messages. It holds less than `max_bytes` between two calls of `feed`."""

    def __init__(self, max_bytes: int, rest: bytes = b"") -> None:
        """`rest` is that of the framing that this one continues."""
        self.max_bytes = max_bytes
        """Longest message accepted; may be changed at any time."""
        self._buffer = bytearray(rest)

    @property
    def rest(self) -> bytes:
        """What has come of a message that is not complete."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete now, ChannelData with its padding. Raises FramingError."""
        self._buffer += data
        messages: list[bytes] = []
        start = 0
        while (size := self._size(start)) and len(self._buffer) - start >= size:
            messages.append(bytes(self._buffer[start : start + size]))
            start += size
        del self._buffer[:start]
        return messages

    def _size(self, start: int) -> int:
        """Return the length of the message at `start`, or 0 while too little of it is known."""
        head = self._buffer[start : start + 8]
        if not head:
            return 0
        channel = head[0] >> 4 == channel_data.FIRST_CHANNEL >> 12
        if not channel and head[0] > 0x3F:
            raise FramingError("neither STUN nor ChannelData")
        if len(head) < 4:
            return 0
        length = int.from_bytes(head[2:4], "big")
        if channel:
            size = channel_data.HEADER_BYTES + (length + 3 & ~3)
        else:
            size = STUN_HEADER_BYTES + length
            if length & 3 or not MAGIC_COOKIE.startswith(head[4:8]):
                raise FramingError("no STUN header")
        if size > self.max_bytes:
            raise FramingError("message too long")
        return size
