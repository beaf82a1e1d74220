"""What the log never says: every part at its most talkative, while people log in and meet."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import fromstring

import aiohttp
import pytest

from carillon.credentials import Credential
from carillon.part import PARTS
from carillon.settings import load
from tests.bosh.bosh_client import BoshClient
from tests.bosh.rfc7395_client import XmppClient
from tests.component.guest import Guest
from tests.dev_server import DevServer
from tests.relay.turn_client import Refused, TurnClient

EXTDISCO = "urn:xmpp:extdisco:2"


async def login(server: DevServer, password: str) -> tuple[list[str], Credential]:
    """Log in as alice over WebSocket and BOSH: what must stay secret of that, and her TURN credentials."""
    endpoints = server.endpoints
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(endpoints["websocket"], protocols=["xmpp"]) as ws,
    ):
        client = XmppClient(ws)
        await client.login(endpoints["domain"], "alice", password)
        bosh = BoshClient(http, endpoints["bosh"])
        await bosh.login(endpoints["domain"], "alice", password)
        await client.send(
            f"<iq xmlns='jabber:client' type='get' id='s' to='{endpoints['focus']}'>"
            f"<services xmlns='{EXTDISCO}' type='turn'/></iq>"
        )
        answer = fromstring(await client.receive("<services"))
    service = next(answer.iter(f"{{{EXTDISCO}}}service"))
    credential = Credential(service.get("username", ""), service.get("password", ""), 0)
    return [bosh.sid], credential


async def relay(server: DevServer, credential: Credential) -> None:
    """Use credentials, and some that are wrong."""
    turn = server.endpoints["turn"]
    for one, good in ((credential, True), (Credential(credential.username, "a wrong guess", 0), False)):
        client = TurnClient("udp", one, realm=server.endpoints["domain"])
        await client.connect(turn["udp"], turn["host"])
        if good:
            await client.allocate()
        else:
            with pytest.raises(Refused):
                await client.allocate()
        client.close()


async def meet(directory: Path) -> list[str]:
    """Have two guests meet: what is theirs alone at the bridge."""
    settings = load(directory / "carillon.toml")
    guests = [await Guest.login(settings, "room", nick) for nick in ("one", "two")]
    for guest in guests:
        await guest.enter()
    transports = [(await guest.offered()).contents[0].transport for guest in guests]
    for guest in guests:
        await guest.accept(1 + guests.index(guest) * 100)
        await guest.client.close()
    found = []
    for transport in transports:
        assert transport is not None
        (channel,) = transport.web_sockets
        found += [transport.pwd, *parse_qs(urlsplit(channel).query)["pwd"]]
    return found


async def test_no_secret_is_in_the_log_of_any_part(tmp_path: Path) -> None:
    directory, password = tmp_path / "dev", secrets.token_urlsafe(12)
    options = ("--user", f"alice:{password}", "--set", 'log.level="debug"')
    with DevServer(directory, *options) as server:
        sids, credential = await login(server, password)
        await relay(server, credential)
        passwords = await meet(directory)
        server.stop()
        log = server.log()
    for part in PARTS:
        assert re.search(rf"^\S+ \S+ +{part} ", log, re.MULTILINE), f"{part} says nothing"
    files = [(directory / "secrets" / name).read_text().strip() for name in ("component", "turn")]
    kept = [password, credential.password, "a wrong guess", *sids, *passwords, *files]
    assert all(len(one) > 8 for one in kept) and len(kept) == 10
    assert [one for one in kept if one in log] == []
