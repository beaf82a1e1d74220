"""Something on the port for clients, that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from carillon.settings import Settings, parse
from tests.ports import free_port

HEAD = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


def features(content: str) -> str:
    """A stream with these features."""
    return f"{HEAD}<stream:features>{content}</stream:features>"


def mechanisms(*names: str) -> str:
    """A stream that offers these logins."""
    words = "".join(f"<mechanism>{name}</mechanism>" for name in names)
    return features(f"<mechanisms xmlns='{SASL}'>{words}</mechanisms>")


def settings_of(port: int) -> Settings:
    """The configuration of who finds the server on this port."""
    return parse(f"[xmpp]\nc2s_port = {port}\n", Path("/etc/carillon/carillon.toml"))


@asynccontextmanager
async def server(replies: Iterable[str | bytes]) -> AsyncIterator[int]:
    """Says one thing after the other, whatever it hears, and then ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(65536)
            writer.write(reply.encode() if isinstance(reply, str) else reply)
        writer.close()

    port = free_port()
    listener = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield port
    finally:
        listener.close()
