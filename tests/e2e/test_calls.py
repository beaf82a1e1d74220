"""stanza.js, an ordinary Jingle client, calls the echo test and rooms, through a real Prosody and bridge."""

from __future__ import annotations

import asyncio

import pytest

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.calling import Caller, Callers, caller_page, caller_script, callers, voice
from tests.e2e.harness import Meeting, Tab, eventually, room_name

__all__ = ["caller_page", "caller_script", "callers"]

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

FOLLOWED_S = 2.0
"""Within this time the caller sees who has begun to speak."""


@ON_BOTH_SERVERS
async def test_a_direct_call_to_the_echo_test_brings_back_sound_and_picture(callers: Callers) -> None:
    caller = await callers.open()
    echo = f"echo@{caller.endpoints['calls']}"
    features = (await caller.do("info", f"{echo}/bridge"))["features"]
    assert "urn:xmpp:jingle:apps:rtp:1" in features
    await caller.do("start", f"{echo}/bridge", "direct-1", True)
    await caller.connected()
    found = await caller.hears_and_sees()
    assert [len(found["ssrcs"][media]) for media in ("audio", "video")] == [1, 1]
    await caller.do("end")


@ON_BOTH_SERVERS
async def test_a_proposed_call_is_answered_once_and_finished(callers: Callers) -> None:
    caller = await callers.open()
    echo = f"echo@{caller.endpoints['calls']}"
    sid = await caller.do("propose", echo, True)

    async def proceeded() -> bool:
        return ["proceed", sid, f"{echo}/bridge"] in (await caller.heard())["jmi"]

    await caller.until("proceed", proceeded)
    await caller.do("start", f"{echo}/bridge", sid, True)
    await caller.connected()
    await caller.hears_and_sees()
    await caller.do("end")

    async def finished() -> bool:
        return bool((await caller.heard())["jmi"][-1][:2] == ["finish", sid])

    await caller.until("finish", finished)
    assert [step for step, *_ in (await caller.heard())["jmi"]] == ["ringing", "proceed", "finish"]


@ON_BOTH_SERVERS
async def test_a_caller_and_two_jitsi_tabs_see_and_hear_each_other(
    callers: Callers, meeting: Meeting
) -> None:
    room = room_name()
    tabs = [await meeting.open("lyno", room, name) for name in ("first", "second")]
    ids = [await tab.joined() for tab in tabs]
    caller = await callers.open()
    await caller.do("start", f"{room}@{caller.endpoints['calls']}/bridge", "room-1", True)
    await caller.connected()
    first = await caller.hears_and_sees(60)

    async def everybody() -> set[str]:
        others = set(await tabs[0].received())
        return others if len(others) == 2 and ids[1] in others else set()

    (me,) = await eventually("the caller is in the room", everybody) - {ids[1]}
    for tab, other in zip(tabs, reversed(ids), strict=True):
        await tab.sees_and_hears({other, me}, 60)

    await caller.do("mute", "audio")

    async def muted() -> bool:
        return bool((await tabs[0].received())[me]["audioMuted"] == "true")

    await eventually("the room shows that the caller is muted", muted)
    await caller.do("unmute", "audio")
    await caller.hears_and_sees(60)

    await caller.do("hold")
    await tabs[0].sees_muted(me, "video", True)
    await caller.gets_no("frames", "audioPackets")
    await caller.do("resume")
    await tabs[0].sees_muted(me, "video", False)
    await caller.hears_and_sees(60)
    await caller.do("modify", "initiator")
    await caller.gets_no("frames")
    await tabs[0].sees_and_hears({ids[1], me}, 60)
    await caller.do("modify", "both")
    last = await caller.hears_and_sees(60)
    assert [len(first["ssrcs"][media]) for media in ("audio", "video")] == [1, 1]
    assert last["ssrcs"] == first["ssrcs"]

    await caller.do("end")

    async def gone() -> bool:
        return set(await tabs[0].received()) == {ids[1]}

    await eventually("the caller has left the room", gone)
    for tab in tabs:
        await tab.close()


async def speaks(tab: Tab | Caller, on: bool) -> int:
    """Have a tab begin or end to speak; gives the time (ms)."""
    return int(await tab.page.evaluate("on => window.speak(on)", on))


async def shows(caller: Caller, colour: str, since: int) -> int:
    """When the caller's picture had that colour first after `since` (ms)."""

    async def seen() -> list[int]:
        at, last = (await caller.page.evaluate("window.seen.at(-1)")) or (0, "")
        return [max(at, since)] if last == colour else []

    return int((await caller.until(f"the picture is {colour}", seen))[0])


async def hears(tab: Tab | Caller, others: int) -> None:
    """Wait until audible sound of so many streams has arrived."""

    async def audible() -> bool:
        energies: dict[str, float] = await tab.page.evaluate("window.energies()")
        return sum(energy > 0 for energy in energies.values()) >= others

    await eventually(f"{others} audible streams", audible)


