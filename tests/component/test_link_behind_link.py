"""A component's link that goes through `carillon link`: standing by, replaced, and why it has no session."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from carillon.check.finding import Level
from component.check import of_links
from component.hosts import trouble
from component.link import ComponentLink, Loss, LossKind, Timing
from component.main import Component
from component.self_check import LinkSeen
from component.server_link.check import of_instances
from component.stanza import presence
from tests.component.behind_link import link_of, with_link
from tests.component.fake_server import (
    DOMAIN,
    HEADER,
    LIMITS,
    SECRET,
    Behaviour,
    Connection,
    FakeServer,
    NoJitter,
    State,
    started,
    until,
)
from tests.component.prosody import RunningServer, prosody_in, running, settings_in

STANDBY = b"<standby xmlns='urn:carillon:link:0' active='77'/>"
CONFLICT = (
    b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
)


@contextlib.asynccontextmanager
async def linked(
    directory: Path, *behaviours: Behaviour, timing: Timing | None = None
) -> AsyncIterator[tuple[ComponentLink, FakeServer]]:
    """A started link to a UNIX socket, and what is behind that."""
    fake, path = FakeServer(list(behaviours)), str(directory / "link.sock")
    server = await asyncio.start_unix_server(fake.serve, path)
    link = ComponentLink(DOMAIN, SECRET, path, pinged="example", limits=LIMITS, timing=timing, rng=NoJitter())
    async with started(link, fake, server):
        yield link, fake


async def greet(connection: Connection) -> None:
    """All of a handshake but its answer."""
    await connection.until(b">")
    connection.write(HEADER)
    before = await connection.until(b"</handshake>")
    assert b"<enable xmlns='urn:xmpp:sm:3'/>" in before


async def test_it_stands_by_as_long_as_it_takes_and_then_is_up(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await greet(connection)
        connection.write(STANDBY)
        await go_on.wait()
        connection.write(b"<handshake/><enabled xmlns='urn:xmpp:sm:3'/>")
        await connection.closed()

    async with linked(tmp_path, serve, timing=Timing(handshake_s=0.05)) as (link, fake):
        await until(lambda: link.loss == Loss(LossKind.STANDBY, "process 77"))
        await asyncio.sleep(0.1)  # the watchdog of the handshake has nothing to say
        assert not link.up
        assert link.session == ""
        state = State(link)
        go_on.set()
        assert await state.next()
        assert link.session == "s1"
        assert fake.connections == 1


async def test_it_says_what_it_has_handled_and_not_before(tmp_path: Path) -> None:
    finish, done = asyncio.Event(), asyncio.Event()

    async def slow(_: object) -> None:
        await finish.wait()

    async def serve(connection: Connection) -> None:
        await greet(connection)
        connection.write(b"<handshake/><enabled xmlns='urn:xmpp:sm:3'/>")
        ping, query = "<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='urn:x'/>"
        for number, payload in enumerate((ping, query, ping), 1):
            address = f"id='{number}' type='get' from='a@b/c' to='{DOMAIN}'"
            connection.write(f"<iq {address}>{payload}</iq>".encode())
        connection.write(b"<r xmlns='urn:xmpp:sm:3'/>")
        first = await connection.until(b"<a xmlns='urn:xmpp:sm:3' h='1'/>")
        assert b'id="1"' in first and b'id="3"' in first and b'id="2"' not in first
        finish.set()
        assert b'id="2"' in await connection.until(b"<a xmlns='urn:xmpp:sm:3' h='3'/>")
        done.set()
        await connection.closed()

    async with linked(tmp_path, serve) as (link, _):
        link.on_iq("get", "{urn:x}query", slow)
        async with asyncio.timeout(5):
            await done.wait()


async def test_one_that_is_replaced_does_not_come_back(tmp_path: Path) -> None:
    async def serve(connection: Connection) -> None:
        await greet(connection)
        connection.write(b"<handshake/>" + CONFLICT)
        await connection.closed()

    replaced = asyncio.Event()
    async with linked(tmp_path, serve) as (link, fake):
        link.on_replaced(replaced.set)
        async with asyncio.timeout(5):
            await replaced.wait()
        await asyncio.sleep(0.1)
        assert fake.connections == 1
        link.send(presence("a@b", DOMAIN))
        assert link.loss is not None and link.loss.kind is LossKind.REPLACED


async def test_a_loss_that_the_link_tells_is_asked_about_again_and_logged_once(tmp_path: Path) -> None:
    lost = b"<lost xmlns='urn:carillon:link:0' kind='host-unknown'>host-unknown</lost>"

    async def serve(connection: Connection) -> None:
        await connection.until(b">")
        failed = b"<remote-connection-failed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        connection.write(HEADER + b"<stream:error>" + failed + lost + b"</stream:error></stream:stream>")
        await connection.closed()

    with structlog.testing.capture_logs() as logs:
        async with linked(tmp_path, serve) as (link, fake):
            await until(lambda: fake.connections >= 3)
            assert link.loss == Loss(LossKind.HOST_UNKNOWN, "host-unknown", told_by_link=True)
    assert [log["reason"] for log in logs if "reason" in log] == ["host-unknown"]


async def test_a_link_that_does_not_answer_is_told(tmp_path: Path) -> None:
    async def silent(connection: Connection) -> None:
        await connection.closed()

    async with linked(tmp_path, silent, timing=Timing(handshake_s=0.05)) as (link, _):
        await until(lambda: link.loss is not None)
        assert link.loss is not None and link.loss.kind is LossKind.LINK_SILENT


async def test_a_link_that_is_not_there_is_told(tmp_path: Path) -> None:
    component = Component(with_link(settings_in(tmp_path)))
    await component.start()
    try:
        await until(lambda: component.trouble() != "connecting to the XMPP server")
        assert "does carillon link run?" in (component.trouble() or "")
    finally:
        await component.stop()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    async with running(prosody_in(tmp_path)) as one:
        yield one


async def test_each_reason_of_the_server_is_told_apart_through_the_link(server: RunningServer) -> None:
    troubles = {
        "refuses the secret for focus.localhost": server.with_secret("another"),
        "knows no component other.localhost": server.with_domain("other.localhost"),
    }
    for words, settings in troubles.items():
        async with link_of(with_link(settings)) as link:
            component = Component(with_link(settings))
            await component.start()
            try:
                await until(lambda: component._link.loss is not None)  # noqa: B023
                assert words in (component.trouble() or "")
                assert words in (link.trouble() or "")
            finally:
                await component.stop()


async def test_a_server_without_a_calls_host_is_enough_for_meetings(server: RunningServer) -> None:
    settings = with_link(server.settings)
    without = replace(settings, calls=replace(settings.calls, domain="nocalls.localhost"))
    async with link_of(without) as link:
        component = Component(without)
        await component.start()
        try:
            await until(lambda: component.trouble() is None)
            assert link.trouble() is None
        finally:
            await component.stop()


# What carillon check says of it


@pytest.mark.parametrize(
    ("kind", "words", "level"),
    [
        (LossKind.NO_LINK, "does carillon link run?", Level.ERROR),
        (LossKind.LINK_SILENT, "restart carillon link", Level.ERROR),
        (LossKind.STANDBY, "stands by: process 77", Level.WARNING),
    ],
)
def test_the_check_has_words_for_it(tmp_path: Path, kind: LossKind, words: str, level: Level) -> None:
    settings = with_link(settings_in(tmp_path))
    (finding,) = of_links([LinkSeen("focus.localhost", False, kind, "process 77")], settings)
    assert words in finding.what
    assert finding.level is level
    assert words in trouble(settings, "focus.localhost", Loss(kind, "process 77"))


def test_the_check_says_who_is_the_component() -> None:
    assert of_instances({"active": 7, "standby": []}).what == "process 7 is the component"
    standing_by = of_instances({"active": 7, "standby": [8]})
    assert (standing_by.level, "process 8 stands by" in standing_by.what) == (Level.OK, True)
    assert of_instances({"active": None, "standby": []}).level is Level.ERROR
