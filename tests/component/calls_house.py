"""Focus and calls on their own links to a real Prosody, with a bridge without media, and scripted callers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

from carillon.journal import Journal
from carillon.settings.rules import Urls
from component.calls.service import Calls
from component.focus.service import Focus
from component.link import ComponentLink, Limits
from jingle.content import Action
from jingle.element import JINGLE_TAG, Jingle, build_jingle, parse_jingle
from jingle.jmi import Invitation, Step, build_invitation, parse_invitation
from tests.component.guest import Guest
from tests.component.prosody import SECRET, Client, RunningServer, running_prosody
from tests.component.stub_bridge import StubBridge

LIMITS = Limits(bytes=262144, depth=64, elements=5000, attributes=64)
ECHO = "echo@calls.localhost/bridge"


class House:
    """Prosody, a bridge stub or several, focus and calls."""

    def __init__(self, prosody: RunningServer, *bridges: StubBridge, **calls: Any) -> None:
        self.bridges = bridges
        self.bridge = bridges[0]
        settings = prosody.settings
        self.settings = replace(
            settings,
            focus=replace(settings.focus, bridge=Urls(bridge.url for bridge in bridges)),
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
        self.focus = Focus(self.settings, self.links[0], Journal(None, 0.0))
        self.calls = Calls(self.settings, self.links[1], "4711", self.focus.bridges, Journal(None, 0.0))
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
async def running(tmp_path: Path, *, bridges: int = 1, **calls: Any) -> AsyncIterator[House]:
    stubs = [StubBridge() for _ in range(bridges)]
    async with running_prosody(tmp_path) as prosody, contextlib.AsyncExitStack() as stack:
        for bridge in stubs:
            await bridge.start()
            stack.push_async_callback(bridge.stop)
        house = House(prosody, *stubs, **calls)
        await house.start()
        stack.push_async_callback(house.stop)
        yield house
