"""The part that keeps guests' streams, between real connections and a real Prosody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bosh.main import Front
from bosh.streams.main import Streams
from carillon.handover import HandoverError
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.bosh.rfc7395_client import Connect, XmppClient, eventually

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

SM = "urn:xmpp:sm:3"


@pytest.fixture
async def kept(prosody: Settings, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings with which a front uses the part, which runs."""
    settings = replace(prosody, streams=replace(prosody.streams, socket=str(tmp_path / "s"), resume_s=5))
    streams = Streams(settings)
    await streams.start()
    yield settings
    await streams.stop()


async def enabled(client: XmppClient, settings: Settings) -> str:
    """Log in as a guest who can resume; the token."""
    await client.login(settings.xmpp.guest_domain)
    await client.send(f"<enable xmlns='{SM}' resume='true'/>")
    return (await client.receive("^<enabled")).partition('id="')[2].partition('"')[0]


async def resumed(client: XmppClient, settings: Settings, token: str, handled: int) -> str:
    """Resume the stream on this connection; what the server answers."""
    await client.authenticate(settings.xmpp.guest_domain)
    await client.send(f"<resume xmlns='{SM}' previd='{token}' h='{handled}'/>")
    return await client.receive("^<")


def to_oneself(jid: str, text: str) -> str:
    return f"<message xmlns='jabber:client' to='{jid}'><body>{text}</body></message>"


async def test_a_guest_goes_on_at_another_front(
    kept: Settings, start_front: StartFront, connect: Connect
) -> None:
    front = await start_front(kept)
    client = await connect(front)
    token = await enabled(client, kept)
    await client.send(to_oneself(client.jid, "one"))
    await client.receive("one")
    await front.stop()
    again = await connect(await start_front(kept))
    assert await resumed(again, kept, token, 0) == f"<resumed xmlns='{SM}' previd=\"{token}\" h='1'/>"
    await again.receive("one")
    await again.send(to_oneself(client.jid, "two"))
    await again.receive("two")


async def test_what_comes_late_on_the_connection_of_before_counts_no_more(
    kept: Settings, front_of: Front, connect: Connect
) -> None:
    client, again = await connect(front_of), await connect(front_of)
    token = await enabled(client, kept)
    await resumed(again, kept, token, 0)
    await client.send(to_oneself(client.jid, "late"))
    await again.send(to_oneself(client.jid, "sent again"))
    assert "late" not in await again.receive("sent again")


@pytest.fixture
async def front_of(kept: Settings, start_front: StartFront) -> Front:
    return await start_front(kept)


async def test_who_is_away_too_long_cannot_come_back(
    prosody: Settings, tmp_path: Path, start_front: StartFront, connect: Connect
) -> None:
    settings = replace(prosody, streams=replace(prosody.streams, socket=str(tmp_path / "s"), resume_s=0.05))
    streams = Streams(settings)
    await streams.start()
    front = await start_front(settings)
    client = await connect(front)
    token = await enabled(client, settings)
    await client.socket.close()
    await eventually(lambda: not streams.remaining()["streams"] and not streams.held)
    assert "item-not-found" in await resumed(await connect(front), settings, token, 0)
    await streams.stop()


async def test_without_the_part_guests_come_in_all_the_same(
    prosody: Settings, tmp_path: Path, start_front: StartFront, connect: Connect
) -> None:
    alone = replace(prosody, streams=replace(prosody.streams, socket=str(tmp_path / "nobody")))
    client = await connect(await start_front(alone))
    await client.login(alone.xmpp.guest_domain)
    await client.ping()


async def test_its_end_is_that_of_the_streams(
    prosody: Settings, tmp_path: Path, start_front: StartFront, connect: Connect
) -> None:
    settings = replace(prosody, streams=replace(prosody.streams, socket=str(tmp_path / "s")))
    streams = Streams(settings)
    await streams.start()
    client = await connect(await start_front(settings))
    await enabled(client, settings)
    assert streams.remaining() == {"streams": 1}
    await streams.stop()
    await client.receive("remote-connection-failed")
    assert not (tmp_path / "s").exists()


@pytest.fixture
async def successors(prosody: Settings, tmp_path: Path) -> AsyncIterator[tuple[Settings, Streams, Streams]]:
    """Settings, the part that runs with them, and another that does not run yet."""
    settings = replace(prosody, streams=replace(prosody.streams, socket=str(tmp_path / "s"), resume_s=5))
    old, new = Streams(settings), Streams(settings)
    await old.start()
    yield settings, old, new
    await old.stop()
    await new.stop()


async def test_streams_go_over_to_a_successor_with_their_connections(
    successors: tuple[Settings, Streams, Streams], start_front: StartFront, connect: Connect
) -> None:
    settings, old, new = successors
    front = await start_front(settings)
    client, plain, away = await connect(front), await connect(front), await connect(front)
    token = await enabled(client, settings)
    await plain.login(settings.xmpp.guest_domain)
    token_away = await enabled(away, settings)
    await away.socket.close()
    await eventually(lambda: old.held == 1)
    await client.send(to_oneself(client.jid, "before"))
    await client.receive("before")

    await new.take_over(old.hand_over())
    old.released()
    assert not any(old.remaining().values())

    for one in (client, plain):
        await one.send(to_oneself(one.jid, "after"))
        await one.receive("after")
    back = await connect(front)
    assert "<resumed" in await resumed(back, settings, token_away, 0)
    await client.socket.close()
    await eventually(lambda: new.held == 1)
    again = await connect(front)
    assert "h='2'" in await resumed(again, settings, token, 0)
    await again.receive("before")
    await again.receive("after")


async def test_without_a_successor_everything_goes_on(
    successors: tuple[Settings, Streams, Streams], start_front: StartFront, connect: Connect
) -> None:
    settings, old, _ = successors
    client = await connect(await start_front(settings))
    await enabled(client, settings)
    handover = old.hand_over()
    await client.send(to_oneself(client.jid, "meanwhile"))
    handover.close()
    await old.resume()
    await client.receive("meanwhile")
    await enabled(await connect(await start_front(settings)), settings)


@pytest.mark.parametrize("wrong", [{}, {"state": "ASLEEP"}, {"state": "PASSING", "from_client": "zz"}])
async def test_a_state_that_cannot_be_read_is_not_taken_over(
    successors: tuple[Settings, Streams, Streams], wrong: dict[str, str]
) -> None:
    _, old, new = successors
    handover = old.hand_over()
    handover.state["streams"] = [wrong]
    with pytest.raises(HandoverError):
        await new.take_over(handover)
    await old.resume()
