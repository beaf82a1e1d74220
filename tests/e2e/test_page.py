"""The meeting page when things are in the way: each said in words, with what to do."""

from __future__ import annotations

import gzip
import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.conversation import read, say
from tests.e2e.harness import Meeting, eventually, room_name

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
# A network that swallows, from `silence()` on, what is sent, without closing anything; new connections work.
SWALLOW = """
const send = WebSocket.prototype.send;
const used = new Set();
const silent = new Set();
window.silence = () => { for (const socket of used) silent.add(socket); };
WebSocket.prototype.send = function (data) {
    used.add(this);
    if (!silent.has(this)) send.call(this, data);
};
"""
# A client that asks to mute somebody who is not there.
WRONG_MUTE = """
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
    send.call(this, String(data).replace(/(<mute [^>]*jid="[^"/]*\\/)[^"]*/, '$1nobody'));
};
"""
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"


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
    os.kill(deployment.endpoints["pids"]["streams"], signal.SIGKILL)  # what keeps our place
    await expect(first.page.get_by_role("alert")).to_contain_text("connection to the server is lost")
    ids = [await first.joined_again(ids[0]), await second.joined_again(ids[1])]
    await first.sees_and_hears({ids[1]})
    await second.sees_and_hears({ids[0]})
    await expect(first.page.get_by_role("alert")).to_have_count(0)
    await first.close()
    await second.close()


@BROWSER
async def test_a_network_that_is_silent_is_noticed_without_a_close(meeting: Meeting) -> None:
    tab = await meeting.open("page", room_name(), "Ann", script=SWALLOW)
    before = await tab.joined()
    await tab.press("Chat")
    await tab.page.evaluate("window.silence(); dispatchEvent(new Event('offline'))")
    await say(tab, "does this get out?")  # first into the silence, then again on another connection

    async def read_it() -> bool:
        return await read(tab) == ["does this get out?"]

    await eventually("what was said is read", read_it, 15)
    assert await tab.joined() == before
    await expect(tab.page.get_by_role("alert")).to_have_count(0)
    await tab.close()


@BROWSER
async def test_a_focus_that_leaves_the_room_leaves_media_alone_and_comes_back(
    meeting: Meeting, deployment: DevServer
) -> None:
    room = room_name()
    first, second = [await meeting.open("page", room, name, p2p="off") for name in ("Ann", "Bob")]
    ids = [await first.joined(), await second.joined()]
    await first.sees_and_hears({ids[1]})
    os.kill(deployment.endpoints["pids"]["link"], signal.SIGKILL)  # what keeps its place in the room
    await first.page.keyboard.press("c")  # what is said is what tells the room that the focus is gone
    await first.page.get_by_label("Message").fill("still here?")
    await first.page.keyboard.press("Enter")
    alert = first.page.get_by_role("alert")
    await expect(alert).to_contain_text("meeting service does not answer")
    await first.sees_and_hears({ids[1]})
    await expect(alert).to_have_count(0, timeout=20_000)
    await first.sees_and_hears({ids[1]})
    assert [await first.data("me"), await second.data("me")] == ids
    await first.close()
    await second.close()


@BROWSER
async def test_a_normal_meeting_writes_no_errors_to_the_console(meeting: Meeting) -> None:
    room = room_name()
    tabs = [await meeting.open("page", room, name) for name in ("Ann", "Bob")]
    ids = [await tab.joined() for tab in tabs]
    await tabs[0].sees_and_hears({ids[1]})
    for button in ("Stop camera", "Start camera", "Participants", "Chat", "Copy link", "Leave"):
        await tabs[0].page.get_by_role("button", name=button).click()
    await expect(tabs[1].page.locator("[data-participant]")).to_have_count(1)
    loud = [line for tab in tabs for line in tab.log if line.startswith(("error", "warning", "pageerror"))]
    assert loud == []
    for tab in tabs:
        await tab.close()


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
async def test_a_panel_takes_the_focus_and_gives_it_back(meeting: Meeting) -> None:
    tab = await meeting.open("page", room_name(), "Ann")
    await tab.joined()
    chat = tab.page.get_by_role("button", name="Chat")
    await expect(chat).to_have_attribute("aria-expanded", "false")
    await chat.focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_label("Message")).to_be_focused()
    await expect(chat).to_have_attribute("aria-expanded", "true")
    await tab.page.keyboard.press("Escape")
    await expect(chat).to_be_focused()
    await tab.page.keyboard.press("p")
    await expect(tab.page.get_by_role("region", name="Participants")).to_be_focused()
    await tab.page.get_by_role("button", name="Close panel").press("Enter")
    await expect(tab.page.get_by_role("button", name="Participants")).to_be_focused()
    await tab.close()


@BROWSER
async def test_an_address_can_be_copied_by_hand_where_there_is_no_clipboard(meeting: Meeting) -> None:
    room = room_name()
    tab = await meeting.open("page", room, "Ann", script=NO_CLIPBOARD)
    await tab.joined()
    await tab.page.get_by_role("button", name="Copy link").click()
    field = tab.page.get_by_label("Copy this address")
    await expect(field).to_have_value(f"{meeting.endpoints['http']}/{room}")
    assert await field.evaluate("field => field.selectionEnd - field.selectionStart") > len(room)
    await tab.close()


@BROWSER
@ON_BOTH_SERVERS
async def test_names_change_chat_is_counted_and_refusals_are_said(meeting: Meeting) -> None:
    room = room_name()
    chair = await meeting.open("page", room, "Ann", script=WRONG_MUTE)
    await chair.joined()
    guest = await meeting.open("page", room, "Bob")
    await guest.joined()

    await guest.page.get_by_role("button", name="Participants").click()
    await guest.page.get_by_role("button", name="Change name").click()
    await guest.page.get_by_label("Your name").fill("Bob \u202eeb")
    await guest.page.keyboard.press("Enter")
    await expect(chair.page.get_by_role("article", name="Bob eb")).to_be_visible()

    await guest.page.get_by_role("button", name="Chat").click()
    await guest.page.get_by_label("Message").fill("<b>hello</b>\x07")
    await guest.page.keyboard.press("Enter")
    await expect(chair.page.get_by_role("button", name="Chat 1 unread")).to_be_visible()
    await chair.page.keyboard.press("c")
    await expect(chair.page.get_by_role("log")).to_contain_text("<b>hello</b>")
    await expect(chair.page.get_by_role("button", name="Chat", exact=True)).to_be_visible()

    await chair.page.get_by_role("button", name="Participants").click()
    await chair.page.get_by_role("button", name="Mute Bob eb").click()
    await expect(chair.page.get_by_role("alert")).to_contain_text("not in the room any more")
    await chair.close()
    await guest.close()


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
async def test_an_address_that_names_no_room_says_so(meeting: Meeting) -> None:
    context = await meeting.browser.new_context()
    page = await context.new_page()
    await page.goto(meeting.endpoints["http"])
    await page.get_by_label("Room").fill("@@@")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("names no room")
    await context.close()


@BROWSER
@ON_BOTH_SERVERS
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
