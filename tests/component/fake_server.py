"""An XMPP server for components that behaves as a test wants, down to the byte."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from component.link import ComponentLink, Limits, Link, Timing

DOMAIN = "focus.example"
SECRET = "s3cret"
LIMITS = Limits(bytes=262144, depth=64, elements=5000, attributes=64)
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='s1' from='focus.example'"
    b" xmlns:stream='http://etherx.jabber.org/streams'>"
)


class NoJitter(random.Random):
    """Always the shortest delay."""

    def uniform(self, a: float, b: float) -> float:
        return a


@dataclass
class Connection:
    """One connection of the component, seen from the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: bytes = b""

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def until(self, what: bytes) -> bytes:
        """Read until these bytes have come; gives what was read up to and with them."""
        async with asyncio.timeout(5):
            while what not in self.seen:
                data = await self.reader.read(65536)
                assert data, f"closed before {what!r}"
                self.seen += data
        before, _, self.seen = self.seen.partition(what)
        return before + what

    async def closed(self) -> bytes:
        """Wait until the component has closed; gives what came before."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                while data := await self.reader.read(65536):
                    self.seen += data
        return self.seen

    async def accept(self, header: bytes = HEADER) -> None:
        """The handshake as it should be."""
        await self.until(b">")
        self.write(header)
        proof = hashlib.sha1(b"s1" + SECRET.encode()).hexdigest().encode()
        assert b"<handshake>" + proof + b"</handshake>" in await self.until(b"</handshake>")
        self.write(b"<handshake/>")

    async def ping(self, id: str = "ctl") -> bool:
        """Whether the component answers a ping: the positive control."""
        ping = "<ping xmlns='urn:xmpp:ping'/>"
        self.write(f"<iq id='{id}' type='get' from='ann@example/r' to='{DOMAIN}'>{ping}</iq>".encode())
        return b'type="result"' in await self.until(f'id="{id}"/>'.encode())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class State:
    """The sessions of a link as its services hear of them."""

    def __init__(self, link: Link) -> None:
        self._changes: asyncio.Queue[bool] = asyncio.Queue()
        link.on_state(self._changes.put_nowait)

    async def next(self) -> bool:
        """True for a session that began, False for one that ended."""
        async with asyncio.timeout(5):
            return await self._changes.get()


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class FakeServer:
    """Serves one connection after the other by its behaviour; the last behaviour is for all that follow."""

    behaviours: list[Behaviour]
    port: int = 0
    connections: int = 0
    failures: list[BaseException] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle a connection."""
        behaviour = self.behaviours[min(self.connections, len(self.behaviours) - 1)]
        self.connections += 1
        try:
            await behaviour(Connection(reader, writer))
        except (AssertionError, TimeoutError) as error:
            self.failures.append(error)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def started(link: ComponentLink, fake: FakeServer, server: asyncio.Server) -> AsyncIterator[None]:
    """A link that answers pings while it runs; what has failed at its server is raised at the end."""
    link.on_iq("get", "{urn:xmpp:ping}ping", lambda iq: None)
    try:
        await link.start()
        yield
    finally:
        await link.stop()
        server.close()
    for failure in fake.failures:
        raise failure


@contextlib.asynccontextmanager
async def linked(
    *behaviours: Behaviour, timing: Timing | None = None
) -> AsyncIterator[tuple[ComponentLink, FakeServer]]:
    """A started link that answers pings, and its server."""
    fake = FakeServer(list(behaviours))
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    link = ComponentLink(
        DOMAIN,
        SECRET,
        ("127.0.0.1", fake.port),
        pinged="example",
        limits=LIMITS,
        timing=timing,
        rng=NoJitter(),
    )
    async with started(link, fake, server):
        yield link, fake