async def test_the_caller_sees_whoever_speaks_and_all_hear_all(callers: Callers, meeting: Meeting) -> None:
    room = room_name()
    tabs = {
        colour: await meeting.open("lyno", room, colour, script=voice(colour)) for colour in ("red", "green")
    }
    for tab in tabs.values():
        await tab.joined()
    caller = await callers.open(script=voice("blue"))
    await caller.do("start", f"{room}@{caller.endpoints['calls']}/bridge", "room-2", True)
    await caller.connected()
    await caller.page.evaluate("window.watch()")
    await shows(caller, "red", await speaks(tabs["red"], True))
    first, took = await caller.received(), []
    for colour, other in (("green", "red"), ("red", "green")) * 2:
        await speaks(tabs[other], False)
        began = await speaks(tabs[colour], True)
        took.append((await shows(caller, colour, began) - began) / 1000)
        await asyncio.sleep(3)
    print("the caller sees the new speaker after (s):", took)
    assert max(took) < FOLLOWED_S, took

    await speaks(caller, True)
    await asyncio.gather(hears(caller, 1), *(hears(tab, 2) for tab in tabs.values()))
    await asyncio.sleep(2)
    assert "blue" not in [colour for _, colour in await caller.page.evaluate("window.seen")]
    last = await caller.received()
    assert last["ids"] == first["ids"] and last["ssrcs"] == first["ssrcs"]
    signalled = (await caller.heard())["signalled"]
    assert [signalled["0"], signalled["1"][:1]] == [first["ssrcs"]["audio"], first["ssrcs"]["video"]]
    assert [len(signalled[name]) for name in ("0", "1")] == [1, 2], "audio; video and its retransmissions"
    for tab in tabs.values():
        await tab.close()


async def call_room(caller: Caller, room: str, *, video: bool = True) -> str:
    """Call a room and wait until media can flow; returns whom was called."""
    callee = f"{room}@{caller.endpoints['calls']}/bridge"
    await caller.do("start", callee, f"sid-{room}", video)
    await caller.connected()
    return callee


async def other_than(tab: Tab, *known: str) -> str:
    """Wait until there is somebody else in the room; returns the id."""

    async def others() -> list[str]:
        return [one for one in await tab.received() if one not in known]

    return str((await eventually("somebody else is in the room", others))[0])


async def test_a_caller_adds_video_and_takes_it_back(callers: Callers, meeting: Meeting) -> None:
    room = room_name()
    tab = await meeting.open("lyno", room, "first")
    await tab.joined()
    caller = await callers.open()
    await call_room(caller, room, video=False)
    me = await other_than(tab)
    await tab.sees_muted(me, "video", True)
    await caller.do("addVideo")
    found = await caller.hears_and_sees(40)
    assert [len(found["ssrcs"][media]) for media in ("audio", "video")] == [1, 1]
    await tab.sees_and_hears({me}, 40)
    await tab.sees_muted(me, "video", False)
    await caller.do("removeVideo")

    async def removed() -> bool:
        return ["track-removed", me] in [event[1:] for event in await tab.evaluate("meeting.events")]

    await eventually("the room has the picture no more", removed)
    assert (await caller.heard())["ended"] is None
    await caller.do("end")
    await tab.close()


@pytest.mark.parametrize("callee", ["echo", "room"])
async def test_ice_restarts_in_the_call(callers: Callers, meeting: Meeting, callee: str) -> None:
    caller = await callers.open()
    if callee == "room":
        callee = room_name()
        tab = await meeting.open("lyno", callee, "first")
        await tab.joined()
    await call_room(caller, callee)
    first = await caller.hears_and_sees(40)
    before, after = await caller.do("restart")
    assert before != after
    await caller.connected()
    last = await caller.hears_and_sees(40)
    assert last["ids"] == first["ids"] and last["ssrcs"] == first["ssrcs"]
    assert (await caller.heard())["ended"] is None
    await caller.do("end")


async def test_what_is_written_goes_both_ways(callers: Callers, meeting: Meeting) -> None:
    room = room_name()
    tab = await meeting.open("lyno", room, "first")
    await tab.joined()
    caller = await callers.open()
    callee = await call_room(caller, room)
    await other_than(tab)
    await caller.do("chat", callee, "hello room")

    async def said() -> bool:
        return ["chat", "hello room"] in [event[1:] for event in await tab.evaluate("meeting.events")]

    await eventually("the room reads the caller", said)
    await tab.call("chat", "hello caller")

    async def read() -> list[str]:
        told = (await caller.heard())["chat"]
        return [one for one in told if one.endswith("hello caller")]

    assert await caller.until("the caller reads the room", read) == ["first: hello caller"]
    assert not [one for one in (await caller.heard())["chat"] if "hello room" in one]
    await tab.close()


async def test_callers_that_are_gone_leave_the_room(callers: Callers, meeting: Meeting) -> None:
    room = room_name()
    tab = await meeting.open("lyno", room, "first")
    await tab.joined()
    frozen, vanished = await callers.open("alice"), await callers.open("bob")
    await call_room(frozen, room)
    first = await other_than(tab)
    await call_room(vanished, room)
    await other_than(tab, first)
    await frozen.do("freeze")  # its media stop
    await vanished.do("vanish")  # and this one is not heard of any more

    async def left() -> bool:
        return not await tab.received()

    await eventually("both are out of the room", left, 50)
    assert (await frozen.heard())["ended"][0] == "connectivity-error"
    await tab.close()
