"""How the meeting page shows a meeting: stage and tiles, quality, statistics, language, theme."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from playwright.async_api import expect

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.accessibility import violations
from tests.e2e.firefox import Firefox
from tests.e2e.harness import PROBE, Meeting, Participant, Tab, eventually, room_name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

CAMERA = "640x360"
PANELS = {"people": "p", "chat": "c", "devices": "d", "statistics": "q"}
"""The panels that a key opens."""
LUMINANCE = """
(() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
})()
"""
# A network that loses half of what comes: nothing is lost here, the browser just counts it so.
LOSSY = """
const count = RTCPeerConnection.prototype.getStats;
RTCPeerConnection.prototype.getStats = async function (...parameters) {
    const lost = entry => entry.type === 'inbound-rtp' ? { packetsLost: entry.packetsReceived } : {};
    const lose = entry => ({ ...entry, ...lost(entry) });
    return new Map([...await count.apply(this, parameters)].map(([id, entry]) => [id, lose(entry)]));
};
"""
# Keeps what the page last told the bridge that it shows.
ASKED = """
const tell = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
    tell.call(this, data);
    if (String(data).includes('ReceiverVideoConstraints')) window.asked = JSON.parse(data);
};
"""


@dataclass
class Look:
    """What is on a page, read by script: the same in every browser."""

    tab: Participant

    async def press(self, key: str) -> None:
        """Press a key that stands for something everywhere on the page."""
        await self.tab.evaluate("key => void dispatchEvent(new KeyboardEvent('keydown', { key }))", key)

    async def count(self, selector: str) -> int:
        return int(await self.tab.evaluate("what => document.querySelectorAll(what).length", selector))

    async def shows(self, selector: str) -> None:
        async def there() -> bool:
            return await self.count(selector) > 0

        await eventually(f"{selector} on the page of {self.tab.kind}", there)

    async def click(self, selector: str) -> None:
        await self.shows(selector)
        await self.tab.evaluate("what => document.querySelector(what).click()", selector)

    async def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select element."""
        await self.tab.evaluate(
            "([what, value]) => { const select = document.querySelector(what); select.value = value;"
            " select.dispatchEvent(new Event('change', { bubbles: true })); }",
            [selector, value],
        )

    async def has_on_stage(self, who: str) -> None:
        """Wait until that participant's camera is on stage."""
        await self.shows(f'[data-stage][data-participant="{who}"]')

    async def line(self, row: str, figure: str) -> list[float]:
        """How high the drawn line of a figure is at each of its points, between 0 and 1."""
        path = await self.tab.evaluate(
            "what => document.querySelector(what)?.getAttribute('d') ?? ''",
            f'#statistics {row} [data-figure="{figure}"] path',
        )
        return [1 - float(y) / 32 for y in re.findall(r"[ML][\d.-]+ ([\d.-]+)", path)]

    async def draws(self, row: str, falling: bool) -> bool:
        """Whether the bitrate of a row has fallen to nothing, or has risen from nothing."""
        line = await self.line(row, "bitrate")
        return bool(line) and min(line) < 0.01 and (line[-1] < 0.01 if falling else line[-1] > 0.2)


@asynccontextmanager
async def entered(
    meeting: Meeting, room: str, *names: str, firefox: Firefox | None = None
) -> AsyncIterator[dict[str, Participant]]:
    """Tabs in a room by endpoint id, in the order of their names; the last one in `firefox` if given."""
    tabs: dict[str, Participant] = {}
    for name in names:
        if firefox and name == names[-1]:
            tab: Participant = await firefox.new_tab("page", PROBE)
            await meeting.enter(tab, room, name, camera=CAMERA)
        else:
            tab = await meeting.open("page", room, name, camera=CAMERA)
        tabs[await tab.joined()] = tab
    yield tabs
    for tab in tabs.values():
        await tab.close()


async def test_the_stage_follows_who_speaks_in_chromium_and_firefox(
    meeting: Meeting, firefox: Firefox
) -> None:
    async with entered(meeting, room_name(), "Ann", "Bob", "Fox", firefox=firefox) as tabs:
        (ann, bob, fox) = tabs
        await tabs[ann].mute("audio", True)
        looks = {who: Look(tabs[who]) for who in (ann, fox)}
        for look in looks.values():
            await look.press("t")
        await tabs[bob].mute("audio", True)
        await looks[ann].has_on_stage(fox)
        await tabs[bob].mute("audio", False)
        await tabs[fox].mute("audio", True)
        for look in looks.values():
            await look.has_on_stage(bob)
        await tabs[bob].mute("audio", True)
        await tabs[ann].mute("audio", False)
        await looks[fox].has_on_stage(ann)
        assert await looks[ann].count("[data-stage][data-self]") == 0  # oneself is never on one's own stage


