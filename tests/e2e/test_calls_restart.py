"""The component is killed while ordinary Jingle clients call: they go on talking, either side can hang up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser

from carillon.control import ask
from carillon.journal.inspect import inspection
from carillon.settings import load
from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.calling import Caller, Callers, caller_page, caller_script
from tests.e2e.failures import kill, replaced
from tests.e2e.harness import Meeting, eventually, room_name
from tests.e2e.restarts import LIGHT, LONGEST_SILENCE_MS, SLACK, own_deployment, report

__all__ = ["caller_page", "caller_script"]

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

LONGEST_SILENCE = """async seconds => {
    const last = { frames: [0, performance.now()], audioPackets: [0, performance.now()] };
    const longest = { frames: 0, audioPackets: 0 };
    const end = performance.now() + 1000 * seconds;
    while (performance.now() < end) {
        const found = await window.caller.received();
        const now = performance.now();
        for (const one of Object.keys(last)) {
            longest[one] = Math.max(longest[one], now - last[one][1]);
            if (found[one] !== last[one][0]) last[one] = [found[one], now];
        }
        await new Promise(resolve => setTimeout(resolve, 50));
    }
    return Math.round(Math.max(...Object.values(longest)));
}"""
"""For how long nothing came of sound or picture (ms)."""
WATCHED_S = 12


async def silence(caller: Caller) -> int:
    return int(await caller.page.evaluate(LONGEST_SILENCE, WATCHED_S))


async def ended(caller: Caller) -> bool:
    return (await caller.heard())["ended"] is not None


@ON_BOTH_SERVERS
async def test_calls_go_on_when_the_component_is_killed(
    tmp_path: Path, server: str, browser: Browser, library: str, caller_page: str
) -> None:
    users = ("--user", "alice:secret", "--user", "bob:secret")
    async with own_deployment(tmp_path, server, *users) as deployment:
        meeting = Meeting(browser, deployment.endpoints, library)
        callers = Callers(browser, deployment.endpoints, caller_page, [])
        room = room_name()
        tab = await meeting.open("lyno", room, "tab", **LIGHT)
        me = await tab.joined()
        calls = deployment.endpoints["calls"]
        inside, echo = await callers.open("alice"), await callers.open("bob")
        await inside.do("start", f"{room}@{calls}/bridge", "room-1", True)
        await echo.do("start", f"echo@{calls}/bridge", "echo-1", True)
        for caller in (inside, echo):
            await caller.connected()
            await caller.hears_and_sees(60)

        (nick,) = set(await eventually("the caller is in the room", tab.received)) - {me}
        await tab.sees_and_hears({nick}, 60)

        pid = kill(deployment, "component")
        silences = asyncio.gather(silence(inside), silence(echo))
        restarted_s = await replaced(deployment, "component", pid)
        longest = max(await silences)
        report(f"{server}: component killed during calls", restarted_s=restarted_s, silence_ms=longest)
        assert longest < SLACK * LONGEST_SILENCE_MS
        assert not await ended(inside) and not await ended(echo)
        assert set(await tab.received()) == {nick}

        await inside.do("mute", "audio")

        async def muted() -> bool:
            return bool((await tab.received())[nick]["audioMuted"] == "true")

        await eventually("the room shows that the caller is muted", muted)
        await inside.do("unmute", "audio")
        await inside.hears_and_sees(60)
        await _either_side_hangs_up(deployment, inside, echo, f"{room}@conference.localhost", nick)

        async def alone() -> bool:
            return not await tab.received()

        await eventually("nobody is left in the room", alone)
        await tab.close()
        for page in callers.opened:
            await page.context.close()


async def _either_side_hangs_up(
    deployment: DevServer, inside: Caller, echo: Caller, room: str, nick: str
) -> None:
    """The room ends one call, the caller the other; nothing is left of either in the journal."""
    settings = load(deployment.directory / "carillon.toml")
    status, text = await ask(
        settings.focus.control, f"/rooms/{room}/remove", 20.0, body={"nick": nick, "reason": ""}
    )
    assert status == 200, text
    await inside.until("the caller is told that it was removed", lambda: ended(inside))
    await echo.do("end")

    async def forgotten() -> bool:
        return not [row for row in inspection(settings).rows if row.kind == "call"]

    await eventually("the journal knows of no call", forgotten)
