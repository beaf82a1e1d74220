"""Cameras, microphones and loudspeakers in real tabs: before the meeting and while it goes on."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.equipment import (
    CAMERAS,
    DESCRIPTIONS,
    at_the_door,
    enter,
    equipped,
    frames_rise,
    joined,
    meeting,
    packets_rise,
    rises,
    sends,
    ssrcs,
    tile,
)
from tests.e2e.harness import Meeting, Tab, eventually, room_name

__all__ = ["equipped", "meeting"]

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

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


@ON_BOTH_SERVERS
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
