"""Meetings of real Chromium tabs through every part of carillon: our page and unchanged lib-jitsi-meet."""

from __future__ import annotations

import asyncio

import pytest

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.harness import Meeting, eventually, room_name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

MIXES = [
    ("prosody", "page+page+page"),
    ("prosody", "lyno+lyno+lyno"),
    ("prosody", "page+lyno+lyno"),
    ("ejabberd", "page+lyno+lyno"),
    ("ejabberd", "lyno+page+page"),
]
SIMULTANEOUS_PAIRS = {"prosody": 20, "ejabberd": 6}


@pytest.mark.parametrize(("server", "mix"), MIXES, indirect=["server"])
async def test_three_tabs_see_and_hear_each_other(meeting: Meeting, mix: str) -> None:
    """Three come, the last one late; all are seen, heard and seen muted, and then two leave."""
    *early, last = mix.split("+")
    room = room_name()
    first, second = [await meeting.open(kind, room, f"p{number}") for number, kind in enumerate(early)]
    ids = [await first.joined(), await second.joined()]
    await asyncio.gather(first.sees_and_hears({ids[1]}), second.sees_and_hears({ids[0]}))

    late = await meeting.open(last, room, "late")
    ids.append(await late.joined())
    tabs = [first, second, late]
    await asyncio.gather(*(tab.sees_and_hears(set(ids) - {own}) for tab, own in zip(tabs, ids, strict=True)))

    for kind in ("audio", "video"):
        for muted in (True, False):
            await first.mute(kind, muted)
            await asyncio.gather(*(tab.sees_muted(ids[0], kind, muted) for tab in tabs[1:]))
    await asyncio.gather(*(tab.sees_and_hears(set(ids) - {own}) for tab, own in zip(tabs, ids, strict=True)))

    await second.close()
    await asyncio.gather(first.sees_and_hears({ids[2]}), late.sees_and_hears({ids[0]}))
    await first.close()
    await late.close()


@pytest.mark.parametrize(
    ("server", "chair", "guest"),
    [("prosody", "page", "lyno"), ("prosody", "lyno", "page"), ("ejabberd", "page", "lyno")],
    indirect=["server"],
)
async def test_a_moderator_mutes_and_removes(meeting: Meeting, chair: str, guest: str) -> None:
    room = room_name()
    moderator = await meeting.open(chair, room, "chair")
    own = await moderator.joined()

    async def is_moderator() -> bool:
        return await moderator.data("role") == "moderator"

    await eventually("the first participant becomes moderator", is_moderator, 10)
    other = await meeting.open(guest, room, "guest")
    target = await other.joined()
    await asyncio.gather(moderator.sees_and_hears({target}), other.sees_and_hears({own}))

    if chair == "page":
        await moderator.page.get_by_role("button", name="Participants").click()
        await moderator.page.get_by_role("button", name="Mute guest").click()
    else:
        await moderator.call("muteOther", target, "audio")
    await moderator.sees_muted(target, "audio", True)

    if chair == "page":
        await moderator.page.get_by_role("button", name="Remove guest").click()
    else:
        await moderator.call("remove", target)

    async def alone() -> bool:
        return not await moderator.received()

    async def told() -> bool:
        return await other.data("state") in ("kicked", "ended")

    await asyncio.gather(
        eventually("the removed one is gone", alone, 10), eventually("the removed one is told", told, 10)
    )
    if guest == "page":
        assert "removed you" in await other.page.inner_text("body")
    await moderator.close()
    await other.close()


