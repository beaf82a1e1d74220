"""The focus and our own bridge, each through the other's real interface (no XMPP in between)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.main import Bridge, make_router
from carillon.settings import parse
from component.focus.bridge_client import BridgeClient
from component.focus.effects import AskBridge
from jingle.content import Action
from jingle.element import Jingle
from jingle.jitsi.session import BridgeSession
from tests.component.focus_room import FIRST, SECOND, THIRD, FocusRoom
from tests.ports import free_port


@pytest.fixture
async def client() -> AsyncIterator[BridgeClient]:
    port = free_port()
    settings = parse("", Path("/nowhere/carillon.toml")).bridge
    bridge = Bridge(replace(settings, rest=f"127.0.0.1:{port}", port=0, max_endpoints=3), make_router)
    await bridge.start()
    client = BridgeClient(f"http://127.0.0.1:{port}")
    await client.start()
    yield client
    await client.stop()
    await bridge.stop()


async def run(room: FocusRoom, client: BridgeClient) -> None:
    """Ask the real bridge what the room wants, in order, until nothing is left."""
    while room.unanswered:
        effect = room.unanswered.pop(0)
        assert isinstance(effect, AskBridge)
        room.answer(effect, await client.ask(effect.request))


async def test_a_meeting_at_the_real_bridge(client: BridgeClient) -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.request()
    room.open().join(FIRST, SECOND)
    await run(room, client)
    assert room.invited() == [FIRST, SECOND]
    transport = room.told(FIRST)[0].contents[0].transport
    assert transport is not None and transport.candidates and transport.web_sockets
    assert transport.fingerprints[0].setup == "actpass"
    room.accept(FIRST, SECOND)
    await run(room, client)
    assert room.told(SECOND, Action.SOURCE_ADD)
    room.wait(30)
    await run(room, client)
    assert room.conference.participants[FIRST].active
    room.leave(FIRST)
    room.leave(SECOND)
    await run(room, client)
    assert room.ended


async def test_the_real_bridge_when_full_lets_the_next_one_wait(client: BridgeClient) -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.request()
    room.open().join(FIRST, SECOND, THIRD, "d")
    await run(room, client)
    assert room.invited() == [FIRST, SECOND, THIRD]
    room.leave(FIRST)
    room.wait(1)
    await run(room, client)
    assert room.invited() == [FIRST, SECOND, THIRD, "d"]


async def test_a_restart_of_a_session_at_the_real_bridge(client: BridgeClient) -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.request()
    room.open().join(FIRST, SECOND)
    await run(room, client)
    room.accept(FIRST, SECOND)
    restart = Jingle(
        Action.SESSION_TERMINATE,
        room.sid(FIRST),
        bridge_session=BridgeSession(room.bridge_session(FIRST), restart=True),
    )
    assert room.jingle(FIRST, restart) is None
    await run(room, client)
    assert room.invited() == [FIRST, SECOND, FIRST]
    room.accept(FIRST)
    await run(room, client)
    assert room.conference.participants[FIRST].active


async def test_a_bridge_that_was_restarted_gets_everybody_anew(client: BridgeClient) -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.request()
    room.open().join(FIRST, SECOND)
    await run(room, client)
    room.accept(FIRST, SECOND)
    await run(room, client)
    port = free_port()
    settings = parse("", Path("/nowhere/carillon.toml")).bridge
    second = Bridge(replace(settings, rest=f"127.0.0.1:{port}", port=0), make_router)
    await second.start()
    other = BridgeClient(f"http://127.0.0.1:{port}")
    await other.start()
    room.wait(10)
    await run(room, other)
    assert room.invited() == [FIRST, SECOND, FIRST, SECOND]
    await other.stop()
    await second.stop()
