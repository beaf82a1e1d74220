"""The link to the byte: who may attach, what it says to the server, and to components of any kind."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from carillon.files import write_private
from carillon.handover import HandoverError
from carillon.settings import Settings
from component.loss import Timing
from component.server_link import attachment as attachment_module
from component.server_link import service as service_module
from component.server_link.main import ServerLink
from component.server_link.service import Service
from component.server_link.succession import handed_over, taken_over
from tests.component.behind_link import with_link
from tests.component.fake_server import SECRET, Connection, FakeServer, until
from tests.component.prosody import settings_in

FOCUS = "focus.localhost"
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='s1' from='focus.localhost'"
    b" xmlns:stream='http://etherx.jabber.org/streams'>"
)
HELLO = HEADER.replace(b" id='s1' from=", b" to=")
ENABLE = b"<enable xmlns='urn:xmpp:sm:3'/>"
SAID = "<message from='r@m/ann' to='focus@focus.localhost/x' type='groupchat' id='{}'/>"
ASKED = "<iq from='ann@a/r' to='focus.localhost' type='get' id='{}'><q xmlns='u'/></iq>"


def settings_of(directory: Path, **link: object) -> Settings:
    """Settings of the focus's host alone, with a buffer as a test wants it."""
    found = with_link(settings_in(directory), **link)
    write_private(found.xmpp.secret_file, SECRET)
    return replace(
        found, calls=replace(found.calls, enabled=False), socks5=replace(found.socks5, enabled=False)
    )


class Attached:
    """A component on the UNIX socket, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection = Connection(reader, writer)

    @classmethod
    async def to(cls, settings: Settings) -> "Attached":
        """Connect, and say nothing."""
        return cls(*await asyncio.open_unix_connection(settings.link.socket))

    async def hello(self, extra: bytes = b"", secret: str = SECRET) -> None:
        """Header and handshake."""
        self.connection.write(HELLO)
        header = await self.connection.until(b'id="s1">')
        assert b'from="focus.localhost"' in header
        proof = hashlib.sha1(b"s1" + secret.encode()).hexdigest()
        self.connection.write(extra + f"<handshake>{proof}</handshake>".encode())

    async def accepted(self, extra: bytes = b"") -> None:
        """Become the component."""
        await self.hello(extra)
        await self.connection.until(b"<handshake/>")

    def leave(self) -> None:
        """Go without a word."""
        self.connection.writer.transport.abort()


class Server:
    """An XMPP server that accepts, and lets the test write and read."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.fake = FakeServer([self._serve])
        self._end = asyncio.Event()

    async def _serve(self, connection: Connection) -> None:
        await connection.accept(HEADER)
        self.connections.put_nowait(connection)
        await self._end.wait()

    async def connected(self) -> Connection:
        """The next connection that was accepted."""
        async with asyncio.timeout(5):
            return await self.connections.get()

    def stop(self) -> None:
        """End them all."""
        self._end.set()


class House:
    """A link between such a server and such components."""

    def __init__(self, settings: Settings, link: ServerLink, server: Server) -> None:
        self.settings, self.link, self.server = settings, link, server

    @property
    def service(self) -> Service:
        """Its inside."""
        return self.link._service

    async def component(self, extra: bytes = b"") -> tuple[Attached, Connection]:
        """A component that is accepted, and the server's end of its session."""
        attached = await Attached.to(self.settings)
        await attached.accepted(extra)
        return attached, await self.server.connected()

    async def until_alone(self) -> None:
        """Wait until the link knows that nobody is attached."""
        await until(lambda: not self.service.attachments)

    def later(self, seconds: float) -> None:
        """Let the service think that so much time has passed."""
        before = self.service._clock
        self.service._clock = lambda: before() + seconds
        for host in self.service.hosts.values():
            host._clock = self.service._clock
        self.service._tick()


@contextlib.asynccontextmanager
async def house_of(settings: Settings) -> AsyncIterator[House]:
    """A link and a server for these settings."""
    server = Server()
    listening = await asyncio.start_server(server.fake.serve, "127.0.0.1", settings.xmpp.component_port)
    link = ServerLink(settings)
    for host in link._service.hosts.values():
        host.upstream._timing = Timing(ping_interval_s=1e6)  # where a test moves the clock, nobody is silent
    await link.start()
    try:
        yield House(settings, link, server)
    finally:
        await link.stop()
        server.stop()
        listening.close()
    for failure in server.fake.failures:
        raise failure


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(settings_of(tmp_path)) as one:
        yield one


# Attaching