@ON_BOTH_SERVERS
async def test_the_bridge_is_asked_for_what_is_shown(meeting: Meeting) -> None:
    room = room_name()
    ann = await meeting.open("page", room, "Ann", script=ASKED)
    bob, cem = await meeting.open("page", room, "Bob"), await meeting.open("page", room, "Cem")
    ids = [await tab.joined() for tab in (ann, bob, cem)]
    cameras = [f"{who}-v0" for who in ids]
    asked = {"onStageSources": [], "constraints": {}, "defaultConstraints": {"maxHeight": 360}}
    await said_to_bridge(ann, asked)
    for staged in (cameras[2], cameras[1]):
        await Look(ann).click(f'[data-participant="{staged.removesuffix("-v0")}"] .pin')
        constraints = {staged: {"maxHeight": 720}}
        await said_to_bridge(
            ann,
            {
                "onStageSources": [staged],
                "constraints": constraints,
                "defaultConstraints": {"maxHeight": 180},
            },
        )
    for tab in (ann, bob, cem):
        await tab.close()


async def said_to_bridge(tab: Participant, expected: dict[str, Any]) -> None:
    """Wait until the page last said that to the bridge, among other things."""

    async def said() -> bool:
        last: dict[str, Any] = await tab.evaluate("window.asked ?? {}")
        return expected.items() <= last.items()

    await eventually(f"the bridge is asked for {expected}", said)


async def test_a_picture_is_pinned_by_keyboard_and_let_go_by_a_click(meeting: Meeting) -> None:
    async with entered(meeting, room_name(), "Ann", "Bob", "Cem") as tabs:
        (ann, bob, cem) = tabs
        tab = tabs[ann]
        assert isinstance(tab, Tab)
        await tabs[bob].mute("audio", True)
        pin = tab.page.get_by_role("button", name="Keep Bob on stage")
        await pin.focus()
        await tab.page.keyboard.press("Enter")
        await expect(pin).to_have_attribute("aria-pressed", "true")
        await Look(tab).has_on_stage(bob)
        await tabs[ann].mute("audio", True)
        await pin.click()
        await expect(pin).to_have_attribute("aria-pressed", "false")
        await Look(tab).has_on_stage(cem)


async def test_the_view_is_remembered(meeting: Meeting) -> None:
    room = room_name()
    tab = await meeting.open("page", room, "Ann")
    await tab.joined()
    await tab.press("Stage view")
    await expect(tab.page.locator("main[data-view=stage]")).to_be_visible()
    await tab.go(meeting.address("page", room, "Ann", {}))
    await tab.press("Join")
    await tab.joined()
    await expect(tab.page.get_by_role("button", name="Tile view")).to_be_visible()
    await tab.close()


async def test_quality_is_shown_of_everybody_in_chromium_and_firefox(
    meeting: Meeting, firefox: Firefox
) -> None:
    async with entered(meeting, room_name(), "Ann", "Fox", firefox=firefox) as tabs:
        for tab in tabs.values():
            for who in tabs:
                await Look(tab).shows(f'[data-participant="{who}"] svg[role=img][aria-label$=connection]')


async def test_a_lossy_connection_is_called_poor(meeting: Meeting) -> None:
    room = room_name()
    ann = await meeting.open("page", room, "Ann", script=LOSSY)
    bob = await meeting.open("page", room, "Bob")
    await ann.joined()
    await bob.joined()
    level = ann.page.get_by_role("article", name="Bob").get_by_role("img")
    await expect(level).to_have_accessible_name("poor connection", timeout=20_000)
    await ann.close()
    await bob.close()


async def test_the_statistics_draw_a_bitrate_that_rises_in_chromium_and_firefox(
    meeting: Meeting, firefox: Firefox
) -> None:
    async with entered(meeting, room_name(), "Ann", "Fox", firefox=firefox) as tabs:
        coming, going = (f"[data-direction={way}][data-medium=video]" for way in ("received", "sent"))
        looks = [Look(tab) for tab in tabs.values()]
        for look in looks:
            await look.press("q")
            await look.shows(f"#statistics {coming}")
            await look.tab.mute("video", True)
        for look in looks:
            await eventually("a picture that stops", partial(look.draws, coming, falling=True))
            await look.tab.mute("video", False)
        for look in looks:
            await eventually("a picture that comes back", partial(look.draws, coming, falling=False), 45)
            assert await look.line(going, "bitrate")


async def test_the_statistics_are_a_table_too(meeting: Meeting) -> None:
    async with entered(meeting, room_name(), "Ann", "Bob") as tabs:
        (tab, _) = tabs.values()
        assert isinstance(tab, Tab)
        await tab.press("Statistics")
        await tab.page.get_by_label("As a table").check()
        row = tab.page.get_by_role("row", name="Voice of Bob")
        await expect(row.get_by_role("cell").first).to_contain_text("kbit/s", timeout=15_000)
        await expect(tab.page.get_by_role("row", name="Your voice, sent")).to_contain_text("ms")


