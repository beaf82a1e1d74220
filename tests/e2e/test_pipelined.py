"""Thousands of requests that one user sends at once do not keep another's answers waiting."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from carillon.settings import load
from tests.component.prosody import Client
from tests.dev_server import ON_BOTH_SERVERS, DevServer

REQUESTS = 3000
ASKED = (
    ("focus.localhost", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
    ("focus.localhost", "<services xmlns='urn:xmpp:extdisco:2'/>"),
    ("focus.localhost", "<a xmlns='u'/>"),
    ("localhost", "<services xmlns='urn:xmpp:extdisco:2'/>"),  # which the server passes on to us
)
IDLE_PINGS = 200
APART_S = 0.005
TIMES_IDLE = 3
"""How much longer than at rest another's answer may take."""
SLACK = 3
"""A test machine has other work."""
HICCUP_S = 0.002
"""Below this, what a scheduler does by itself is longer than what is measured."""


async def median_s(client: Client, goes_on: Callable[[int], bool]) -> float:
    """The median of how long pings to the focus take, as long as `goes_on` says so of their number."""
    taken: list[float] = []
    while goes_on(len(taken)):
        begin = time.perf_counter()
        assert await client.ping() == "result"
        taken.append(time.perf_counter() - begin)
        await asyncio.sleep(APART_S)
    return statistics.median(taken)


@ON_BOTH_SERVERS
@pytest.mark.timeout(120)
async def test_thousands_of_pipelined_requests_delay_nobody_else(deployment: DevServer, server: str) -> None:
    settings = load(Path(deployment.endpoints["config"]))
    other, attacker = await Client.login(settings), await Client.login(settings)
    idle_s = await median_s(other, lambda count: count < IDLE_PINGS)

    asked = [(f"i{number}", *ASKED[number % len(ASKED)]) for number in range(REQUESTS)]
    begin = time.perf_counter()
    attacker.write(
        "".join(f"<iq type='get' id='{id_}' to='{to}'>{payload}</iq>" for id_, to, payload in asked)
    )
    flooded_s = await median_s(other, lambda count: len(attacker.received) < REQUESTS)
    print(
        f"{server}: a ping takes {idle_s * 1000:.2f} ms at rest, {flooded_s * 1000:.2f} ms while {REQUESTS} "
        f"requests of another are answered in {time.perf_counter() - begin:.1f} s"
    )
    for asked_one in {to for to, _ in ASKED}:
        answered = [stanza.get("id") for stanza in attacker.received if stanza.get("from") == asked_one]
        assert answered == [id_ for id_, to, _ in asked if to == asked_one]
    assert flooded_s < SLACK * max(TIMES_IDLE * idle_s, HICCUP_S)
    for client in (other, attacker):
        await client.close()