async def test_a_component_that_knows_nothing_of_the_link_is_served_as_by_a_server(house: House) -> None:
    attached, server = await house.component()
    server.write(SAID.format(1).encode())
    await attached.connection.until(SAID.format(1).encode())
    attached.connection.write(b"<message to='a@b'/>")
    await server.until(b"<message to='a@b'/>")


async def test_nothing_is_connected_before_a_component_wants_it(house: House) -> None:
    assert house.link.trouble() is None
    assert house.server.fake.connections == 0


REFUSED: dict[str, tuple[bytes, bytes]] = {
    "another host": (HELLO.replace(b"focus.", b"other."), b"host-unknown"),
    "other namespaces": (HELLO.replace(b" to=", b" xmlns:x='u' to="), b"invalid-namespace"),
    "no XML": (b"GET / HTTP/1.1\r\n\r\n", b"not-well-formed"),
}


@pytest.mark.parametrize(("said", "condition"), REFUSED.values(), ids=REFUSED)
async def test_who_is_no_component_of_ours_gets_the_stream_error(
    house: House, said: bytes, condition: bytes
) -> None:
    attached = await Attached.to(house.settings)
    attached.connection.write(said)
    assert b"<stream:error><" + condition in await attached.connection.closed()


async def test_a_wrong_secret_is_refused_as_a_server_does(house: House) -> None:
    attached = await Attached.to(house.settings)
    await attached.hello(secret="another")
    assert b"<stream:error><not-authorized" in await attached.connection.closed()


async def test_who_does_not_show_its_secret_sends_nothing(house: House) -> None:
    attached = await Attached.to(house.settings)
    attached.connection.write(HELLO + b"<message to='a@b'/>")
    assert b"not-authorized" in await attached.connection.closed()
    server = await house.server.connected()
    await asyncio.sleep(0)
    assert server.seen == b""


async def test_who_says_nothing_is_cut(house: House) -> None:
    attached = await Attached.to(house.settings)
    await until(lambda: len(house.service.attachments) == 1)
    house.later(service_module.HELLO_S)
    assert b"connection-timeout" in await attached.connection.closed()


async def test_only_so_many_attach(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "MAX_ATTACHMENTS", 2)
    waiting = [await Attached.to(house.settings) for _ in range(3)]
    assert await waiting[2].connection.closed() == b""
    assert len(house.service.attachments) == 2


async def test_a_second_stream_of_a_process_takes_the_place_of_its_first(house: House) -> None:
    first, server = await house.component()
    second = await Attached.to(house.settings)
    await second.accepted()
    assert await first.connection.closed() == b"</stream:stream>"
    server.write(SAID.format(1).encode())
    await second.connection.until(SAID.format(1).encode())


# The server's stream


