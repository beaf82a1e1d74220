"""Drives meetings in real browser tabs: our own page and unchanged builds of lib-jitsi-meet alike."""

from __future__ import annotations

import asyncio
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

HERE = Path(__file__).parent
PROBE = (HERE / "pages" / "probe.js").read_text()
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
Endpoints = dict[str, Any]
MUTE_BUTTONS = {
    ("audio", True): "Mute microphone",
    ("audio", False): "Unmute microphone",
    ("video", True): "Stop camera",
    ("video", False): "Start camera",
}


def room_name() -> str:
    """The name of a room that no other test uses."""
    return f"room{secrets.token_hex(4)}"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium of the system's package."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def library_pages(listener: socket.socket | None = None) -> AsyncIterator[str]:
    """Serves the pages made with foreign libraries; yields their base address."""
    application = web.Application()
    application.router.add_static("/pages", HERE / "pages")
    application.router.add_static("/modules", HERE / "node_modules")
    runner = web.AppRunner(application)
    await runner.setup()
    await web.SockSite(runner, listener or socket.create_server(("127.0.0.1", 0))).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


async def eventually(what: str, holds: Callable[[], Awaitable[Any]], timeout_s: float = 30.0) -> Any:
    """Wait until `holds()` answers something true and return it; fail naming `what` and the last answer."""
    last: Any = None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while loop.time() < deadline:
        last = await holds()
        if last:
            return last
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {timeout_s:g} s: {what}; last seen: {last!r}")


class Participant(ABC):
    """One tab of any browser: `kind` is "page" (carillon's own), "lyno" or "solyd" (lib-jitsi-meet)."""

    kind: str
    log: list[str]

    @abstractmethod
    async def evaluate(self, script: str, argument: Any = None) -> Any:
        """The value of an expression in the page; of a function called with `argument` where one is given."""

    @abstractmethod
    async def go(self, address: str) -> None:
        """Load a page."""

    @abstractmethod
    async def press(self, button: str) -> None:
        """Wait for the button of this name and click it."""

    @abstractmethod
    async def fill(self, field: str, text: str) -> None:
        """Wait for the field of this label and type into it."""

    @abstractmethod
    async def close(self) -> None:
        """Close the tab as a person would."""

    async def data(self, name: str) -> str:
        """The value of a data attribute of the body ("" = absent)."""
        return str(await self.evaluate("name => document.body.dataset[name] ?? ''", name))

    async def joined(self) -> str:
        """Wait until the tab is in the room; returns its endpoint id."""

        async def state() -> bool:
            now = await self.data("state")
            assert now != "failed", await self.story()
            return now == "joined"

        try:
            await eventually("joined", state)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.story()}") from None
        return await self.data("me")

    async def joined_again(self, before: str) -> str:
        """Wait until the tab is in the room under another endpoint id than `before`; returns it."""

        async def changed() -> bool:
            return await self.data("state") == "joined" and await self.data("me") != before

        await eventually("joined again", changed)
        return await self.data("me")

    async def received(self) -> dict[str, dict[str, Any]]:
        """What arrives from each of the others (see pages/probe.js)."""
        result: dict[str, dict[str, Any]] = await self.evaluate("window.received()")
        return result

    async def sending(self) -> dict[str, Any]:
        """Bandwidth estimate and candidate types of this tab's own connection."""
        result: dict[str, Any] = await self.evaluate("window.sending()")
        return result

    async def sees_and_hears(self, others: set[str], timeout_s: float = 40.0) -> None:
        """Wait until frames of exactly these others rise and their audio arrives."""
        before = await self.received()

        async def rising() -> bool:
            now = await self.received()
            return set(now) == others and all(
                now[who]["frames"] >= before.get(who, {"frames": 0})["frames"] + 5
                and now[who]["audioPackets"] > before.get(who, {"audioPackets": 0})["audioPackets"]
                for who in others
            )

        try:
            await eventually(f"{self.kind} sees and hears {sorted(others)}", rising, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.received()}\n{await self.story()}") from None

    async def story(self) -> str:
        """What the tab has to tell when a test fails."""
        events = await self.evaluate("JSON.stringify(window.meeting?.events ?? [])")
        return f"[{self.kind}] state={await self.data('state')} events={events}\n" + "\n".join(self.log[-40:])

    async def call(self, method: str, *arguments: Any) -> Any:
        """Do what a person would do with a library's page: `mute`, `muteOther`, `remove`, `chat`, `leave`."""
        return await self.evaluate(f"values => window.meeting.{method}(...values)", list(arguments))

    async def mute(self, kind: str, muted: bool) -> None:
        """Mute or unmute as a person would."""
        if self.kind == "page":
            await self.press(MUTE_BUTTONS[kind, muted])
        else:
            await self.call("mute", kind, muted)

    async def sees_muted(self, who: str, kind: str, muted: bool) -> None:
        """Wait until this tab shows that `who` is muted, or is not."""

        async def seen() -> bool:
            return bool((await self.received())[who][f"{kind}Muted"] == str(muted).lower())

        await eventually(f"{self.kind} sees {who} {kind} muted={muted}", seen, 10)