@ON_BOTH_SERVERS
async def test_pairs_that_join_in_the_same_instant_are_never_told_to_wait(
    meeting: Meeting, server: str
) -> None:
    answers: list[str] = []
    for attempt in range(SIMULTANEOUS_PAIRS[server]):
        room = room_name()
        kind = ("page", "lyno")[attempt % 2]
        tabs = await asyncio.gather(
            *(meeting.open(kind, room, f"p{number}", p2p="off", camera="320x180") for number in range(2))
        )
        ids = await asyncio.gather(*(tab.joined() for tab in tabs))
        await asyncio.gather(tabs[0].sees_and_hears({ids[1]}), tabs[1].sees_and_hears({ids[0]}))
        for tab in tabs:
            answers += await tab.page.evaluate("window.conferenceAnswers")
            await tab.close()
    assert answers == ["true"] * 2 * SIMULTANEOUS_PAIRS[server]


@pytest.mark.parametrize(
    ("server", "kind"),
    [("prosody", "page"), ("prosody", "lyno"), ("ejabberd", "page")],
    indirect=["server"],
)
async def test_a_tab_that_only_gets_out_by_tcp_is_in_the_meeting(meeting: Meeting, kind: str) -> None:
    room = room_name()
    relayed = await meeting.open(kind, room, "relayed", ice="relay-tcp")
    tabs = [relayed, await meeting.open("page", room, "a"), await meeting.open("lyno", room, "b")]
    ids = [await tab.joined() for tab in tabs]
    await asyncio.gather(*(tab.sees_and_hears(set(ids) - {own}) for tab, own in zip(tabs, ids, strict=True)))
    sending = await relayed.sending()
    assert sending["candidate"] == "relay"
    assert sending["relayProtocol"] == "tcp"
    for tab in tabs:
        await tab.close()


async def test_feedback_lifts_the_estimate_and_a_small_picture_costs_a_third(meeting: Meeting) -> None:
    room = room_name()
    sender = await meeting.open("lyno", room, "sender", noise="1280x720", height="720")
    receiver = await meeting.open("lyno", room, "receiver")
    sent, received = await sender.joined(), await receiver.joined()
    await asyncio.gather(sender.sees_and_hears({received}), receiver.sees_and_hears({sent}))

    async def wanted(height: int) -> None:
        await receiver.call("receive", {"lastN": -1, "defaultConstraints": {"maxHeight": height}})

    async def bytes_in(seconds: float) -> float:
        before = (await receiver.received())[sent]["videoBytes"]
        await asyncio.sleep(seconds)
        return float((await receiver.received())[sent]["videoBytes"] - before)

    async def shown() -> int:
        return int((await receiver.received())[sent]["height"])

    async def estimated() -> bool:
        return bool((await sender.sending())["estimate"] > 1_000_000)

    await wanted(720)
    await eventually("availableOutgoingBitrate above 1 Mb/s", estimated, 15)
    print(f"availableOutgoingBitrate {(await sender.sending())['estimate'] / 1e6:.1f} Mb/s")

    async def large() -> bool:
        return await shown() == 720

    await eventually("the large layer arrives", large, 30)
    full = await bytes_in(5)
    await wanted(180)

    async def small() -> bool:
        return await shown() == 180

    await eventually("the small layer arrives", small, 15)
    reduced = await bytes_in(5)
    print(f"in 5 s: {full / 1000:.0f} kB at 720p, {reduced / 1000:.0f} kB at 180p")
    assert reduced * 3 < full, f"{reduced} bytes at 180p, {full} at 720p"
    await sender.close()
    await receiver.close()


@ON_BOTH_SERVERS
async def test_chat_reaches_the_others(meeting: Meeting) -> None:
    room = room_name()
    page, library = await meeting.open("page", room, "Ann"), await meeting.open("lyno", room, "Bob")
    await page.joined()
    await library.joined()
    await page.page.get_by_role("button", name="Chat").click()
    await page.page.get_by_label("Message").fill("hello <b>Bob</b>")
    await page.page.keyboard.press("Enter")

    async def read() -> bool:
        return "hello <b>Bob</b>" in await library.page.evaluate("JSON.stringify(window.meeting.events)")

    await eventually("the library reads it", read, 10)
    await library.call("chat", "hello Ann")
    await page.page.get_by_text("hello Ann").wait_for(timeout=10_000)
    await page.close()
    await library.close()
