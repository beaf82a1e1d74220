"""Browser tabs with stanza.js, an ordinary Jingle client, against one deployment."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Error, Page

from tests.e2e.harness import PROBE, Endpoints, Meeting, eventually

HERE = Path(__file__).parent
VOICE = (HERE / "pages" / "voice.js").read_text()
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


def voice(colour: str) -> str:
    """The script of a tab whose camera has one colour and which speaks when it is told (pages/voice.js)."""
    return f"window.ownColour = {colour!r};\n{VOICE}"


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

    async def gets_no(self, *figures: str) -> None:
        """Wait until these figures of what arrives stay the same for a second."""

        async def still() -> bool:
            before = await self.received()
            await asyncio.sleep(1)
            now = await self.received()
            return all(before[figure] == now[figure] for figure in figures)

        await self.until(f"no more {figures}", still)

    async def until(self, what: str, holds: Any, timeout_s: float = 15.0) -> Any:
        try:
            return await eventually(what, holds, timeout_s)
        except AssertionError as error:
            story = [str(error), str(await self.received()), str(await self.heard()), *self.log[-20:]]
            raise AssertionError("\n".join(story)) from None


@dataclass
class Callers:
    """Opens callers."""

    browser: Browser
    endpoints: Endpoints
    address: str
    opened: list[Page]

    async def open(self, name: str = "alice", script: str = "") -> Caller:
        """A tab that is logged in, `script` having run before its page."""
        context = await self.browser.new_context(permissions=["camera", "microphone"])
        await context.add_init_script(PROBE)
        if script:
            await context.add_init_script(script)
        page = await context.new_page()
        self.opened.append(page)
        log: list[str] = []
        page.on("console", lambda message: log.append(f"{message.type}: {message.text}"[:400]))
        page.on("pageerror", lambda error: log.append(f"pageerror: {error}"[:400]))
        await page.goto(self.address)
        caller = Caller(page, self.endpoints, log)
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
async def callers(meeting: Meeting, caller_page: str) -> AsyncIterator[Callers]:
    opener = Callers(meeting.browser, meeting.endpoints, caller_page, [])
    yield opener
    for page in opener.opened:
        with suppress(Error):  # all have the same address: one call must not be taken for another's
            await page.evaluate("window.caller.end()")
        await page.context.close()
