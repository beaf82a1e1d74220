"""Clients of others, unchanged, through our front before either server: the same things for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.failures import kill
from tests.e2e.foreign_clients import ForeignClient, Line, NodeClient, PageClient
from tests.e2e.harness import Endpoints, Meeting, room_name
from tests.e2e.restarts import own_deployment

pytestmark = [ON_BOTH_SERVERS, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

TEXT = "größe & <x>"
RESUMING = {"node"}
CLIENTS = [
    ("strophe", "bosh"),
    ("strophe", "websocket"),
    ("converse", "bosh"),
    ("converse", "websocket"),
    ("node", "websocket"),  # @xmpp/client has no BOSH
]


@pytest.fixture
def served(deployment: DevServer) -> Endpoints:
    return deployment.endpoints


class Clients:
    """Makes clients of one kind or another, which reach the front by a line of their own."""

    def __init__(self, browser: Browser, library: str, served: Endpoints) -> None:
        self.served = served
        self._browser = browser
        self._library = library
        self._exit = AsyncExitStack()

    async def new(self, kind: str, transport: str) -> tuple[ForeignClient, Line]:
        """A client, not started, and its line."""
        line = Line(self.served[transport])
        service = await line.start()
        self._exit.push_async_callback(line.close)
        client: ForeignClient
        if kind == "node":
            client = NodeClient(service)
        else:
            page = await (await self._browser.new_context()).new_page()
            self._exit.push_async_callback(page.context.close)
            client = PageClient(service, page, f"{self._library}/pages/{kind}.html")
        self._exit.push_async_callback(client.close)
        return client, line

    async def close(self) -> None:
        """End them all."""
        await self._exit.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def clients(browser: Browser, library: str, served: Endpoints) -> AsyncIterator[Clients]:
    made = Clients(browser, library, served)
    yield made
    await made.close()


async def in_a_room(clients: Clients) -> tuple[ForeignClient, str]:
    """Somebody who has asked the focus for a room and is in it, and the room."""
    served = clients.served
    host, _ = await clients.new("strophe", "websocket")
    await host.login(served["guest_domain"])
    room = f"{room_name()}@{served['muc']}"
    await host.call("openRoom", served["focus"], room)
    await host.call("join", room, "host")
    return host, room


async def member_logs_in_and_out(client: ForeignClient, account: str) -> None:
    assert (await client.login(account, "secret")).startswith(f"{account}/")
    await client.echo(TEXT)
    assert await client.call("ping")
    await client.call("logout")


async def guest_logs_in(client: ForeignClient, domain: str) -> None:
    assert (await client.login(domain)).partition("/")[0].endswith(f"@{domain}")
    await client.echo(TEXT)


@pytest.mark.parametrize(("kind", "transport"), CLIENTS)
async def test_a_client_logs_in_talks_and_comes_back(clients: Clients, kind: str, transport: str) -> None:
    served = clients.served
    member, _ = await clients.new(kind, transport)
    guest, line = await clients.new(kind, transport)
    (host, room), *_ = await asyncio.gather(
        in_a_room(clients),
        member_logs_in_and_out(member, f"ann@{served['domain']}"),
        guest_logs_in(guest, served["guest_domain"]),
    )

    await guest.call("join", room, kind)
    await guest.echo("hello from here", room, "groupchat")
    await host.hears("hello from here")
    await host.echo("hello from the host", room, "groupchat")
    await guest.hears("hello from the host")

    # The connection breaks: a BOSH session goes on and misses nothing; over WebSocket the stream is resumed
    # (XEP-0198) by who can, and it takes a new login for the others.
    async with line.cut():
        await host.call("say", guest.jid, "while you were away", "chat")
        await host.call("ping")
    if transport == "bosh" or kind in RESUMING:
        await guest.hears("while you were away")
    else:
        await guest.comes_back(logins=2)
    await guest.echo("here again")

    # The server ends the stream, because of what the client has sent.
    logins = len(await guest.call("logins"))
    await guest.call("offend")
    await guest.comes_back(logins + 1)
    await guest.echo("and again")


async def test_a_bosh_session_survives_a_new_page(clients: Clients) -> None:
    client, _ = await clients.new("strophe", "bosh")
    jid = await client.login(clients.served["guest_domain"])
    await client.echo("before")
    await client.open()
    assert await client.call("restore", client.service, jid) == jid
    await client.echo("after")


async def test_lib_jitsi_meet_over_bosh_and_our_page_are_one_meeting(meeting: Meeting) -> None:
    room = room_name()
    first = await meeting.open("lyno", room, camera="640x360", websocket=meeting.endpoints["bosh"])
    second = await meeting.open("page", room, camera="640x360")
    tabs = {await tab.joined(): tab for tab in (first, second)}
    await asyncio.gather(*(tab.sees_and_hears(set(tabs) - {own}) for own, tab in tabs.items()))
    for tab in tabs.values():
        await tab.close()


@pytest.mark.parametrize("kind", ["strophe", "converse"])
async def test_a_client_over_bosh_comes_back_when_the_server_was_killed(
    tmp_path: Path, server: str, browser: Browser, library: str, kind: str
) -> None:
    async with own_deployment(tmp_path, server) as alone:
        made = Clients(browser, library, alone.endpoints)
        client, _ = await made.new(kind, "bosh")
        await client.login(alone.endpoints["guest_domain"])
        kill(alone, "xmpp")
        await client.comes_back(logins=2)
        await client.echo("here again")
        await made.close()
