"""stanza.js, an ordinary Jingle client, calls the echo test and rooms, through a real Prosody and bridge."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page

from tests.dev_server import DevServer
from tests.e2e.harness import PROBE, Endpoints, Meeting, eventually, room_name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

HERE = Path(__file__).parent
BUNDLER = HERE.parent.parent / "web" / "node_modules" / ".bin" / "rolldown"


@pytest.fixture(scope="session")
def caller_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pages/caller.js with stanza.js in it, as one file."""
    made = tmp_path_factory.mktemp("caller") / "caller.js"
    command: list[str | Path] = [
        BUNDLER,
        HERE / "pages" / "caller.js",
        "--platform",
        "browser",
        "--format",
        "iife",
        "-o",
        made,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def caller_page(caller_script: Path) -> AsyncIterator[str]:
    """Serves a page with nothing but the caller; yields its address."""

    async def page(request: web.Request) -> web.Response:
        html = "<!doctype html><title>caller</title><body><script src=/caller.js></script>"
        return web.Response(text=html, content_type="text/html")

    async def script(request: web.Request) -> web.FileResponse:
        return web.FileResponse(caller_script)

    application = web.Application()
    application.router.add_get("/", page)
    application.router.add_get("/caller.js", script)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A deployment with two accounts."""
    directory = tmp_path_factory.mktemp("calls") / "dev"
    with DevServer(directory, "--user", "alice:secret", "--user", "bob:secret") as server:
        yield server


@dataclass
class Caller:
    """One browser tab with stanza.js."""

    page: Page
    endpoints: Endpoints
    log: list[str]

    async def do(self, what: str, *arguments: Any) -> Any:
        """Call a function of pages/caller.js."""
        return await self.page.evaluate(
            "([what, ...arguments]) => window.caller[what](...arguments)", [what, *arguments]
        )

    async def heard(self) -> dict[str, Any]:
        """What has been told by message and presence."""
        found: dict[str, Any] = await self.page.evaluate("window.caller.heard")
        return found

    async def received(self) -> dict[str, Any]:
        """What arrives."""
        found: dict[str, Any] = await self.do("received")
        return found

    async def connected(self) -> None:
        """Wait until media can flow."""

        async def state() -> bool:
            return bool((await self.received())["state"] == "connected")

        await self.until("connected", state)

    async def hears_and_sees(self, timeout_s: float = 20.0) -> dict[str, Any]:
        """Wait until frames and audible sound arrive."""
        before = await self.received()

        async def rising() -> dict[str, Any] | None:
            now = await self.received()
            good = now["frames"] >= before["frames"] + 10 and now["energy"] > before["energy"]
            return now if good else None

        found: dict[str, Any] = await self.until("frames and energy rise", rising, timeout_s)
        return found

    async def until(self, what: str, holds: Any, timeout_s: float = 15.0) -> Any:
        try:
            return await eventually(what, holds, timeout_s)
        except AssertionError as error:
            story = [str(error), str(await self.heard()), *self.log[-20:]]
            raise AssertionError("\n".join(story)) from None


@dataclass
class Callers:
    """Opens callers."""

    browser: Browser
    server: DevServer
    address: str
    opened: list[Page]

    async def open(self, name: str = "alice") -> Caller:
        context = await self.browser.new_context(permissions=["camera", "microphone"])
        await context.add_init_script(PROBE)
        page = await context.new_page()
        self.opened.append(page)
        log: list[str] = []
        page.on("console", lambda message: log.append(f"{message.type}: {message.text}"[:400]))
        page.on("pageerror", lambda error: log.append(f"pageerror: {error}"[:400]))
        await page.goto(self.address)
        caller = Caller(page, self.server.endpoints, log)
        domain = caller.endpoints["domain"]
        await caller.do(
            "login",
            {
                "jid": f"{name}@{domain}",
                "password": "secret",
                "server": domain,
                "websocket": caller.endpoints["websocket"],
            },
        )
        return caller


@pytest_asyncio.fixture(loop_scope="session")
async def callers(house: DevServer, browser: Browser, caller_page: str) -> AsyncIterator[Callers]:
    opener = Callers(browser, house, caller_page, [])
    yield opener
    for page in opener.opened:
        await page.context.close()


async def test_a_direct_call_to_the_echo_test_brings_back_sound_and_picture(callers: Callers) -> None:
    caller = await callers.open()
    echo = f"echo@{caller.endpoints['calls']}"
    features = (await caller.do("info", f"{echo}/bridge"))["features"]
    assert "urn:xmpp:jingle:apps:rtp:1" in features
    await caller.do("start", f"{echo}/bridge", "direct-1", True)
    await caller.connected()
    found = await caller.hears_and_sees()
    assert [len(found["ssrcs"][media]) for media in ("audio", "video")] == [1, 1]
    await caller.do("end")


async def test_a_proposed_call_is_answered_once_and_finished(callers: Callers) -> None:
    caller = await callers.open()
    echo = f"echo@{caller.endpoints['calls']}"
    sid = await caller.do("propose", echo, True)

    async def proceeded() -> bool:
        return ["proceed", sid, f"{echo}/bridge"] in (await caller.heard())["jmi"]

    await caller.until("proceed", proceeded)
    await caller.do("start", f"{echo}/bridge", sid, True)
    await caller.connected()
    await caller.hears_and_sees()
    await caller.do("end")

    async def finished() -> bool:
        return bool((await caller.heard())["jmi"][-1][:2] == ["finish", sid])

    await caller.until("finish", finished)
    assert [step for step, *_ in (await caller.heard())["jmi"]] == ["ringing", "proceed", "finish"]


async def test_a_caller_and_two_jitsi_tabs_see_and_hear_each_other(
    callers: Callers, house: DevServer, browser: Browser, library: str
) -> None:
    meeting, room = Meeting(browser, house.endpoints, library), room_name()
    tabs = [await meeting.open("lyno", room, name) for name in ("first", "second")]
    ids = [await tab.joined() for tab in tabs]
    caller = await callers.open()
    await caller.do("start", f"{room}@{caller.endpoints['calls']}/bridge", "room-1", True)
    await caller.connected()
    first = await caller.hears_and_sees(60)

    async def everybody() -> set[str]:
        others = set(await tabs[0].received())
        return others if len(others) == 2 and ids[1] in others else set()

    (me,) = await eventually("the caller is in the room", everybody) - {ids[1]}
    for tab, other in zip(tabs, reversed(ids), strict=True):
        await tab.sees_and_hears({other, me}, 60)

    await caller.do("mute", "audio")

    async def muted() -> bool:
        return bool((await tabs[0].received())[me]["audioMuted"] == "true")

    await eventually("the room shows that the caller is muted", muted)
    await caller.do("unmute", "audio")
    last = await caller.hears_and_sees(60)
    assert [len(first["ssrcs"][media]) for media in ("audio", "video")] == [1, 1]
    assert last["ssrcs"] == first["ssrcs"]

    await caller.do("end")

    async def gone() -> bool:
        return set(await tabs[0].received()) == {ids[1]}

    await eventually("the caller has left the room", gone)
    for tab in tabs:
        await tab.close()
