"""An XMPP server that logs everybody in and then sends without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

STREAM = (
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    b"<stream:features/><success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
)


@dataclass
class Flood:
    """What has become of it."""

    port: int = 0
    written: int = 0
    """Bytes that somebody has taken."""
    blocked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nobody takes more for a second."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"version='1.0'")
        await reader.readuntil(b">")
        writer.write(STREAM)
        try:
            while True:
                writer.write(b"<message><body>" + b"x" * 60_000 + b"</body></message>")
                await asyncio.wait_for(writer.drain(), 1)
                self.written += 60_000
        except (TimeoutError, ConnectionError):
            self.blocked.set()
        finally:
            writer.close()


@asynccontextmanager
async def flooding_server(address: str) -> AsyncIterator[Flood]:
    """Listens on a free port of this address."""
    flood = Flood()
    server = await asyncio.start_server(flood.serve, address, 0)
    flood.port = server.sockets[0].getsockname()[1]
    try:
        yield flood
    finally:
        server.close()