@dataclass
class Tab(Participant):
    """A tab of Chromium."""

    kind: str
    page: Page
    context: BrowserContext
    log: list[str]

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        return await self.page.evaluate(script, argument)

    async def go(self, address: str) -> None:
        await self.page.goto(address)

    async def press(self, button: str) -> None:
        await self.page.get_by_role("button", name=button, exact=True).click()

    async def fill(self, field: str, text: str) -> None:
        await self.page.get_by_label(field).fill(text)

    async def close(self) -> None:
        await self.context.close()


@dataclass
class Meeting:
    """Opens tabs of any kind in rooms of one deployment."""

    browser: Browser
    endpoints: Endpoints
    library: str

    async def open(self, kind: str, room: str, name: str = "", script: str = "", **options: str) -> Tab:
        """Open a tab of Chromium that joins `room`, `script` running before its page.

        `options` go to the probe: noise=1280x720, camera=640x360, ice=relay-tcp, height=720.
        """
        tab = await self._tab(kind, script)
        await self.enter(tab, room, name, **options)
        return tab

    async def open_foyer(self, room: str, name: str, script: str = "", **options: str) -> Tab:
        """Open our page up to the point where its user only has to press "Join"."""
        tab = await self._tab("page", script)
        await self._foyer(tab, room, name, options)
        return tab

    async def _tab(self, kind: str, script: str) -> Tab:
        context = await self.browser.new_context(
            permissions=["camera", "microphone"], ignore_https_errors=True
        )
        await context.add_init_script(PROBE)
        if script:
            await context.add_init_script(script)
        page = await context.new_page()
        log: list[str] = []
        page.on("console", lambda message: log.append(f"{message.type}: {message.text}"[:400]))
        page.on("pageerror", lambda error: log.append(f"pageerror: {error}"[:400]))
        return Tab(kind, page, context, log)

    async def enter(self, tab: Participant, room: str, name: str = "", **options: str) -> None:
        """Have a tab of any browser join `room`."""
        await self._foyer(tab, room, name or tab.kind, options)
        if tab.kind == "page":
            await tab.press("Join")

    async def _foyer(self, tab: Participant, room: str, name: str, options: dict[str, str]) -> None:
        """Load the page; only our own one waits at its door."""
        await tab.go(self.address(tab.kind, room, name, options))
        if tab.kind == "page":
            await tab.fill("Your name", name)

    def address(self, kind: str, room: str, name: str, options: dict[str, str]) -> str:
        """Where a tab of that kind finds the room."""
        if kind == "page":
            return f"{self.endpoints['http']}/{room}?{urlencode(options)}"
        known = {key: self.endpoints[key] for key in ("domain", "guest_domain", "muc", "focus", "websocket")}
        return (
            f"{self.library}/pages/{kind}.html?{urlencode({**known, 'room': room, 'name': name, **options})}"
        )