async def test_the_language_is_that_of_the_browser_until_one_is_chosen(meeting: Meeting) -> None:
    context = await meeting.browser.new_context(locale="de-AT", permissions=["camera", "microphone"])
    page = await context.new_page()
    tab = Tab("page", page, context, [])
    room = meeting.address("page", room_name(), "Ann", {})
    await tab.go(room)
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await tab.fill("Ihr Name", "Ann")
    await tab.press("Beitreten")
    await tab.joined()
    await tab.press("Einstellungen")
    await page.get_by_label("Sprache").select_option("English")
    await expect(page.get_by_role("button", name="Mute microphone")).to_be_visible()
    await tab.go(room)
    await expect(page.get_by_role("button", name="Join")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await tab.close()


async def test_language_and_theme_switch_in_firefox_too(meeting: Meeting, firefox: Firefox) -> None:
    tab = await firefox.new_tab("page", PROBE)
    look = Look(tab)
    for _ in range(2):  # the second time as remembered
        await tab.go(meeting.endpoints["http"])
        await look.shows(".look select")
        if await tab.evaluate("document.documentElement.lang") == "en":
            await look.choose(".look label:first-child select", "de")
            await look.choose(".look label:last-child select", "light")
        await look.shows("html[lang=de][data-theme=light]")
        assert await tab.evaluate(LUMINANCE) > 180
    await look.choose(".look label:last-child select", "dark")
    await look.shows("html[data-theme=dark]")
    assert await tab.evaluate(LUMINANCE) < 60
    await tab.close()


@pytest.mark.parametrize("system", ["light", "dark"])
async def test_the_theme_is_that_of_the_system_until_one_is_chosen(meeting: Meeting, system: Any) -> None:
    context = await meeting.browser.new_context(color_scheme=system)
    page = await context.new_page()
    await page.goto(meeting.endpoints["http"])
    shown: dict[str, float] = {"auto": await page.evaluate(LUMINANCE)}
    for theme in ("Light", "Dark"):
        await page.get_by_label("Colours").select_option(theme)
        shown[theme] = await page.evaluate(LUMINANCE)
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert shown["Dark"] < 60
    assert shown["Light"] > 180
    assert shown["auto"] == shown[system.capitalize()]
    await context.close()


async def every_place(meeting: Meeting, room: str, tab: Participant) -> AsyncIterator[str]:
    """Lead a tab through all that the page can show; yields the name of each place when it is there."""
    look = Look(tab)
    await tab.go(meeting.endpoints["http"])
    await look.shows("input[name=room]")
    yield "start"
    for where, others in ((room_name(), 0), (room, 2)):
        await tab.go(meeting.address("page", where, "Ann", {"camera": CAMERA}))
        await look.shows("input[name=name]")
        if others == 0:
            yield "door"
        await tab.evaluate(
            "(() => { const field = document.querySelector('input[name=name]'); field.value ||= 'Ann';"
            " field.form.requestSubmit(); })()"
        )
        await tab.joined()
        if others == 0:
            await look.press("m")
            await look.press("v")
            await look.shows("[data-self][data-audio-muted=true][data-video-muted=true]")
            yield "alone, muted"
    await look.shows(".tile:nth-child(3) .quality")
    yield "tiles"
    await look.press("t")
    await look.shows("[data-stage]")
    yield "stage"
    for panel, key in PANELS.items():
        await look.press(key)
        await look.shows(f"#{panel}")
        if panel == "statistics":
            await look.shows("#statistics path[d]")
            yield panel
            await look.click("#statistics input")
            await look.shows("#statistics tbody tr")
            yield "statistics as a table"
        else:
            yield panel
    await look.click("[data-opens=settings]")
    await look.shows("#settings")
    yield "settings"
    await look.press("t")  # as others find it
    await look.click(".leave")
    await look.shows(".foyer")
    yield "ended"


async def found_everywhere(meeting: Meeting, tab: Participant) -> dict[str, list[str]]:
    """What axe finds in each place that has something to find."""
    room = room_name()
    async with entered(meeting, room, "Bob", "Cem"):
        places = [(place, await violations(tab)) async for place in every_place(meeting, room, tab)]
    assert len(places) == 12
    return {place: found for place, found in places if found}


async def test_axe_finds_nothing_in_chromium_in_german_and_dark(meeting: Meeting) -> None:
    context = await meeting.browser.new_context(
        locale="de-DE", color_scheme="dark", permissions=["camera", "microphone"]
    )
    await context.add_init_script(PROBE)
    tab = Tab("page", await context.new_page(), context, [])
    assert await found_everywhere(meeting, tab) == {}
    await tab.close()


async def test_axe_finds_nothing_in_firefox_in_english_and_light(meeting: Meeting, firefox: Firefox) -> None:
    tab = await firefox.new_tab("page", PROBE)
    await tab.go(meeting.endpoints["http"])
    await Look(tab).shows("html[lang=en]")
    assert await tab.evaluate(LUMINANCE) > 180
    assert await found_everywhere(meeting, tab) == {}
    await tab.close()
