"""Bytes to the front and back, for what no proper client sends."""

from __future__ import annotations

import asyncio
import struct

from bosh.main import Front

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def upgrade(path: str, *, method: str = "GET", extra: str = "") -> bytes:
    """A request for a WebSocket."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{extra}\r\n"
    ).encode()


async def exchange(front: Front, data: bytes) -> bytes:
    """Send bytes; all that comes until the front closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(-1), 10)
    finally:
        writer.close()


def masked(first: int, payload: bytes = b"", mask: bytes = b"\x01\x80\xff\x42") -> bytes:
    """A client's frame; `first` is the first octet."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    repeated = (mask * (size // 4 + 1))[:size]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + body.to_bytes(size, "big")


def text_frame(text: str) -> bytes:
    """A text message in one frame."""
    return masked(0x81, text.encode())


class RawWebSocket:
    """An opened WebSocket whose client may do anything."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, front: Front) -> RawWebSocket:
        """Do the handshake."""
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(upgrade("/xmpp-websocket", extra="Sec-WebSocket-Protocol: xmpp\r\n"))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer  # RFC 6455 §1.3
        return cls(reader, writer)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and payload."""
        first, size = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80 and size < 128
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.reader.readexactly(size)

    async def until_close(self) -> tuple[list[str], int]:
        """The texts until the front closes, and its code."""
        texts: list[str] = []
        while True:
            opcode, payload = await asyncio.wait_for(self.frame(), 10)
            if opcode == 1:
                texts.append(payload.decode())
            elif opcode == 8:
                self.writer.write(masked(0x88, payload))
                assert await asyncio.wait_for(self.reader.read(), 10) == b""
                self.writer.close()
                return texts, int.from_bytes(payload[:2], "big")
