"""Screens that are shared from real tabs: beside the camera, in its place, from Chromium and Firefox."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.dev_server import DevServer
from tests.e2e.equipment import (
    DESCRIPTIONS,
    NOTED,
    enter,
    equipped,
    frames_rise,
    joined,
    meeting,
    screen_tile,
    ssrcs,
    tile,
)
from tests.e2e.firefox import Firefox
from tests.e2e.firefox import firefox as started_firefox
from tests.e2e.harness import PROBE, Meeting, Participant, eventually, room_name
from tests.e2e.test_layers import SEVERAL_VIDEOS, SHARE

__all__ = ["equipped", "meeting"]

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

SECOND_CAMERA = """
const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const second = { deviceId: 'second', kind: 'videoinput', label: 'Second camera' };
navigator.mediaDevices.enumerateDevices = async () => [...(await list()), second];
navigator.mediaDevices.getUserMedia = async wanted => {
    if (wanted.video?.deviceId?.exact !== 'second') return open(wanted);
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    setInterval(() => {
        context.fillStyle = `hsl(${Math.random() * 360} 70% 50%)`;
        context.fillRect(Math.random() * 640, Math.random() * 360, 200, 100);
    }, 66);
    const stream = canvas.captureStream(15);
    const [track] = stream.getTracks();
    const settings = track.getSettings.bind(track);
    track.getSettings = () => ({ ...settings(), deviceId: 'second' });
    return stream;
};
"""
"""Another camera for Firefox, which makes up but one: a canvas."""
LIBRARY_VIDEOS = """id => window.meeting.conference.getParticipantById(id)?.getTracks()
    .filter(track => track.getType() === 'video')
    .map(track => track.getSourceName()).sort() ?? []"""
"""The names of the videos that lib-jitsi-meet has of somebody."""
LIBRARY_FRAMES = """async () => {
    const found = [];
    for (const connection of window.peerConnections)
        for (const one of (await connection.getStats()).values())
            if (one.type === 'inbound-rtp' && one.kind === 'video') found.push(one.framesDecoded ?? 0);
    return found.sort((one, other) => other - one);
}"""
SHARE_INSTEAD = SHARE.replace(
    "addTrack(track)", "replaceTrack(window.meeting.local('video'), track)"
).replace("return track.getSourceName();", "")
"""Shares a canvas in place of the camera."""
CAMERA_AGAIN = """() => window.meeting.conference.replaceTrack(
    window.meeting.conference.getLocalVideoTrack(), window.meeting.local('video'))"""
SELECT = """id => {
    const select = document.querySelector('#devices select');
    select.value = id;
    select.dispatchEvent(new Event('change', { bubbles: true }));
}"""


@asynccontextmanager
async def a_display(directory: Path) -> AsyncIterator[str]:
    """An X server without a screen: what Firefox shares; yields its address."""
    read, write = os.pipe()
    arguments = ["-displayfd", str(write), "-screen", "0", "1280x720x24", "-nolisten", "tcp"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        "Xvfb",
        *arguments,
        cwd=directory,
        pass_fds=[write],
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,
    )
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield ":" + (await asyncio.to_thread(told.readline)).strip()
    finally:
        process.terminate()
        await process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firefox]:
    """A Firefox that has a screen to share."""
    with pytest.MonkeyPatch.context() as patch:
        async with a_display(tmp_path_factory.mktemp("display")) as address:
            patch.setenv("DISPLAY", address)
            async with started_firefox() as opened:
                yield opened


async def test_a_screen_comes_beside_the_camera_to_everybody_and_goes_again(meeting: Meeting) -> None:
    room = room_name()
    tab, own = await joined(meeting, room, "Ann")
    page, _ = await joined(meeting, room, "Bob")
    library = await meeting.open("solyd", room, "Cem", SEVERAL_VIDEOS, camera="320x180")
    await library.joined()
    await asyncio.gather(frames_rise(page, tile(own)), frames_rise(library, tile(own)))
    camera = await ssrcs(page, own)

    await tab.page.keyboard.press("s")
    await expect(tab.page.get_by_role("button", name="Stop sharing")).to_be_visible()
    await asyncio.gather(frames_rise(page, screen_tile(own)), frames_rise(page, tile(own)))
    assert await ssrcs(page, own) == camera
    await library_has(library, own, f"{own}-v0", f"{own}-v1")
    await two_videos_rise(library)

    await tab.press("Stop sharing")
    await expect(page.page.locator(screen_tile(own))).to_have_count(0)
    await library_has(library, own, f"{own}-v0")
    assert await tab.evaluate("opened.at(-1).readyState") == "ended"
    await frames_rise(page, tile(own))

    await tab.press("Share screen")  # and once more, which ends by the button of the browser
    await frames_rise(page, screen_tile(own))
    await tab.evaluate("opened.at(-1).stop() ?? opened.at(-1).dispatchEvent(new Event('ended'))")
    await expect(tab.page.get_by_role("button", name="Share screen")).to_be_visible()
    await expect(page.page.locator(screen_tile(own))).to_have_count(0)
    await library_has(library, own, f"{own}-v0")
    assert tab.log == []
    for one in (tab, page, library):
        await one.close()


async def test_a_client_that_knows_one_video_of_each_gets_and_gives_a_screen_in_place_of_the_camera(
    meeting: Meeting,
) -> None:
    room = room_name()
    tab, own = await joined(meeting, room, "Ann")
    library = await meeting.open("lyno", room, "Bob", camera="320x180")
    theirs = await library.joined()
    await asyncio.gather(frames_rise(tab, tile(theirs)), frames_rise(library, tile(own)))

    async def videos() -> list[str]:
        names: list[str] = await library.evaluate(LIBRARY_VIDEOS, own)
        return names

    async def screen_alone() -> bool:
        return await videos() == [f"{own}-v1"]

    async def no_screen() -> bool:
        return f"{own}-v1" not in await videos()

    await tab.press("Share screen")
    await eventually("the screen is the video", screen_alone)
    await frames_rise(library, tile(own))
    await tab.press("Stop sharing")
    await eventually("the screen is gone", no_screen)

    await library.evaluate(SHARE_INSTEAD, "")
    await frames_rise(tab, screen_tile(theirs))
    await library.evaluate(CAMERA_AGAIN)
    await expect(tab.page.locator(screen_tile(theirs))).to_have_count(0)
    await frames_rise(tab, tile(theirs))
    await tab.close()
    await library.close()


async def library_has(tab: Participant, endpoint: str, *names: str) -> None:
    """Wait until lib-jitsi-meet has exactly these videos of somebody."""

    async def has() -> bool:
        return bool(await tab.evaluate(LIBRARY_VIDEOS, endpoint) == list(names))

    try:
        await eventually(f"the videos {names}", has)
    except AssertionError as error:
        raise AssertionError(f"{error}: {await tab.evaluate(LIBRARY_VIDEOS, endpoint)}") from None


async def two_videos_rise(tab: Participant) -> None:
    """Wait until two of the videos of a tab with lib-jitsi-meet go on."""
    before = await tab.evaluate(LIBRARY_FRAMES)

    async def more() -> bool:
        now = await tab.evaluate(LIBRARY_FRAMES)
        return sum(new > old for new, old in zip(now, before, strict=False)) >= 2 and len(now) >= len(before)

    await eventually("two videos rise", more)


async def test_a_screen_survives_a_new_entry_into_the_room(meeting: Meeting, deployment: DevServer) -> None:
    room = room_name()
    tab, own = await joined(meeting, room, "Ann")
    other, _ = await joined(meeting, room, "Bob")
    await tab.press("Share screen")
    await frames_rise(other, screen_tile(own))
    os.kill(deployment.endpoints["pids"]["streams"], signal.SIGKILL)  # what keeps our place
    again = await tab.joined_again(own)
    await frames_rise(other, screen_tile(again))
    await frames_rise(other, tile(again))
    assert await tab.evaluate("window.questions") == 2
    await tab.close()
    await other.close()


async def test_firefox_shows_changes_and_shares(firefox: Firefox, meeting: Meeting) -> None:
    room = room_name()
    other, _ = await joined(meeting, room, "Ann")
    library = await meeting.open("solyd", room, "Bob", SEVERAL_VIDEOS, camera="320x180")
    await library.joined()
    tab = await firefox.new_tab("page", PROBE, NOTED, SECOND_CAMERA)
    await tab.go(meeting.address("page", room, "", {}))

    async def picture() -> bool:
        return bool(await tab.evaluate("document.querySelector('.own-picture video')?.videoWidth > 0"))

    await eventually("our own picture", picture, 15)
    questions = await tab.evaluate("window.questions")
    own = await enter(tab, "Fox")
    assert await tab.evaluate("window.questions") == questions
    await asyncio.gather(frames_rise(other, tile(own)), frames_rise(library, tile(own)))
    before = await ssrcs(other, own)
    described = await tab.evaluate(DESCRIPTIONS)

    await tab.press("Devices")
    await tab.evaluate(SELECT, "second")
    await eventually("the camera before is closed", lambda: tab.evaluate("live('video').length === 0"), 10)
    await asyncio.gather(frames_rise(other, tile(own)), frames_rise(library, tile(own)))
    assert await ssrcs(other, own) == before
    assert await tab.evaluate(DESCRIPTIONS) == described

    await tab.press("Share screen")
    await asyncio.gather(frames_rise(other, screen_tile(own)), frames_rise(other, tile(own)))
    await library_has(library, own, f"{own}-v0", f"{own}-v1")
    await two_videos_rise(library)
    await tab.press("Stop sharing")
    await expect(other.page.locator(screen_tile(own))).to_have_count(0)
    await library_has(library, own, f"{own}-v0")
    await tab.close()
    await library.close()
    await other.close()
