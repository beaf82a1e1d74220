"""Meetings across browsers and generations: Firefox beside Chromium, three clients in one room."""

from __future__ import annotations

import asyncio

import pytest

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.firefox import Firefox
from tests.e2e.harness import PROBE, Meeting, Participant, room_name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

CAMERA = "640x360"


async def open_in_firefox(
    firefox: Firefox, meeting: Meeting, room: str, name: str, **options: str
) -> Participant:
    tab = await firefox.new_tab("page", PROBE)
    await meeting.enter(tab, room, name, camera=CAMERA, **options)
    return tab


async def all_see_and_hear(tabs: dict[str, Participant]) -> None:
    await asyncio.gather(*(tab.sees_and_hears(set(tabs) - {own}) for own, tab in tabs.items()))


async def mute_and_unmute(tabs: dict[str, Participant], *muters: str) -> None:
    """The muters mute microphone and camera, and all others see it; the same back."""
    for muted in (True, False):
        for kind in ("audio", "video"):
            await asyncio.gather(*(tabs[who].mute(kind, muted) for who in muters))
        for who in muters:
            others = [tab for own, tab in tabs.items() if own != who]
            for kind in ("audio", "video"):
                await asyncio.gather(*(tab.sees_muted(who, kind, muted) for tab in others))


@ON_BOTH_SERVERS
async def test_our_page_and_two_generations_of_lib_jitsi_meet_are_one_meeting(meeting: Meeting) -> None:
    room = room_name()
    opened = [await meeting.open(kind, room, camera=CAMERA) for kind in ("page", "lyno", "solyd")]
    tabs: dict[str, Participant] = {await tab.joined(): tab for tab in opened}
    await all_see_and_hear(tabs)

    await mute_and_unmute(tabs, list(tabs)[2])
    await all_see_and_hear(tabs)
    for tab in opened:
        await tab.close()


async def test_firefox_chromium_and_lib_jitsi_meet_are_one_meeting(
    firefox: Firefox, meeting: Meeting
) -> None:
    room = room_name()
    first = await open_in_firefox(firefox, meeting, room, "Fox", p2p="off")
    fox = await first.joined()
    tabs: dict[str, Participant] = {fox: first}
    for kind in ("page", "lyno"):
        opened = await meeting.open(kind, room, camera=CAMERA, p2p="off")
        tabs[await opened.joined()] = opened
    await all_see_and_hear(tabs)
    sending = await first.sending()
    assert sending["candidate"] in ("host", "prflx")
    assert len(sending["layers"]) == 3

    _, chromium, lyno = tabs
    await mute_and_unmute(tabs, fox, chromium)
    await all_see_and_hear(tabs)

    await tabs.pop(lyno).close()
    await all_see_and_hear(tabs)
    late = await open_in_firefox(firefox, meeting, room, "Late", p2p="off")
    tabs[await late.joined()] = late
    await all_see_and_hear(tabs)
    for tab in tabs.values():
        await tab.close()


async def test_firefox_gets_out_by_tcp_alone(firefox: Firefox, meeting: Meeting) -> None:
    room = room_name()
    relayed = await open_in_firefox(firefox, meeting, room, "Relayed", ice="relay-tcp", p2p="off")
    other = await meeting.open("page", room, "Ann", camera=CAMERA, p2p="off")
    tabs: dict[str, Participant] = {await relayed.joined(): relayed, await other.joined(): other}
    await all_see_and_hear(tabs)
    sending = await relayed.sending()
    assert sending["candidate"] == "relay"
    assert sending["relayProtocol"] == "tcp"
    for tab in tabs.values():
        await tab.close()
