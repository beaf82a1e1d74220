"""The front is replaced in a meeting (`carillon upgrade front`): nobody is refused, nobody loses anything."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser

from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.foreign_clients import PageClient
from tests.e2e.restarts import LONGEST_SILENCE_MS, measured, meeting_of_its_own, report, within
from tests.e2e.talk import back, channel_back, talk, undisturbed
from tests.e2e.watching import now_ms

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

ASK_S = 0.02
REPLACED_S = 90.0
"""A busy machine takes its time to try the new version before it replaces anything."""


async def replace(server: DevServer) -> float:
    """Have the front replaced; the seconds that took."""
    began = now_ms()
    command = (sys.executable, "-m", "carillon", "upgrade", "--config", server.endpoints["config"], "front")
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await program.communicate()
    assert program.returncode == 0, told.decode()
    return (now_ms() - began) / 1000


async def refusals(address: str, over: asyncio.Event) -> int:
    """Ask the front for something on a new connection, again and again; how often that failed."""
    failed = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        while not over.is_set():
            try:
                async with http.get(f"{address}/carillon.json") as response:
                    failed += response.status != 200
            except aiohttp.ClientError:
                failed += 1
            await asyncio.sleep(ASK_S)
    return failed


@ON_BOTH_SERVERS
async def test_a_front_that_is_replaced_costs_nobody_anything(
    tmp_path: Path, server: str, browser: Browser, library: str
) -> None:
    kinds = ("page", "page", "page")
    async with meeting_of_its_own(tmp_path, server, browser, library, kinds=kinds) as watched:
        endpoints = watched.server.endpoints
        page = await (await browser.new_context()).new_page()
        strophe = PageClient(endpoints["bosh"], page, f"{library}/pages/strophe.html")
        jid = await strophe.login(endpoints["guest_domain"])
        await strophe.echo("before")
        over = asyncio.Event()
        asking = asyncio.create_task(refusals(endpoints["http"], over))
        speaker, *others = watched.tabs
        async with talk(speaker, others) as said:
            await asyncio.sleep(2)
            begin = now_ms()
            took = await measured(
                replaced_s=replace(watched.server),
                **{
                    f"resumed_{number}_s": back(one, begin, REPLACED_S)
                    for number, one in enumerate(watched.tabs)
                },
                **{
                    f"channel_{number}_s": channel_back(one, begin, REPLACED_S)
                    for number, one in enumerate(watched.tabs)
                },
            )
            await strophe.echo("after")
            await asyncio.sleep(1)
        over.set()
        took |= {
            "silence_ms": await watched.longest_silence(begin, muted=[speaker]),
            "refused": await asking,
            "words": len(said),
        }
        report(f"{server}: front replaced", **took)
        await undisturbed(watched.tabs, begin)
        assert await strophe.call("logins") == [jid]
        within(took, silence_ms=LONGEST_SILENCE_MS)
        assert took["refused"] == 0
        await page.context.close()
