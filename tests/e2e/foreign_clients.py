"""XMPP clients of others, unchanged, behind one face: strophe.js and converse.js in pages, @xmpp/client in
node.

What each can be told stands, by the same names, in pages/strophe.js, pages/converse.js and xmpp_client.mjs.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page

from tests.e2e.harness import eventually

NODE_CLIENT = Path(__file__).with_name("xmpp_client.mjs")
ANSWER_S = 60.0
"""What a client may take for one thing, on a machine that may be busy."""
ANSWER_BYTES = 1 << 20
COPY_BYTES = 1 << 16


class ForeignClient(ABC):
    """A client that reaches XMPP at `service`, over BOSH or WebSocket as its scheme says."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.log: list[str] = []
        self.jid = ""

    @abstractmethod
    async def open(self) -> None:
        """Start it; a page is loaded again."""

    @abstractmethod
    async def close(self) -> None:
        """End it without a word."""

    @abstractmethod
    async def _do(self, method: str, arguments: tuple[str, ...]) -> Any:
        """Have it do something; what comes of it."""

    async def call(self, method: str, *arguments: str) -> Any:
        """Have it do something; fails with what the client says."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._do(method, arguments)
        except TimeoutError:
            raise AssertionError("\n".join([f"{method} takes too long", *self.log])) from None

    async def login(self, jid: str, password: str = "") -> str:
        """Start it and log in, as a guest without a password; the full JID."""
        await self.open()
        self.jid = str(await self.call("login", self.service, jid, password))
        return self.jid

    async def echo(self, text: str, to: str = "", kind: str = "chat") -> None:
        """Send a message and wait until it comes back."""
        await self.call("say", to or self.jid, text, kind)
        await self.hears(text)

    async def hears(self, text: str) -> None:
        """Wait until a message with this text has come; it must not come twice."""

        async def times() -> int:
            return (await self.call("heard")).count(text)  # type: ignore[no-any-return]

        assert await self._eventually(f"{text!r} heard", times) == 1

    async def comes_back(self, logins: int) -> None:
        """Wait until it has logged in so many times; then it goes by its new JID."""

        async def found() -> list[str]:
            jids: list[str] = await self.call("logins")
            return jids if len(jids) >= logins else []

        self.jid = (await self._eventually(f"login number {logins}", found))[-1]

    async def _eventually(self, what: str, holds: Callable[[], Awaitable[Any]]) -> Any:
        """As `eventually`; fails with what the client says."""
        try:
            return await eventually(what, holds)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.log])) from None


class PageClient(ForeignClient):
    """A client in a tab of a browser."""

    def __init__(self, service: str, page: Page, address: str) -> None:
        super().__init__(service)
        self.page = page
        self._address = address
        page.on("console", lambda message: self.log.append(f"{message.type}: {message.text}"[:400]))
        page.on("pageerror", lambda error: self.log.append(f"pageerror: {error}"[:400]))

    async def open(self) -> None:
        await self.page.goto(self._address)
        await self.page.wait_for_function("window.client !== undefined")

    async def close(self) -> None:
        await self.page.close()

    async def _do(self, method: str, arguments: tuple[str, ...]) -> Any:
        return await self.page.evaluate(f"values => window.client.{method}(...values)", list(arguments))


class NodeClient(ForeignClient):
    """A client in a process of its own: a line of JSON asks, a line of JSON answers."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self._program: Process | None = None

    async def open(self) -> None:
        await self.close()
        argv = ("node", "--experimental-websocket", "--no-warnings", str(NODE_CLIENT))
        self._program = await create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, limit=ANSWER_BYTES)

    async def close(self) -> None:
        if self._program is not None and self._program.returncode is None:
            with suppress(ProcessLookupError):
                self._program.kill()
            await self._program.wait()

    async def _do(self, method: str, arguments: tuple[str, ...]) -> Any:
        assert self._program is not None and self._program.stdin and self._program.stdout, "not open"
        self._program.stdin.write(json.dumps([method, *arguments]).encode() + b"\n")
        answer = json.loads(await self._program.stdout.readline() or '{"error": "it has ended"}')
        assert "error" not in answer, "\n".join([f"{method}: {answer['error']}", *self.log])
        return answer.get("value")


class Line:
    """A TCP line to the front, by which a client reaches it, and which can be cut."""

    def __init__(self, service: str) -> None:
        """`service` is where the front has it."""
        parts = urlsplit(service)
        self._far_end = str(parts.hostname), parts.port or 80
        self._parts = parts
        self._server: asyncio.Server | None = None
        self._whole = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Begin to carry; the service's address at this end."""
        self._whole.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return self._parts._replace(netloc=f"127.0.0.1:{port}").geturl()

    async def close(self) -> None:
        """End it and what it carries."""
        if self._server is not None:
            self._server.close()
        self._break_off()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """Break all connections; new ones get no answer before the end of the block."""
        self._whole.clear()
        self._break_off()
        try:
            yield
        finally:
            self._whole.set()

    def _break_off(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        far_reader, far_writer = await asyncio.open_connection(*self._far_end)
        ends = {writer, far_writer}
        self._ends |= ends
        for one, other in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(one, other, ends))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: set[asyncio.StreamWriter]
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(COPY_BYTES):
                writer.write(data)
                await writer.drain()
        for end in ends:
            end.close()
        self._ends -= ends
