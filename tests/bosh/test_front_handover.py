"""A front that is replaced: the successor has its listeners, nobody is refused, nobody loses a session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from bosh import main
from bosh.main import Front
from bosh.streams.main import Streams
from bosh.websocket_handshake import MOVABLE
from carillon.settings import Settings
from tests.bosh.bosh_client import NewClient, condition
from tests.bosh.rfc7395_client import Connect, eventually
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

SM = "urn:xmpp:sm:3"


@dataclass
class Pair:
    """A front that runs and its successor, with the streams behind both."""

    settings: Settings
    old: Front
    new: Front

    async def replace(self) -> None:
        """Have the one replace the other."""
        await self.new.take_over(self.old.hand_over())
        self.old.released()


@pytest.fixture
async def pair(prosody: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(main, "MOVE_S", 0.1)
    port = free_port()
    front = replace(
        prosody.front, port=port, public_url=f"http://127.0.0.1:{port}", control=str(tmp_path / "front.sock")
    )
    settings = replace(
        prosody, front=front, streams=replace(prosody.streams, socket=str(tmp_path / "streams"))
    )
    streams = Streams(settings)
    await streams.start()
    one = Pair(settings, Front(settings), Front(settings))
    await one.old.start()
    yield one
    await one.old.stop()
    await one.new.stop()
    await streams.stop()


async def test_connections_that_come_in_between_wait_for_the_successor(pair: Pair) -> None:
    handover = pair.old.hand_over()
    async with aiohttp.ClientSession() as http:
        asked = asyncio.create_task(http.get(f"{pair.settings.front.public_url}/carillon.json"))
        await asyncio.sleep(0)
        await pair.new.take_over(handover)
        pair.old.released()
        assert (await asked).status == 200


async def test_without_a_successor_the_front_goes_on(pair: Pair, connect: Connect) -> None:
    pair.old.hand_over().close()
    await pair.old.resume()
    await (await connect(pair.old)).login(pair.settings.xmpp.guest_domain)


async def test_who_can_resume_is_sent_to_the_successor_and_loses_nothing(
    pair: Pair, connect: Connect
) -> None:
    client = await connect(pair.old, f"?{MOVABLE}")
    await client.login(pair.settings.xmpp.guest_domain)
    await client.send(f"<enable xmlns='{SM}' resume='true'/>")
    token = (await client.receive("^<enabled")).partition('id="')[2].partition('"')[0]
    await pair.replace()
    place = rf"ws://127.0.0.1:{pair.settings.front.port}/xmpp-websocket\?{MOVABLE}"
    await client.receive(f'^<close [^>]*see-other-uri="{place}"')
    said = f"<message xmlns='jabber:client' to='{client.jid}'><body>late</body></message>"
    await client.send(said)  # before it has heard that
    await client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    assert await client.closed() == 1000
    again = await connect(pair.new)
    await again.authenticate(pair.settings.xmpp.guest_domain)
    await again.send(f"<resume xmlns='{SM}' previd='{token}' h='0'/>")
    await again.receive("^<resumed .*h='1'")
    await again.receive("late")
    await eventually(lambda: not any(pair.old.remaining().values()))


@pytest.mark.parametrize(("query", "enable"), [(f"?{MOVABLE}", False), ("", True)])
async def test_who_cannot_resume_or_does_not_follow_stays_as_long_as_there_is_time(
    pair: Pair, connect: Connect, query: str, enable: bool
) -> None:
    client = await connect(pair.old, query)
    await client.login(pair.settings.xmpp.guest_domain)
    if enable:
        await client.send(f"<enable xmlns='{SM}' resume='true'/>")
        await client.receive("^<enabled")
    await pair.replace()
    await asyncio.sleep(0.3)
    await client.ping()
    assert pair.old.remaining()["streams"] == 1
    await client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    await client.receive("^<close")
    await eventually(lambda: pair.old.remaining()["streams"] == 0)


async def test_a_bosh_session_goes_on_through_the_successor(pair: Pair, new_client: NewClient) -> None:
    client = new_client(pair.old)
    await client.login(pair.settings.xmpp.guest_domain)
    await pair.replace()
    for text in ("one", "two", "x" * 100_000):
        said = f"<message xmlns='jabber:client' to='{client.jid}'><body>{text}</body></message>"
        await client.send(said)
        await client.receive(text)
    assert pair.old.remaining()["streams"] == 1
    assert pair.new.remaining()["streams"] == 0


async def test_new_bosh_sessions_begin_at_the_successor(pair: Pair, new_client: NewClient) -> None:
    await pair.replace()
    await new_client(pair.new).login(pair.settings.xmpp.guest_domain)
    assert pair.new.remaining()["streams"] == 1
    assert pair.old.remaining()["streams"] == 0


async def test_a_session_that_begins_on_an_old_connection_goes_on(pair: Pair, new_client: NewClient) -> None:
    await new_client(pair.old).login(pair.settings.xmpp.guest_domain)
    await pair.replace()
    late = new_client(pair.new)  # on the connection of the one before
    await late.login(pair.settings.xmpp.guest_domain)
    await late.ping()


async def test_a_session_of_before_is_over_with_its_process(pair: Pair, new_client: NewClient) -> None:
    client = new_client(pair.old)
    await client.login(pair.settings.xmpp.guest_domain)
    await pair.replace()
    await client.ping()
    await pair.old.stop()
    assert condition(await client.post()) == "item-not-found"


async def test_nothing_is_left_in_the_directory(pair: Pair, tmp_path: Path) -> None:
    await pair.replace()
    await pair.old.stop()
    assert await asyncio.to_thread(os.listdir, tmp_path) == ["streams"]
