"""A real, private XMPP server for tests of the component, and a client that sends it what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, XMLPullParser

from carillon.ejabberd import Ejabberd
from carillon.files import write_private
from carillon.prosody import Prosody
from carillon.settings import Settings, parse
from carillon.xmpp_server import XmppServer
from tests.leash import LEASH
from tests.ports import free_port

SECRET = "the component's secret"
_START_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_S = 5.0


def settings_in(directory: Path, guest_domain: str = "") -> Settings:
    """Settings with free ports and with secrets in `directory`."""
    c2s, component = free_port(), free_port()
    for name, secret in (("component", SECRET), ("turn", "the relay's secret")):
        (directory / "secrets").mkdir(exist_ok=True)
        write_private(directory / "secrets" / name, secret)
    text = f"[xmpp]\nguest_domain = '{guest_domain}'\nc2s_port = {c2s}\ncomponent_port = {component}\n"
    text += "[link]\nenabled = false\n"  # who wants the link between has one (tests.component.linked)
    (directory / "carillon.toml").write_text(text)
    return parse(text, directory / "carillon.toml")


@dataclass
class RunningServer:
    """An XMPP server with the settings it serves."""

    settings: Settings
    directory: Path
    server: XmppServer
    configuration: Path
    edit: Callable[[str], str] = lambda text: text
    """What a test does to the configuration."""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it listens for components and clients."""
        self.server.configure()
        self.configuration.write_text(self.edit(self.configuration.read_text()))
        program = self.server.program()
        with self._output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *LEASH,
                *program.argv,
                env={**os.environ, **program.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        xmpp = self.settings.xmpp
        async with asyncio.timeout(_START_TIMEOUT_S):
            for port in (xmpp.component_port, xmpp.c2s_port):
                while not await _listens(port):
                    assert self.process.returncode is None, self._output.read_text()
                    await asyncio.sleep(0.05)

    @property
    def _output(self) -> Path:
        return self.directory / "server.out"

    async def kill(self) -> None:
        """End it without any farewell."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def with_secret(self, secret: str) -> Settings:
        """The settings of a component that has another secret than the server."""
        path = self.directory / "secrets" / "wrong"
        write_private(path, secret)
        return replace(self.settings, xmpp=replace(self.settings.xmpp, secret_file=path))

    def with_domain(self, domain: str) -> Settings:
        """The settings of a component of another name."""
        return replace(self.settings, focus=replace(self.settings.focus, domain=domain))


def prosody_in(directory: Path) -> RunningServer:
    """A Prosody of localhost, guest.localhost, conference.localhost and carillon's components."""
    settings = settings_in(directory)
    return RunningServer(settings, directory, Prosody(directory, settings), directory / "prosody.cfg.lua")


def ejabberd_in(directory: Path) -> RunningServer:
    """An ejabberd of localhost, for guests too, conference.localhost and carillon's components."""
    settings = settings_in(directory, "localhost")
    return RunningServer(settings, directory, Ejabberd(directory, settings), directory / "carillon.yml")


SERVERS = {"prosody": prosody_in, "ejabberd": ejabberd_in}


@contextlib.asynccontextmanager
async def running(server: RunningServer) -> AsyncIterator[RunningServer]:
    """Start a server, and end it."""
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


def running_prosody(
    directory: Path, further_config: str = ""
) -> contextlib.AbstractAsyncContextManager[RunningServer]:
    """A Prosody with some Lua appended to its configuration."""
    server = prosody_in(directory)
    server.edit = lambda text: text + further_config
    return running(server)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Client:
    """A guest, logged in by SASL ANONYMOUS over plain TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
        self._depth = 0
        self.jid = ""
        self.received: list[Element] = []
        """Every stanza that nobody waited for, in order."""
        self.closed = False
        self._waiting: dict[str, asyncio.Future[Element]] = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def login(cls, settings: Settings) -> Client:
        """Connect, log in and bind a resource."""
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.xmpp.c2s_port)
        client = cls(reader, writer, settings.xmpp.guest_domain)
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await client._open_stream()
            client.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
            assert (await client._next()).tag.endswith("}success")
            await client._open_stream()
            client._task = asyncio.create_task(client._read())
            bound = await client.request(
                "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", "bind", "set", None
            )
        client.jid = bound.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid") or ""
        return client

    def write(self, xml: str | bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(xml.encode() if isinstance(xml, str) else xml)

    async def request(
        self, payload: str, id: str, type: str = "get", to: str | None = "focus.localhost"
    ) -> Element:
        """Send an IQ and wait for its answer, whatever it is."""
        answer = self.expect(id)
        address = f" to='{to}'" if to else ""
        self.write(f"<iq type='{type}' id='{id}'{address}>{payload}</iq>")
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            return await answer

    def expect(self, id: str) -> asyncio.Future[Element]:
        """The stanza with this id that will come."""
        return self._waiting.setdefault(id, asyncio.get_running_loop().create_future())

    async def ping(self, to: str = "focus.localhost") -> str | None:
        """Ping the component; the type of the answer."""
        return (await self.request("<ping xmlns='urn:xmpp:ping'/>", f"p{id(object())}", to=to)).get("type")

    async def close(self) -> None:
        """Leave."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._writer.close()

    async def _open_stream(self) -> None:
        self._parser, self._depth = XMLPullParser(("start", "end")), 0
        self.write(
            f"<?xml version='1.0'?><stream:stream to='{self._host}' version='1.0' xmlns='jabber:client'"
            " xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        await self._next()

    async def _next(self) -> Element:
        """The next stanza or nonza."""
        while True:
            for event in self._parser.read_events():
                self._depth += 1 if event[0] == "start" else -1
                if event[0] == "end" and self._depth == 1:
                    element = event[-1]
                    assert isinstance(element, Element)
                    return element
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionResetError("the server closed the client's stream")
            self._parser.feed(data)

    async def _read(self) -> None:
        try:
            while True:
                stanza = await self._next()
                waiting = self._waiting.pop(stanza.get("id", ""), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(stanza)
                else:
                    self.received.append(stanza)
        except ConnectionError:
            self.closed = True
