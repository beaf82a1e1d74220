"""The server's side of WebSocket framing (RFC 6455 §5, §7): bytes in, messages and control out. No I/O.

No extension is ever agreed on, so every reserved bit is an error; permessage-deflate is never granted.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple


class Opcode(IntEnum):
    """RFC 6455 §5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """The status codes that the front sends (RFC 6455 §7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011


class Text(NamedTuple):
    """A whole text message, valid UTF-8."""

    data: bytes


class Ping(NamedTuple):
    """A ping: to be answered with its payload."""

    data: bytes


class Pong(NamedTuple):
    """An answer to a ping, or an unasked one."""

    data: bytes


class Close(NamedTuple):
    """The peer closes; `code` is None when it gave none."""

    code: int | None
    reason: str


Event = Text | Ping | Pong | Close


class WebSocketError(Exception):
    """What the peer sent is refused: close with this code."""

    def __init__(self, code: CloseCode, text: str) -> None:
        super().__init__(text)
        self.code = code


_OPCODES = frozenset(Opcode)
_CONTROL_BYTES = 125
_RESERVED_BITS = 0x70
_SENDABLE = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
"""Status codes of the registry that may stand in a close frame, beside 3000-4999 (RFC 6455 §7.4.2)."""


def frame(opcode: Opcode, payload: bytes = b"") -> bytes:
    """One unfragmented, unmasked frame."""
    size = len(payload)
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what a control frame carries."""
    text = reason.encode()[: _CONTROL_BYTES - 2].decode(errors="ignore")
    return frame(Opcode.CLOSE, struct.pack("!H", code) + text.encode())


def unmask(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask (RFC 6455 §5.3), as one large number: no loop over bytes."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


class FrameReceiver:
    """What one client sends. Raises WebSocketError once; after that, and after Close, input is ignored."""

    __slots__ = ("_buffer", "_fragments", "_over", "max_message_bytes")

    def __init__(self, max_message_bytes: int) -> None:
        self.max_message_bytes = max_message_bytes
        """The longest message; may be changed between two reads."""
        self._buffer = bytearray()
        self._fragments: bytearray | None = None
        """What came of a fragmented message; None when none is open."""
        self._over = False

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes; return what they complete. Raises WebSocketError after a protocol error.

        Events before the error in the same bytes are lost: the connection is closed anyway.
        """
        if self._over:
            return []
        events: list[Event] = []
        buffer = self._buffer
        buffer += data
        position = 0
        try:
            while not self._over and (end := self._frame_end(position)) is not None:
                self._take(position, end, events)
                position = end[1]
        except WebSocketError:
            self._over = True
            buffer.clear()
            self._fragments = None
            raise
        del buffer[:position]
        return events

    def _frame_end(self, position: int) -> tuple[int, int] | None:
        """Start and end of the payload of the frame at `position`; None when it is not whole."""
        buffer = self._buffer
        available = len(buffer) - position
        if available < 2:
            return None
        first, second = buffer[position], buffer[position + 1]
        opcode = first & 0x0F
        if first & _RESERVED_BITS or opcode not in _OPCODES:
            raise WebSocketError(CloseCode.PROTOCOL_ERROR, "a reserved bit or opcode")
        if not second & 0x80:
            raise WebSocketError(CloseCode.PROTOCOL_ERROR, "an unmasked frame")
        size = second & 0x7F
        if opcode >= Opcode.CLOSE:
            if size > _CONTROL_BYTES or not first & 0x80:
                raise WebSocketError(CloseCode.PROTOCOL_ERROR, "a long or fragmented control frame")
            header = 2
        elif opcode == Opcode.BINARY:
            raise WebSocketError(CloseCode.UNSUPPORTED_DATA, "XMPP is text")
        else:
            if (opcode == Opcode.CONTINUATION) != (self._fragments is not None):
                raise WebSocketError(CloseCode.PROTOCOL_ERROR, "a fragment out of place")
            header = 2
            if size >= 126:
                header, size = self._long_size(position, size)
                if not header:
                    return None
            if size + len(self._fragments or b"") > self.max_message_bytes:
                raise WebSocketError(CloseCode.MESSAGE_TOO_BIG, "a message that is too long")
        start = position + header + 4
        return None if start + size > len(buffer) else (start, start + size)

    def _long_size(self, position: int, marker: int) -> tuple[int, int]:
        """Length of header (without mask) and payload by the extended length; (0, 0) when it is not whole."""
        width, shortest = (2, 126) if marker == 126 else (8, 65536)
        field = self._buffer[position + 2 : position + 2 + width]
        if len(field) < width:
            return 0, 0
        size = int.from_bytes(field, "big")
        if size < shortest or size >> 63:
            raise WebSocketError(CloseCode.PROTOCOL_ERROR, "a length that is not the shortest form")
        return 2 + width, size

    def _take(self, position: int, end: tuple[int, int], events: list[Event]) -> None:
        """Act on the whole frame at `position`."""
        start, stop = end
        buffer = self._buffer
        payload = unmask(bytes(buffer[start:stop]), bytes(buffer[start - 4 : start]))
        final, opcode = buffer[position] & 0x80, buffer[position] & 0x0F
        if opcode == Opcode.PING:
            events.append(Ping(payload))
        elif opcode == Opcode.PONG:
            events.append(Pong(payload))
        elif opcode == Opcode.CLOSE:
            events.append(_close(payload))
            self._over = True
        elif final and opcode == Opcode.TEXT:
            events.append(_text(payload))
        else:
            if self._fragments is None:
                self._fragments = bytearray()
            self._fragments += payload
            if final:
                whole, self._fragments = bytes(self._fragments), None
                events.append(_text(whole))


def _text(payload: bytes) -> Text:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise WebSocketError(CloseCode.INVALID_DATA, "a text that is not UTF-8") from error
    return Text(payload)


def _close(payload: bytes) -> Close:
    if not payload:
        return Close(None, "")
    if len(payload) == 1:
        raise WebSocketError(CloseCode.PROTOCOL_ERROR, "half a close code")
    code = int.from_bytes(payload[:2], "big")
    if code not in _SENDABLE and not 3000 <= code <= 4999:
        raise WebSocketError(CloseCode.PROTOCOL_ERROR, "a close code that may not be sent")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise WebSocketError(CloseCode.INVALID_DATA, "a close reason that is not UTF-8") from error
