"""Tabs on a computer with several cameras, and what arrives in which of their tiles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.dev_server import DevServer
from tests.e2e.harness import CHROMIUM, FLAGS, PROBE, Meeting, Participant, Tab, eventually

PATIENCE_S = 45.0
"""How long media may take on a machine with much to do."""
CAMERAS = ["fake_device_0", "fake_device_1", "fake_device_2"]
"""What Chromium calls the cameras that it makes up; the second one has no pictures, but depths."""
NOTED = """
try { localStorage.setItem('carillon.direct', 'off'); } catch { /* not a page yet */ }
window.opened = [];
window.questions = 0;
for (const name of ['getUserMedia', 'getDisplayMedia']) {
    const original = navigator.mediaDevices[name].bind(navigator.mediaDevices);
    navigator.mediaDevices[name] = async wanted => {
        window.questions++;
        const { video } = wanted;
        const small = video && { ...video, width: 640, height: 360 };
        const stream = await original({ ...wanted, video: small });
        window.opened.push(...stream.getTracks());
        return stream;
    };
}
window.live = kind => window.opened.filter(track => track.kind === kind && track.readyState === 'live');
"""
"""Counts the questions of a tab and keeps the tracks that came out of them, with small pictures so that more
tabs fit on a machine. Rooms of two take the way over the bridge."""
STREAMS = """async selector => {
    const tracks = [...document.querySelectorAll(`${selector} video, ${selector} audio`)]
        .flatMap(media => media.srcObject?.getTracks() ?? []);
    const found = {};
    for (const connection of window.peerConnections)
        for (const one of (await connection.getStats()).values())
            if (one.type === 'inbound-rtp' && tracks.some(track => track.id === one.trackIdentifier))
                found[one.kind] = [one.ssrc, one.framesDecoded ?? one.packetsReceived];
    return found;
}"""
"""What arrives in the tiles of that selector: by kind, SSRC and frames or packets so far."""
SENDING = """() => window.peerConnections.flatMap(connection => connection.getSenders())
    .map(({ track }) => track).filter(track => track?.readyState === 'live').map(track => track.label)"""
"""The devices whose tracks are sent."""
DESCRIPTIONS = "window.peerConnections.map(one => one.remoteDescription?.sdp).join()"
"""What the others offered and answered."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def equipped() -> AsyncIterator[Browser]:
    """A Chromium on a computer with three cameras; the first screen that is asked for is given."""
    async with async_playwright() as playwright:
        arguments = [*FLAGS, "--use-fake-device-for-media-stream=device-count=3"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
def meeting(deployment: DevServer, equipped: Browser, library: str) -> Meeting:
    return Meeting(equipped, deployment.endpoints, library)


async def at_the_door(meeting: Meeting, room: str, script: str = "") -> Tab:
    """A tab of Chromium that has not joined yet."""
    context = await meeting.browser.new_context(permissions=["camera", "microphone"])
    for one in (PROBE, NOTED, script):
        await context.add_init_script(one)
    page = await context.new_page()
    tab = Tab("page", page, context, [])
    page.on("pageerror", lambda error: tab.log.append(f"pageerror: {error}"))
    await tab.go(meeting.address("page", room, "", {}))
    return tab


async def enter(tab: Participant, name: str) -> str:
    """Join from the door; returns the endpoint id."""
    await tab.fill("Your name", name)
    await tab.press("Join")
    return await tab.joined()


async def joined(meeting: Meeting, room: str, name: str, script: str = "") -> tuple[Tab, str]:
    tab = await at_the_door(meeting, room, script)
    return tab, await enter(tab, name)


async def rises(what: str, count: Callable[[], Awaitable[float]], by: int = 5) -> None:
    """Wait until a count has risen."""
    before = await count()

    async def more() -> bool:
        return await count() >= before + by

    await eventually(f"{what} rise", more, PATIENCE_S)


async def streams(tab: Participant, selector: str) -> dict[str, Any]:
    """What arrives in the tiles of that selector: by kind, SSRC and count of frames or packets."""
    found: dict[str, Any] = await tab.evaluate(STREAMS, selector)
    return found


def tile(endpoint: str) -> str:
    return f'[data-participant="{endpoint}"]'


def screen_tile(endpoint: str) -> str:
    return f'[data-screen="{endpoint}"]'


async def frames_rise(tab: Participant, selector: str) -> None:
    async def frames() -> float:
        return float((await streams(tab, selector)).get("video", [0, 0])[1])

    await rises(f"frames of {selector}", frames)


async def packets_rise(tab: Participant, selector: str) -> None:
    async def packets() -> float:
        return float((await streams(tab, selector)).get("audio", [0, 0])[1])

    await rises(f"packets of {selector}", packets)


async def ssrcs(tab: Participant, endpoint: str) -> dict[str, int]:
    return {kind: ssrc for kind, (ssrc, _) in (await streams(tab, tile(endpoint))).items()}


async def sends(tab: Participant, *labels: str) -> None:
    """Wait until the tracks of these devices are sent."""

    async def sent() -> bool:
        return set(labels) <= set(await tab.evaluate(SENDING))

    await eventually(f"{labels} are sent", sent)