async def test_why_there_is_no_session_is_told(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    link = ServerLink(settings)
    await link.start()
    try:
        attached = await Attached.to(settings)
        attached.connection.write(HELLO)
        said = await attached.connection.closed()
        assert b"<remote-connection-failed" in said
        assert b"<lost xmlns='urn:carillon:link:0' kind='refused'>ConnectionRefusedError</lost>" in said
        assert "does the XMPP server run" in (link.trouble() or "")
    finally:
        await link.stop()


async def test_the_loss_of_the_servers_stream_ends_the_components(house: House) -> None:
    attached, server = await house.component()
    server.write(b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
    assert b"kind='conflict'" in await attached.connection.closed()


async def test_what_a_lost_session_said_is_not_told_to_the_next(house: House) -> None:
    attached, server = await house.component(ENABLE)
    server.write(SAID.format(1).encode())
    await attached.connection.until(b"<r xmlns='urn:xmpp:sm:3'/>")
    server.writer.close()
    await attached.connection.closed()
    again, server = await house.component(ENABLE)
    server.write(SAID.format(2).encode())
    assert SAID.format(1).encode() not in await again.connection.until(SAID.format(2).encode())


async def test_a_silent_server_is_pinged_and_then_left(tmp_path: Path) -> None:
    async with house_of(settings_of(tmp_path)) as house:
        timing = Timing(ping_interval_s=0.3, ping_timeout_s=0.4)
        house.service.hosts[FOCUS].upstream._timing = timing
        attached, server = await house.component()
        ping = (await server.until(b"</iq>")).decode()
        id_ = re.findall(r"id='([^']+)'", ping)[0]
        server.write(f"<iq type='result' id='{id_}' from='localhost' to='{FOCUS}'/>".encode())
        await server.until(b"</iq>")
        assert b"kind='unanswered'" in await attached.connection.closed()
        assert id_.encode() not in attached.connection.seen  # the answer was not for the component


async def test_a_request_beyond_a_limit_is_answered_and_costs_only_itself(house: House) -> None:
    attached, server = await house.component()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            server.write(ASKED.format(7).replace("<q xmlns='u'/>", "<a>" * 100 + "</a>" * 100).encode())
            answer = await server.until(b"</iq>")
            assert b'id="7"' in answer and b"policy-violation" in answer and b'to="ann@a/r"' in answer
    assert len([log for log in logs if log["event"] == "a stanza broke a limit"]) == 1
    server.write(SAID.format(2).encode())
    assert await attached.connection.until(b"id='2'/>") == SAID.format(2).encode()


# Acknowledgements


async def test_what_was_not_acknowledged_goes_to_the_next_one_first(house: House) -> None:
    attached, server = await house.component(ENABLE)
    server.write("".join(SAID.format(n) for n in range(3)).encode())
    await attached.connection.until(b"<r xmlns='urn:xmpp:sm:3'/>")
    attached.connection.write(b"<a xmlns='urn:xmpp:sm:3' h='1'/>")
    attached.connection.write(b"<r xmlns='urn:xmpp:sm:3'/>")
    await attached.connection.until(b"<a xmlns='urn:xmpp:sm:3' h='0'/>")  # what it said before has arrived
    attached.leave()
    await house.until_alone()
    server.write(SAID.format(3).encode())
    await until(lambda: len(house.service.hosts[FOCUS].buffer) == 3)
    following = await Attached.to(house.settings)
    await following.accepted()
    got = await following.connection.until(SAID.format(3).encode())
    assert re.findall(rb"id='(\d)'", got) == [b"1", b"2", b"3"]


async def test_who_acknowledges_what_it_never_got_is_ended(house: House) -> None:
    attached, _ = await house.component(ENABLE)
    attached.connection.write(b"<a xmlns='urn:xmpp:sm:3' h='1'/>")
    assert b"undefined-condition" in await attached.connection.closed()


async def test_half_a_stanza_of_a_dead_component_never_reaches_the_server(house: House) -> None:
    attached, server = await house.component()
    attached.connection.write(b"<message to='a@b'/><message to='c@d'><bo")
    await server.until(b"<message to='a@b'/>")
    attached.leave()
    await house.until_alone()
    following = await Attached.to(house.settings)
    await following.accepted()
    following.connection.write(b"<message to='e@f'/>")
    assert await server.until(b"<message to='e@f'/>") == b"<message to='e@f'/>"


# Without a component


async def test_a_request_that_waits_too_long_is_told_to_try_again(house: House) -> None:
    attached, server = await house.component()
    attached.leave()
    await house.until_alone()
    server.write((ASKED.format(1) + SAID.format(2)).encode())
    await until(lambda: len(house.service.hosts[FOCUS].buffer) == 2)
    house.later(house.settings.link.buffer_s + 1)
    answer = await server.until(b"</iq>")
    assert b'id="1"' in answer and b'type="wait"' in answer and b"<service-unavailable" in answer
    assert len(house.service.hosts[FOCUS].buffer) == 1


async def test_a_request_without_room_is_told_to_try_again(tmp_path: Path) -> None:
    async with house_of(settings_of(tmp_path, buffer_bytes=1)) as house:
        attached, server = await house.component()
        attached.leave()
        await house.until_alone()
        server.write((SAID.format(1) + ASKED.format(2)).encode())
        assert b'type="wait"' in await server.until(b"</iq>")
        assert len(house.service.hosts[FOCUS].buffer) == 0


JOIN = b"<presence from='focus@focus.localhost/x' to='r@m/focus'/>"


async def test_when_no_component_comes_rooms_and_server_are_left(house: House) -> None:
    attached, server = await house.component()
    attached.connection.write(JOIN)
    await server.until(JOIN)
    attached.leave()
    await house.until_alone()
    server.write(ASKED.format(1).encode())
    await until(lambda: len(house.service.hosts[FOCUS].buffer) == 1)
    house.service._tick()
    house.later(house.settings.link.abandoned_s)
    said = await server.until(b"</stream:stream>")
    assert b'<presence to="r@m/focus" from="focus@focus.localhost/x" type="unavailable"/>' in said
    assert said.count(b'type="wait"') == 1
    await house.component()  # back as soon as somebody comes


async def test_a_link_that_is_stopped_alone_says_the_farewells(house: House) -> None:
    attached, server = await house.component()
    attached.connection.write(JOIN)
    await server.until(JOIN)
    attached.leave()
    await house.until_alone()
    await house.link.stop()
    assert b'type="unavailable"/></stream:stream>' in await server.until(b"</stream:stream>")


async def test_a_link_that_is_stopped_under_a_component_leaves_its_rooms_alone(house: House) -> None:
    attached, server = await house.component()
    attached.connection.write(JOIN)
    await server.until(JOIN)
    await house.link.stop()
    assert await server.until(b"</stream:stream>") == b"</stream:stream>"
    assert b"<system-shutdown" in await attached.connection.closed()


# Back-pressure


async def test_a_server_is_not_read_while_the_component_is_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachment_module, "UNACKNOWLEDGED_BYTES", 5000)
    attached, server = await house.component(ENABLE)
    channel = house.service.hosts[FOCUS].upstream.channel
    assert channel is not None
    server.write("".join(SAID.format(n) for n in range(20)).encode())
    await until(lambda: not channel.reads)
    await attached.connection.until(b"<r xmlns='urn:xmpp:sm:3'/>")
    attached.connection.write(b"<a xmlns='urn:xmpp:sm:3' h='20'/>")
    await until(lambda: channel.reads)


async def test_a_component_is_not_read_while_the_server_is_behind(house: House) -> None:
    attached, server = await house.component()
    transport = server.writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    large = b"<message to='a@b'><body>" + b"x" * 400_000 + b"</body></message>"
    for _ in range(60):  # the kernel takes some megabytes
        attached.connection.write(large)
    (stream,) = house.service.attachments
    await until(lambda: not stream.channel.reads)
    transport.resume_reading()
    attached.connection.write(b"<message to='last@b'/>")
    tail = b""
    async with asyncio.timeout(15):
        while b"<message to='last@b'/>" not in tail:
            tail = tail[-50:] + await server.reader.read(1_000_000)
    assert stream.channel.reads


# Handing over


async def test_a_successor_that_does_not_come_leaves_everything_as_it_was(house: House) -> None:
    attached, server = await house.component(ENABLE)
    handover = house.link.hand_over()
    server.write(SAID.format(1).encode())
    handover.close()
    await house.link.resume()
    await attached.connection.until(SAID.format(1).encode())


async def test_half_a_stanza_goes_on_in_the_next_process(house: House) -> None:
    attached, server = await house.component(ENABLE)
    server.write(SAID.format(1).encode()[:30])
    attached.connection.write(b"<message to='a@")
    framer = house.service.hosts[FOCUS].upstream.framer
    (stream,) = house.service.attachments
    await until(lambda: bool(framer.between_bytes) and bool(stream.framer.between_bytes))
    now = house.service._clock
    handover = handed_over(house.service, now())
    handover.state["something new"] = 1
    following = Service(house.settings, now)
    taken_over(following, handover, now())
    house.service.release()
    house.link._service = following
    server.write(SAID.format(1).encode()[30:])
    attached.connection.write(b"b'/>")
    await attached.connection.until(SAID.format(1).encode())
    await server.until(b"<message to='a@b'/>")
    assert following.instances.active is not None


async def test_what_waits_goes_along(house: House) -> None:
    attached, server = await house.component()
    attached.connection.write(JOIN)
    await server.until(JOIN)
    attached.leave()
    await house.until_alone()
    server.write((SAID.format(1) + ASKED.format(2)).encode())
    await until(lambda: len(house.service.hosts[FOCUS].buffer) == 2)
    now = house.service._clock
    handover = handed_over(house.service, now())
    following = Service(house.settings, now)
    taken_over(following, handover, now())
    house.service.release()
    house.link._service = following
    assert len(following.hosts[FOCUS].presences) == 1
    again = await Attached.to(house.settings)
    await again.accepted()
    got = await again.connection.until(b"</iq>")
    assert got == (SAID.format(1) + ASKED.format(2)).encode()


WRONG: dict[str, Callable[[dict[str, object]], object]] = {
    "nothing": lambda state: state.clear(),
    "another host": lambda state: state.update(hosts={"other.localhost": {}}),
    "hosts of another kind": lambda state: state.update(hosts={FOCUS: {"presences": 1}}),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
async def test_a_state_of_another_kind_is_not_taken_over(
    house: House, spoil: Callable[[dict[str, object]], object]
) -> None:
    await house.component()
    handover = house.link.hand_over()
    spoil(handover.state)
    with pytest.raises(HandoverError):
        taken_over(Service(house.settings, house.service._clock), handover, 0.0)
    handover.close()
    await house.link.resume()
