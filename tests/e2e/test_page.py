"""The meeting page when things are in the way: each said in words, with what to do."""

from __future__ import annotations

import gzip
import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.dev_server import DevServer
from tests.e2e.harness import Meeting, room_name

pytestmark = pytest.mark.timeout(120)

BROWSER = pytest.mark.asyncio(loop_scope="session")
ROOT = Path(__file__).parent.parent.parent
REFUSE_DEVICE = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async wanted => {
    if (wanted.KIND) throw new DOMException('refused', 'ERROR');
    return open(wanted);
};
"""
REFUSE_PLAY = """
const play = HTMLMediaElement.prototype.play;
let gesture = false;
addEventListener('click', event => { if (event.target.textContent === 'Let me hear') gesture = true; }, true);
HTMLMediaElement.prototype.play = function () {
    const held = this.tagName === 'AUDIO' && !gesture;
    return held ? Promise.reject(new DOMException('gesture', 'NotAllowedError')) : play.call(this);
};
"""


def test_the_page_is_small_enough_for_a_phone() -> None:
    files = [path for path in (ROOT / "bosh" / "pages").rglob("*") if path.is_file()]
    assert any(path.suffix == ".js" for path in files)
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= 200_000


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("video", "NotFoundError", "No camera was found"),
        ("video", "NotAllowedError", "does not let this page use the camera"),
        ("audio", "NotAllowedError", "does not let this page use the microphone"),
        ("audio", "NotReadableError", "The microphone cannot be opened"),
    ],
)
@BROWSER
async def test_a_device_that_is_not_there_is_named_and_the_meeting_goes_on(
    meeting: Meeting, kind: str, error: str, words: str
) -> None:
    script = REFUSE_DEVICE.replace("KIND", kind).replace("ERROR", error)
    tab = await meeting.open("page", room_name(), "Ann", script=script)
    await tab.joined()
    await expect(tab.page.get_by_role("alert")).to_contain_text(words)
    await tab.page.get_by_role("button", name="Close").click()
    await expect(tab.page.get_by_role("alert")).to_have_count(0)
    await tab.close()


@BROWSER
async def test_blocked_sound_is_offered_by_a_button(meeting: Meeting) -> None:
    room = room_name()
    tab = await meeting.open("page", room, "Ann", script=REFUSE_PLAY)
    other = await meeting.open("page", room, "Bob")
    await tab.joined()
    await other.joined()
    await tab.page.get_by_role("button", name="Let me hear").click(timeout=20_000)
    await expect(tab.page.get_by_role("alert")).to_have_count(0)
    assert not await tab.page.evaluate(
        "document.querySelector('[data-participant]:not([data-self]) audio').paused"
    )
    await tab.close()
    await other.close()


@BROWSER
async def test_a_lost_server_is_said_and_the_page_joins_again_by_itself(
    meeting: Meeting, deployment: DevServer
) -> None:
    room = room_name()
    first, second = await meeting.open("page", room, "Ann"), await meeting.open("page", room, "Bob")
    ids = [await first.joined(), await second.joined()]
    await first.sees_and_hears({ids[1]})
    os.kill(deployment.endpoints["pids"]["front"], signal.SIGKILL)
    await expect(first.page.get_by_role("alert")).to_contain_text("connection to the server is lost")
    ids = [await first.joined_again(ids[0]), await second.joined_again(ids[1])]
    await first.sees_and_hears({ids[1]})
    await second.sees_and_hears({ids[0]})
    await expect(first.page.get_by_role("alert")).to_have_count(0)
    await first.close()
    await second.close()


@BROWSER
async def test_keys_and_link_work_without_a_mouse(meeting: Meeting) -> None:
    room = room_name()
    tab = await meeting.open("page", room, "Ann")
    await tab.context.grant_permissions(["camera", "microphone", "clipboard-read", "clipboard-write"])
    await tab.joined()
    await tab.page.keyboard.press("m")
    await expect(tab.page.get_by_role("button", name="Unmute microphone")).to_be_visible()
    await tab.page.keyboard.press("v")
    await expect(tab.page.get_by_role("button", name="Start camera")).to_be_visible()
    await tab.page.keyboard.press("c")
    await tab.page.get_by_label("Message").focus()
    await tab.page.keyboard.type("mvcp")
    await expect(tab.page.get_by_role("button", name="Unmute microphone")).to_be_visible()
    await tab.page.get_by_role("button", name="Copy link").focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("button", name="Link copied")).to_be_visible()
    assert (await tab.page.evaluate("navigator.clipboard.readText()")).endswith(f"/{room}")
    await tab.close()


@BROWSER
async def test_a_phone_shows_everything_without_scrolling_sideways(meeting: Meeting) -> None:
    tab = await meeting.open("page", room_name(), "Ann")
    await tab.joined()
    await tab.page.set_viewport_size({"width": 360, "height": 640})
    for panel in ("Chat", "Participants"):
        await tab.page.get_by_role("button", name=panel).click()
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await expect(tab.page.get_by_role("button", name="Leave")).to_be_in_viewport()
    await tab.close()


@BROWSER
async def test_leaving_is_clean_and_one_can_come_back(meeting: Meeting) -> None:
    tab = await meeting.open("page", room_name(), "Ann")
    before = await tab.joined()
    await tab.page.get_by_role("button", name="Leave").click()
    await expect(tab.page.get_by_role("heading", name="You left the meeting")).to_be_visible()
    await tab.page.get_by_role("button", name="Join again").click()
    await tab.joined_again(before)
    await tab.close()


@BROWSER
async def test_without_a_room_in_the_address_one_is_chosen(meeting: Meeting) -> None:
    context = await meeting.browser.new_context()
    page = await context.new_page()
    await page.goto(meeting.endpoints["http"])
    await page.get_by_label("Room").fill("Daily Stand Up")
    await page.get_by_role("button", name="Go").click()
    await page.wait_for_url("**/daily-stand-up")
    await expect(page.get_by_label("Your name")).to_be_visible()
    await context.close()


@BROWSER
async def test_a_full_room_says_so(full_room: Meeting) -> None:
    room = room_name()
    tabs = [await full_room.open("page", room, name) for name in ("Ann", "Bob")]
    for tab in tabs:
        await tab.joined()
    third = await full_room.open("page", room, "Cem")
    await expect(third.page.get_by_role("alert")).to_contain_text("This room is full", timeout=15_000)
    await tabs[1].close()
    await third.page.get_by_role("button", name="Try again").click()
    await third.joined()
    await third.close()
    await tabs[0].close()
