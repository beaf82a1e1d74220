"""Cameras, microphones, loudspeakers and screens in real tabs: before the meeting and while it goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.dev_server import DevServer
from tests.e2e.firefox import Firefox
from tests.e2e.firefox import firefox as started_firefox
from tests.e2e.harness import (
    CHROMIUM,
    FLAGS,
    PROBE,
    Meeting,
    Participant,
    Tab,
    eventually,
    room_name,
)
from tests.e2e.test_layers import SEVERAL_VIDEOS, SHARE

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

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
UNANSWERED = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const asked = new Promise(resolve => { window.allow = resolve; });
navigator.mediaDevices.getUserMedia = async wanted => { await asked; return open(wanted); };
"""
"""A browser whose question nobody has answered yet."""
REFUSED = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };
"""
PULLED_OUT = """
const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
const gone = new Set();
navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ label }) => !gone.has(label));
window.pullOut = label => {
    gone.add(label);
    for (const track of window.opened.filter(one => one.label === label)) {
        track.stop();
        track.dispatchEvent(new Event('ended'));
    }
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
};
"""
"""Pulls a device out, as far as a page can tell: its track ends, and the list of devices lacks it."""
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


def picker(page: Page, use: str) -> Locator:
    """The list of devices for that use."""
    return page.get_by_role("combobox", name=use, exact=True)


async def choose(page: Page, use: str, device: str) -> None:
    await picker(page, use).select_option(label=device)


async def test_the_door_shows_us_and_its_devices_go_into_the_meeting(meeting: Meeting) -> None:
    room = room_name()
    tab = await at_the_door(meeting, room)
    picture = tab.page.get_by_label("Your picture")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("video => new DOMMatrix(getComputedStyle(video).transform).a") == -1

    async def moves() -> float:
        return float(await picture.evaluate("video => video.getVideoPlaybackQuality().totalVideoFrames"))

    await rises("frames of our own picture", moves)
    camera = picker(tab.page, "Camera")
    await expect(camera.locator("option")).to_have_text(CAMERAS)
    await choose(tab.page, "Camera", CAMERAS[2])

    async def loud() -> bool:
        return bool(await tab.page.locator("meter").evaluate("meter => meter.value > 0.2"))

    await eventually("the meter moves", loud, 10)

    async def changed() -> list[str]:
        live: list[str] = await tab.evaluate("window.live('video').map(track => track.label)")
        return live if live == [CAMERAS[2]] else []

    await eventually("the camera is the chosen one alone", changed, 10)
    questions = await tab.evaluate("window.questions")
    await enter(tab, "Ann")
    other, _ = await joined(meeting, room, "Bob")
    await sends(tab, CAMERAS[2])
    assert await tab.evaluate("window.questions") == questions
    await tab.press("Leave")
    await expect(tab.page.get_by_role("heading", name="You left the meeting")).to_be_visible()
    assert await tab.evaluate("[...live('video'), ...live('audio')].length") == 0
    assert tab.log == []
    await tab.close()
    await other.close()


async def test_who_mutes_at_the_door_comes_in_muted(meeting: Meeting) -> None:
    room = room_name()
    other, seen_by = await joined(meeting, room, "Bob")
    tab = await at_the_door(meeting, room)
    await tab.press("Mute microphone")
    await tab.press("Stop camera")
    await expect(tab.page.get_by_text("Your camera is off")).to_be_visible()
    assert await tab.evaluate("window.live('video').length") == 0
    own = await enter(tab, "Ann")
    await packets_rise(tab, tile(seen_by))
    for kind in ("audio", "video"):
        await other.sees_muted(own, kind, True)
    await tab.press("Start camera")
    await other.sees_muted(own, "video", False)
    await frames_rise(other, tile(own))
    await tab.close()
    await other.close()


async def test_one_joins_before_the_browsers_question_is_answered(meeting: Meeting) -> None:
    room = room_name()
    other, _ = await joined(meeting, room, "Bob")
    tab = await at_the_door(meeting, room, UNANSWERED)
    await expect(picker(tab.page, "Camera")).to_be_disabled()
    own = await enter(tab, "Ann")
    for kind in ("audio", "video"):
        await other.sees_muted(own, kind, True)
    await tab.evaluate("window.allow()")
    for kind in ("audio", "video"):
        await other.sees_muted(own, kind, False)
    await frames_rise(other, tile(own))
    await tab.close()
    await other.close()


async def test_a_refusal_is_said_at_the_door_which_stays_open(meeting: Meeting) -> None:
    tab = await at_the_door(meeting, room_name(), REFUSED)
    alert = tab.page.get_by_role("alert")
    await expect(alert).to_contain_text(["use the microphone", "use the camera"])
    await enter(tab, "Ann")
    await expect(alert).to_contain_text(["use the microphone", "use the camera"])
    await tab.close()


async def test_devices_change_without_a_new_session_or_stream(meeting: Meeting) -> None:
    room = room_name()
    tab, own = await joined(meeting, room, "Ann")
    page, _ = await joined(meeting, room, "Bob")
    library = await meeting.open("lyno", room, "Cem", camera="320x180")
    await library.joined()
    others: list[Tab] = [page, library]
    for other in others:
        await frames_rise(other, tile(own))
        await packets_rise(other, tile(own))
    before = [await ssrcs(other, own) for other in others]
    described = await tab.evaluate(DESCRIPTIONS)

    await tab.page.keyboard.press("d")
    await choose(tab.page, "Camera", CAMERAS[2])
    await choose(tab.page, "Microphone", "Fake Audio Input 1")
    await sends(tab, CAMERAS[2], "Fake Audio Input 1")
    for other in others:
        await frames_rise(other, tile(own))
        await packets_rise(other, tile(own))
    assert [await ssrcs(other, own) for other in others] == before
    assert all(set(one) == {"audio", "video"} for one in before)
    assert await tab.evaluate(DESCRIPTIONS) == described
    assert await tab.evaluate("[live('video').length, live('audio').length]") == [1, 1]

    await tab.go(meeting.address("page", room, "", {}))  # what was chosen is remembered
    for use, device in (("Camera", CAMERAS[2]), ("Microphone", "Fake Audio Input 1")):
        chosen = picker(tab.page, use).locator("option:checked")
        await expect(chosen).to_have_text(device)
    assert await tab.evaluate("live('video').map(track => track.label)") == [CAMERAS[2]]
    for one in (tab, *others):
        await one.close()


async def test_a_camera_that_is_pulled_out_gives_way_to_another(meeting: Meeting) -> None:
    room = room_name()
    tab, own = await joined(meeting, room, "Ann", PULLED_OUT)
    other, _ = await joined(meeting, room, "Bob")
    await frames_rise(other, tile(own))
    before = await ssrcs(other, own)
    await tab.page.keyboard.press("d")
    await choose(tab.page, "Camera", CAMERAS[2])
    await sends(tab, CAMERAS[2])
    await tab.evaluate("label => window.pullOut(label)", CAMERAS[2])
    await expect(tab.page.get_by_role("alert")).to_contain_text("another one is used now", timeout=15_000)
    await expect(picker(tab.page, "Camera").locator("option")).to_have_text(CAMERAS[:2])
    await sends(tab, CAMERAS[0])
    await frames_rise(other, tile(own))
    assert await ssrcs(other, own) == before
    await tab.close()
    await other.close()


async def test_a_loudspeaker_is_chosen_for_those_who_are_here_and_those_who_come(meeting: Meeting) -> None:
    room = room_name()
    tab, _ = await joined(meeting, room, "Ann")
    early, _ = await joined(meeting, room, "Bob")
    await tab.page.keyboard.press("d")
    await choose(tab.page, "Loudspeaker", "Fake Audio Output 2")
    chosen = await picker(tab.page, "Loudspeaker").input_value()
    late, _ = await joined(meeting, room, "Cem")

    async def all_there() -> bool:
        sinks = await tab.evaluate("[...document.querySelectorAll('audio')].map(audio => audio.sinkId)")
        return bool(sinks == [chosen, chosen])

    await eventually("both are heard there", all_there, 15)
    for one in (tab, early, late):
        await one.close()


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
    os.kill(deployment.endpoints["pids"]["front"], signal.SIGKILL)
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
        return bool(await tab.evaluate("document.querySelector('.own-picture video').videoWidth > 0"))

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
