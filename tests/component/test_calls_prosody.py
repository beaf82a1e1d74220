"""Calls through a real, stock Prosody, with focus and calls on their own links and a bridge without media."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import pytest

from component.calls.service import Calls
from component.focus.service import Focus
from component.link import ComponentLink, Limits
from jingle.content import Action, Reason, SessionInfo
from jingle.element import JINGLE_TAG, Jingle, build_jingle, parse_jingle
from jingle.jitsi.presence import parse_participant
from jingle.jmi import Invitation, Step, build_invitation, parse_invitation
from tests.component.call_under_test import DINO, GAJIM, STANZA_JS
from tests.component.guest import Guest
from tests.component.prosody import SECRET, Client, RunningProsody, running_prosody
from tests.component.stub_bridge import StubBridge

LIMITS = Limits(bytes=262144, depth=64, elements=5000, attributes=64)
ECHO = "echo@calls.localhost/bridge"
NICK = "{http://jabber.org/protocol/nick}nick"


class House:
    """Prosody, a bridge stub, focus and calls."""

    def __init__(self, prosody: RunningProsody, bridge: StubBridge, **calls: Any) -> None:
        self.bridge = bridge
        settings = prosody.settings
        self.settings = replace(
            settings,
            focus=replace(settings.focus, bridge=bridge.url),
            calls=replace(settings.calls, **calls),
        )
        self.links = [
            ComponentLink(
                host,
                SECRET,
                ("127.0.0.1", settings.xmpp.component_port),
                pinged="localhost",
                limits=LIMITS,
            )
            for host in ("focus.localhost", "calls.localhost")
        ]
        self.focus = Focus(self.settings, self.links[0])
        self.calls = Calls(self.settings, self.links[1], "4711")
        self.people: list[Client] = []

    async def start(self) -> None:
        await self.focus.start()
        await self.calls.start()
        for link in self.links:
            await link.start()
        async with asyncio.timeout(10):
            while not all(link.up for link in self.links):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        for client in self.people:
            await client.close()
        await self.calls.stop()
        await self.focus.stop()
        for link in self.links:
            await link.stop()

    async def caller(self) -> Caller:
        caller = Caller(await Client.login(self.settings))
        self.people.append(caller.client)
        return caller

    async def guest(self, room: str, nick: str) -> Guest:
        guest = await Guest.login(self.settings, room, nick)
        self.people.append(guest.client)
        return guest


class Caller:
    """A plain client, scripted: it answers every request and remembers what it was told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._seen = 0
        self._ids = 0

    async def ask(self, to: str, jingle: Jingle) -> Element:
        """A Jingle request, and its answer."""
        self._ids += 1
        return await self.client.request(
            tostring(build_jingle(jingle), encoding="unicode"), f"c{self._ids}", "set", to
        )

    def say(self, to: str, payload: str, type: str = "chat") -> None:
        """A message."""
        self.client.write(f"<message to='{to}' type='{type}'>{payload}</message>")

    def propose(self, to: str, id: str) -> None:
        """A JMI proposal."""
        self.say(to, tostring(build_invitation(Invitation(Step.PROPOSE, id, ("audio",))), encoding="unicode"))

    def told(self) -> list[Jingle]:
        """All Jingle requests so far, each answered once."""
        received = self.client.received
        for stanza in received[self._seen :]:
            if stanza.tag.endswith("iq") and stanza.get("type") == "set":
                self.client.write(f"<iq type='result' id='{stanza.get('id')}' to='{stanza.get('from')}'/>")
        self._seen = len(received)
        return [parse_jingle(child) for stanza in received for child in stanza if child.tag == JINGLE_TAG]

    async def get(self, action: Action) -> Jingle:
        """The first request with this action."""
        async with asyncio.timeout(10):
            while not (found := [one for one in self.told() if one.action is action]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found[0]

    def steps(self) -> list[Step]:
        """The JMI steps so far."""
        found = [parse_invitation(one) for one in self.client.received if one.tag.endswith("message")]
        return [one.step for one in found if one is not None]

    def words(self) -> list[str]:
        """What was said by chat."""
        return [
            child.text or ""
            for one in self.client.received
            if one.tag.endswith("message")
            for child in one
            if child.tag.endswith("}body")
        ]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.told()
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(tmp_path: Path, **calls: Any) -> AsyncIterator[House]:
    bridge = StubBridge()
    async with running_prosody(tmp_path) as prosody, contextlib.AsyncExitStack() as stack:
        await bridge.start()
        stack.push_async_callback(bridge.stop)
        house = House(prosody, bridge, **calls)
        await house.start()
        stack.push_async_callback(house.stop)
        yield house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(tmp_path) as house:
        yield house


async def test_the_echo_test_is_an_endpoint_that_hears_itself(house: House) -> None:
    caller = await house.caller()
    assert (await caller.ask(ECHO, STANZA_JS)).get("type") == "result"
    accept = await caller.get(Action.SESSION_ACCEPT)
    assert accept.sid == STANZA_JS.sid and [one.name for one in accept.contents] == ["0", "1"]
    (request,) = house.bridge.requests
    (endpoint,) = request.endpoints
    assert endpoint.capabilities == ("source-names", "single-stream", "unsignalled-sources", "echo")
    assert endpoint.transport is not None and not endpoint.transport.ice_controlling
    assert endpoint.sources is not None and [one.type for one in endpoint.sources] == ["audio", "video"]
    assert (await caller.ask(ECHO, STANZA_JS)).get("type") == "error"
    await caller.ask(ECHO, Jingle(Action.SESSION_TERMINATE, accept.sid, reason=Reason("success")))
    await caller.until(lambda: not house.bridge.conferences)


async def test_dino_gets_an_endpoint_for_each_content(house: House) -> None:
    caller = await house.caller()
    await caller.ask(ECHO, DINO)
    accept = await caller.get(Action.SESSION_ACCEPT)
    audio, video = (one.transport for one in accept.contents)
    assert audio is not None and video is not None and audio.ufrag + "-video" == video.ufrag
    assert not accept.groups


async def test_a_call_without_encryption_is_ended_in_words(house: House) -> None:
    caller = await house.caller()
    assert (await caller.ask(ECHO, GAJIM)).get("type") == "result"
    end = await caller.get(Action.SESSION_TERMINATE)
    assert end.reason is not None and end.reason.condition == "security-error"
    await caller.until(caller.words)
    assert "encrypted" in caller.words()[0]
    assert not house.bridge.requests


async def test_a_caller_is_in_the_room_under_its_name_with_its_mute_state(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    caller.client.write(
        "<presence to='lounge@calls.localhost'><nick xmlns='http://jabber.org/protocol/nick'>Ada</nick></presence>"
    )
    await caller.ask("lounge@calls.localhost/bridge", STANZA_JS)
    await guest.accept(100)
    await guest.knows(1)
    accept = await caller.get(Action.SESSION_ACCEPT)
    assert [one.name for one in accept.contents] == ["0", "1"]
    (nick,) = guest.known_sources()
    assert guest.presences[nick].findtext(NICK) == "Ada"

    def muted() -> dict[str, bool]:
        return {one.name: one.muted for one in parse_participant(guest.presences[nick]).sources}

    assert muted() == {f"{nick}-a0": False, f"{nick}-v0": False}
    to = "lounge@calls.localhost/bridge"
    await caller.ask(to, Jingle(Action.SESSION_INFO, accept.sid, info=SessionInfo("mute", "0", "initiator")))
    await guest.until(lambda: muted()[f"{nick}-a0"])
    created = {one.id: one for request in house.bridge.requests for one in request.endpoints if one.create}
    assert created[nick].capabilities == ("source-names", "single-stream", "unsignalled-sources")
    told = [
        one for request in house.bridge.requests for one in request.endpoints if one.id == nick and one.media
    ]
    assert [[pt.id for pt in media.payload_types] for media in told[-1].media] == [[111], [96, 97]]
    assert not [one for one in caller.told() if one.action is Action.SOURCE_ADD]
    await caller.ask(to, Jingle(Action.SESSION_TERMINATE, accept.sid, reason=Reason("success")))
    await guest.until(lambda: guest.presences[nick].get("type") == "unavailable")


async def test_a_caller_without_bundle_is_one_participant_with_two_endpoints(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    await caller.ask("lounge@calls.localhost/bridge", DINO)
    await guest.accept(100)
    await guest.knows(1)
    accept = await caller.get(Action.SESSION_ACCEPT)
    (nick,) = guest.known_sources()
    audio, video = (one.transport for one in accept.contents)
    assert audio is not None and video is not None
    assert (audio.ufrag, video.ufrag) == (f"ufrag{nick}", f"ufrag{nick}-video")

    def told(endpoint: str) -> list[str]:
        return [
            source.id
            for request in house.bridge.requests
            for one in request.endpoints
            if one.id == endpoint
            for source in one.sources or ()
        ]

    await caller.until(lambda: told(f"{nick}-video"))
    assert (told(nick), told(f"{nick}-video")) == ([f"{nick}-a0"], [f"{nick}-v0"])
    caller.client.write("<presence to='lounge@calls.localhost' type='unavailable'/>")
    await guest.until(lambda: guest.presences[nick].get("type") == "unavailable")
    await caller.until(lambda: all(nick not in one for one in house.bridge.conferences.values()))
    assert all(f"{nick}-video" not in one for one in house.bridge.conferences.values())


async def test_a_caller_alone_in_a_room_is_in_it(house: House) -> None:
    caller = await house.caller()
    await caller.ask("empty@calls.localhost/bridge", STANZA_JS)
    assert (await caller.get(Action.SESSION_ACCEPT)).contents


async def test_a_call_is_proposed_answered_once_and_finished(house: House) -> None:
    caller = await house.caller()
    for _ in range(3):
        caller.propose("echo@calls.localhost", STANZA_JS.sid)
    await caller.ask(ECHO, STANZA_JS)
    await caller.get(Action.SESSION_ACCEPT)
    await caller.ask(ECHO, Jingle(Action.SESSION_TERMINATE, STANZA_JS.sid, reason=Reason("success")))
    await caller.until(lambda: Step.FINISH in caller.steps())
    assert caller.steps() == [Step.RINGING, Step.PROCEED, Step.FINISH]


async def test_presence_and_subscription_are_answered_with_capabilities(house: House) -> None:
    caller = await house.caller()
    caller.say("echo@calls.localhost", "<body>hello</body>")

    def callable_() -> bool:
        return any(
            one.get("from") == ECHO and one.find("{http://jabber.org/protocol/caps}c") is not None
            for one in caller.client.received
            if one.tag.endswith("presence")
        )

    await caller.until(callable_)
    await caller.until(caller.words)
    caller.client.write("<presence/><presence to='lounge@calls.localhost' type='subscribe'/>")
    await caller.until(
        lambda: any(one.get("from", "").startswith("lounge@calls") for one in caller.client.received)
    )


async def test_a_pin_opens_the_door_while_it_rings(tmp_path: Path) -> None:
    async with running(tmp_path, rooms="pin") as house:
        caller = await house.caller()
        await caller.ask("lounge@calls.localhost/bridge", STANZA_JS)
        info = await caller.get(Action.SESSION_INFO)
        assert info.info is not None and info.info.kind == "ringing"
        caller.propose("lounge@calls.localhost", "second")
        await caller.until(lambda: caller.steps() == [Step.RINGING])
        caller.say("lounge@calls.localhost", "<body>pin 0815</body>")
        await caller.until(lambda: any("not the PIN" in text for text in caller.words()))
        assert not [one for one in caller.told() if one.action is Action.SESSION_ACCEPT]
        caller.say("lounge@calls.localhost", "<body>pin 4711</body>")
        await caller.get(Action.SESSION_ACCEPT)
        await caller.until(lambda: caller.steps() == [Step.RINGING, Step.PROCEED])


async def test_closed_rooms_decline(tmp_path: Path) -> None:
    async with running(tmp_path, rooms="closed") as house:
        caller = await house.caller()
        caller.propose("lounge@calls.localhost", "one")
        await caller.until(lambda: caller.steps() == [Step.REJECT])
        await caller.ask("lounge@calls.localhost/bridge", STANZA_JS)
        end = await caller.get(Action.SESSION_TERMINATE)
        assert end.reason is not None and end.reason.condition == "decline"


async def test_a_session_that_is_not_there(house: House) -> None:
    caller = await house.caller()
    answer = await caller.ask(ECHO, Jingle(Action.SESSION_TERMINATE, "nothing", reason=Reason("success")))
    assert answer.get("type") == "error"
    assert any(child.tag.endswith("}unknown-session") for error in answer for child in error)
