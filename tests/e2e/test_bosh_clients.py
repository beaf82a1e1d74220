"""Clients of others, unchanged, over BOSH and WebSocket through the front of a real deployment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.dev_server import DevServer
from tests.e2e.harness import Endpoints, Meeting, eventually, room_name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

HERE = Path(__file__).parent
TEXT = "größe & <x>"
TRANSPORTS = ["bosh", "websocket"]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """A deployment with the account `ann`."""
    with DevServer(tmp_path_factory.mktemp("bosh") / "dev", "--user", "ann:secret") as server:
        yield server.endpoints


class Client:
    """A page with a client of somebody else's (see pages/strophe.js and pages/converse.js)."""

    def __init__(self, page: Page, kind: str, library: str, service: str) -> None:
        self.page = page
        self.service = service
        self.address = f"{library}/pages/{kind}.html"
        self.log: list[str] = []
        self.jid = ""
        page.on("console", lambda message: self.log.append(f"{message.type}: {message.text}"[:400]))
        page.on("pageerror", lambda error: self.log.append(f"pageerror: {error}"[:400]))

    async def call(self, method: str, *arguments: str) -> object:
        """Have the page do something; fails with what the page says."""
        async with asyncio.timeout(60):
            try:
                return await self.page.evaluate(
                    f"values => window.client.{method}(...values)", list(arguments)
                )
            except TimeoutError:
                raise AssertionError("\n".join([f"{method} takes too long", *self.log])) from None

    async def open(self) -> None:
        """Load the page."""
        await self.page.goto(self.address)
        await self.page.wait_for_function("window.client !== undefined")

    async def login(self, jid: str, password: str = "") -> str:
        """Load the page and log in; the full JID."""
        await self.open()
        self.jid = str(await self.call("login", self.service, jid, password))
        return self.jid

    async def echo(self, text: str, to: str = "", kind: str = "chat") -> None:
        """Send a message and wait until it comes back."""
        await self.call("say", to or self.jid, text, kind)
        await self.hears(text)

    async def hears(self, text: str) -> None:
        """Wait until a message with this text has come."""

        async def heard() -> bool:
            return text in await self.page.evaluate("window.client.heard")

        try:
            await eventually(f"{text!r} heard", heard)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.log])) from None


class Pages:
    """Opens pages of one kind or another."""

    def __init__(self, browser: Browser, library: str, served: Endpoints) -> None:
        self.browser = browser
        self.library = library
        self.served = served

    async def new(self, kind: str, transport: str) -> Client:
        page = await (await self.browser.new_context()).new_page()
        return Client(page, kind, self.library, self.served[transport])


@pytest_asyncio.fixture(loop_scope="session")
async def pages(browser: Browser, library: str, served: Endpoints) -> AsyncIterator[Pages]:
    before = set(browser.contexts)
    yield Pages(browser, library, served)
    for context in set(browser.contexts) - before:
        await context.close()


async def in_a_room(pages: Pages) -> tuple[Client, str]:
    """Somebody who has opened a room and is in it, and the room."""
    host = await pages.new("strophe", "bosh")
    await host.login(pages.served["guest_domain"])
    room = f"{room_name()}@{pages.served['muc']}"
    await host.call("openRoom", pages.served["focus"], room)
    await host.call("join", room, "host")
    return host, room


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", ["strophe", "converse"])
async def test_a_browser_client_logs_in_talks_and_comes_back(pages: Pages, kind: str, transport: str) -> None:
    served = pages.served
    for jid, password in ((f"ann@{served['domain']}", "secret"), (served["guest_domain"], "")):
        client = await pages.new(kind, transport)
        assert (await client.login(jid, password)).partition("/")[0].endswith(jid)
        await client.echo(TEXT)
        assert await client.call("ping")
        await client.call("logout")
    await client.login(served["guest_domain"])
    await client.echo("again")

    host, room = await in_a_room(pages)
    await client.call("join", room, kind)
    await client.echo("hello from here", room, "groupchat")
    await host.hears("hello from here")
    await host.echo("hello from the host", room, "groupchat")
    await client.hears("hello from the host")


async def test_a_bosh_session_survives_a_network_that_is_away(pages: Pages) -> None:
    client = await pages.new("strophe", "bosh")
    jid = await client.login(pages.served["guest_domain"])
    other = await pages.new("strophe", "websocket")
    await other.login(pages.served["guest_domain"])
    await client.page.context.set_offline(True)
    await other.call("say", jid, "while you were away", "chat")
    await asyncio.sleep(1)
    await client.page.context.set_offline(False)
    await client.hears("while you were away")
    await client.echo("back")


async def test_a_bosh_session_survives_a_new_page(pages: Pages) -> None:
    client = await pages.new("strophe", "bosh")
    jid = await client.login(pages.served["guest_domain"])
    await client.echo("before")
    await client.open()
    assert await client.call("restore", client.service, jid) == jid
    await client.echo("after")


@pytest.mark.parametrize("account", [("ann", "secret"), ("", "")], ids=["SCRAM", "anonymous"])
async def test_xmpp_client_in_node_logs_in_talks_and_comes_back(
    pages: Pages, account: tuple[str, str]
) -> None:
    served = pages.served
    host, room = await in_a_room(pages)
    domain = served["domain"] if account[0] else served["guest_domain"]
    program = await asyncio.create_subprocess_exec(
        "node",
        "--experimental-websocket",
        "--no-warnings",
        str(HERE / "xmpp_client.mjs"),
        *(served["websocket"], domain, *account, room),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await program.communicate()
    assert program.returncode == 0, errors.decode()
    seen = json.loads(out)
    assert len(seen["online"]) == 2 and seen["echo"] == seen["online"][0]
    assert seen["room"] == f"{room}/node" and seen["again"] == seen["online"][1] and seen["ping"]
    await host.hears("hello from node")


async def test_lib_jitsi_meet_over_bosh_and_our_page_are_one_meeting(
    browser: Browser, served: Endpoints, library: str
) -> None:
    meeting = Meeting(browser, served, library)
    room = room_name()
    first = await meeting.open("lyno", room, camera="640x360", websocket=served["bosh"])
    second = await meeting.open("page", room, camera="640x360")
    tabs = {await tab.joined(): tab for tab in (first, second)}
    await asyncio.gather(*(tab.sees_and_hears(set(tabs) - {own}) for own, tab in tabs.items()))
    for tab in tabs.values():
        await tab.close()
