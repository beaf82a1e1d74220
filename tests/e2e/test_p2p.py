"""Two alone in a room send directly (P2P), whoever they are; with a third one media go over the bridge."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.firefox import Firefox
from tests.e2e.harness import PROBE, Meeting, Participant, Tab, eventually, room_name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

CAMERA = "640x360"
OVERLAP_S = 4.0
"""After a change of ways both carry media for a while."""

CONNECTIONS = """async () => {
  const found = { bridge: null, direct: null };
  for (const connection of window.peerConnections) {
    if (connection.connectionState !== 'connected') continue;
    const reports = [...(await connection.getStats()).values()];
    const direct = connection.getTransceivers().some(one => one.currentDirection === 'sendrecv');
    const of = type => reports.filter(report => report.type === type);
    const named = id => reports.find(report => report.id === id);
    const chosen = of('transport').map(one => named(one.selectedCandidatePairId)).find(one => one)
      ?? of('candidate-pair').find(one => one.selected);
    const [local, remote] = [named(chosen?.localCandidateId), named(chosen?.remoteCandidateId)];
    const sum = (all, name) => all.reduce((before, one) => before + (one[name] ?? 0), 0);
    found[direct ? 'direct' : 'bridge'] = {
      sent: sum(of('outbound-rtp'), 'bytesSent'), received: sum(of('inbound-rtp'), 'bytesReceived'),
      local: local?.candidateType, remote: remote?.candidateType,
      localPort: local?.port, remotePort: remote?.port,
      ends: [local?.candidateType, remote?.candidateType],
    };
  }
  return found;
}"""
"""Of our page's connections: bytes of payload (senders at rest still probe with padding), and their ends."""

WATCH = """() => {
  const seen = window.seen = { frames: [], sounds: [], ways: [] };
  const tile = () => document.querySelector('[data-participant]:not([data-self])');
  let video = null;
  const frame = now => { seen.frames.push(now); video?.requestVideoFrameCallback(frame); };
  let last = { track: null, played: 0 };
  let way = '';
  const timer = setInterval(() => {
    if (window.seen !== seen) { clearInterval(timer); return; }
    const picture = tile()?.querySelector('video');
    if (picture && picture !== video) { video = picture; video.requestVideoFrameCallback(frame); }
    const now = document.body.dataset.way;
    if (now !== way) seen.ways.push([Math.round(performance.now()), now]);
    way = now;
    const [track] = tile()?.querySelector('audio')?.srcObject?.getTracks() ?? [];
    const receivers = window.peerConnections.flatMap(one => one.getReceivers());
    const receiver = receivers.find(one => one.track === track);
    const played = receiver?.getSynchronizationSources()[0]?.rtpTimestamp ?? 0;
    if (last.track === track && played !== last.played) seen.sounds.push(performance.now());
    last = { track, played };
  }, 20);
}"""
"""From now on notes when frames are shown and when the sound that is played goes on."""

GAPS = """() => {
  const { frames, sounds, ways } = window.seen;
  window.seen = null;
  const [, [change]] = ways;
  const spans = times => [...times, performance.now()].map((time, at) => [times[at - 1] ?? time, time]);
  const isNear = ([from, to]) => from < change + 3000 && to > change - 1500;
  const longest = (times, near) =>
    Math.max(0, ...spans(times).filter(span => isNear(span) === near).map(([from, to]) => to - from));
  return {
    frames: longest(frames, true), sounds: longest(sounds, true), counted: [frames.length, sounds.length],
    otherwise: [longest(frames, false), longest(sounds, false)], way: ways[1][1],
  };
}"""
"""The longest gaps around the change of ways, and at other times: what a busy machine does by itself."""

CANVAS = """
navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    setInterval(() => {
        context.fillStyle = `hsl(${Math.random() * 360} 70% 50%)`;
        context.fillRect(Math.random() * 640, Math.random() * 360, 100, 50);
    }, 100);
    return canvas.captureStream(10);
};
"""
"""Shares a canvas as if it were a screen."""

SCREEN = """async who => {
  const videos = [...document.querySelectorAll(`[data-screen="${who}"] video`)];
  const ids = videos.flatMap(video => video.srcObject?.getTracks() ?? []).map(track => track.id);
  let frames = 0;
  for (const connection of window.peerConnections)
    for (const one of (await connection.getStats()).values())
      if (one.type === 'inbound-rtp' && ids.includes(one.trackIdentifier)) frames += one.framesDecoded ?? 0;
  return frames;
}"""
"""How many frames of somebody's screen came, in the track that is shown."""

NICK = """
const random = crypto.getRandomValues.bind(crypto);
crypto.getRandomValues = array =>
    array instanceof Uint8Array && array.length === 4 ? array.fill(BYTE) : random(array);
"""
"""A page whose id is the smallest or the greatest there is: who has the smaller one offers."""


async def way(tab: Participant, wanted: str, timeout_s: float = 25.0) -> None:
    """Wait until the media that come to our page take that way."""

    async def taken() -> bool:
        return await tab.data("way") == wanted

    try:
        await eventually(f"media of {tab.kind} go {wanted}", taken, timeout_s)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await tab.story()}") from None


async def connections(tab: Participant) -> dict[str, Any]:
    """The connections of our page."""
    found: dict[str, Any] = await tab.evaluate(f"({CONNECTIONS})()")
    return found


async def gaps(tab: Participant, what: str, limit_ms: int = 1000) -> None:
    """The longest time without a frame and without sound at the change of ways is below the limit."""
    await eventually("the change is noted", lambda: tab.evaluate("window.seen.ways.length > 1"), 5)
    found = await tab.evaluate(f"({GAPS})()")
    others = " and ".join(f"{gap:.0f}" for gap in found["otherwise"])
    print(
        f"{what}, to the {found['way']} way: {found['frames']:.0f} ms without a picture, "
        f"{found['sounds']:.0f} ms without sound; at other times {others} ms"
    )
    assert min(found["counted"]) > 5
    assert found["frames"] < limit_ms
    assert found["sounds"] < limit_ms


async def bridge_rests(tab: Participant) -> None:
    """Soon nothing goes over the bridge, and everything goes directly."""

    async def rests() -> bool:
        before = await connections(tab)
        await asyncio.sleep(2)
        after = await connections(tab)
        for way in ("sent", "received"):
            assert after["direct"][way] > before["direct"][way] + 5000
        # A lost packet may be sent again.
        return all(after["bridge"][way] < before["bridge"][way] + 1000 for way in ("sent", "received"))

    await eventually("the bridge carries nothing", rests, 20)


async def see_each_other(tabs: dict[str, Participant]) -> None:
    await asyncio.gather(*(tab.sees_and_hears(set(tabs) - {own}) for own, tab in tabs.items()))


async def pair(meeting: Meeting, room: str, **options: str) -> tuple[Tab, Tab, dict[str, Participant]]:
    """Two of our pages in a room, with direct connections."""
    first, second = [
        await meeting.open("page", room, name, camera=CAMERA, **options) for name in ("Ann", "Bob")
    ]
    tabs: dict[str, Participant] = {await first.joined(): first, await second.joined(): second}
    await asyncio.gather(way(first, "direct"), way(second, "direct"))
    await see_each_other(tabs)
    return first, second, tabs


async def test_two_pages_are_direct_until_a_third_comes_and_again_when_it_is_gone(meeting: Meeting) -> None:
    room = room_name()
    first, second, tabs = await pair(meeting, room)
    mine, theirs = await connections(first), await connections(second)
    assert mine["direct"]["remotePort"] == theirs["direct"]["localPort"]
    assert mine["bridge"]["remotePort"] != mine["direct"]["remotePort"]
    await asyncio.gather(bridge_rests(first), bridge_rests(second))

    for tab in (first, second):
        await tab.evaluate(f"({WATCH})()")
    third = await meeting.open("page", room, "Cem", camera=CAMERA)
    late = await third.joined()
    await asyncio.gather(way(first, "bridge"), way(second, "bridge"))
    await asyncio.sleep(OVERLAP_S)
    await asyncio.gather(gaps(first, "Ann, a third joins"), gaps(second, "Bob, a third joins"))
    await see_each_other({**tabs, late: third})
    assert await third.data("way") == "bridge"
    assert (await connections(first))["direct"] is None

    for tab in (first, second):
        await tab.evaluate(f"({WATCH})()")
    await third.close()
    await asyncio.gather(way(first, "direct"), way(second, "direct"))
    await asyncio.gather(gaps(first, "Ann, the third left"), gaps(second, "Bob, the third left"))
    await see_each_other(tabs)
    await bridge_rests(first)
    for tab in (first, second):
        await tab.close()


@ON_BOTH_SERVERS
async def test_muting_works_directly(meeting: Meeting) -> None:
    first, second, tabs = await pair(meeting, room_name())
    own = await first.data("me")
    for kind in ("audio", "video"):
        await first.mute(kind, True)
        await second.sees_muted(own, kind, True)
        await first.mute(kind, False)
        await second.sees_muted(own, kind, False)
    await see_each_other(tabs)
    assert await first.data("way") == "direct"
    await first.close()
    await second.close()


async def test_a_shared_screen_comes_directly_and_stays_when_a_third_one_joins(meeting: Meeting) -> None:
    room = room_name()
    first = await meeting.open("page", room, "Ann", CANVAS, camera=CAMERA)
    second = await meeting.open("page", room, "Bob", camera=CAMERA)
    own = await first.joined()
    await second.joined()
    await asyncio.gather(way(first, "direct"), way(second, "direct"))
    await first.press("Share screen")
    assert await screen(second, own) > 0
    assert [await tab.data("way") for tab in (first, second)] == ["direct", "direct"]

    third = await meeting.open("page", room, "Cem", camera=CAMERA)
    await third.joined()
    await way(second, "bridge")
    for tab in (second, third):
        before = await screen(tab, own)

        async def rises(tab: Tab = tab, before: int = before) -> bool:
            return await screen(tab, own) > before + 5

        await eventually("the screen goes on", rises)
    for tab in (first, second, third):
        await tab.close()


async def screen(tab: Tab, who: str) -> int:
    """Wait for a picture of somebody's screen; the frames of it so far."""

    async def frames() -> int:
        return int(await tab.evaluate(f"({SCREEN})({who!r})"))

    return int(await eventually("a screen", frames))


@pytest.mark.parametrize(("kind", "byte", "role"), [("lyno", "0", "offers"), ("solyd", "255", "answers")])
async def test_our_page_is_direct_with_lib_jitsi_meet(
    meeting: Meeting, kind: str, byte: str, role: str
) -> None:
    room = room_name()
    page = await meeting.open("page", room, "Ann", NICK.replace("BYTE", byte), camera=CAMERA)
    library = await meeting.open(kind, room, "Bob", camera=CAMERA, p2p="on")
    tabs: dict[str, Participant] = {await page.joined(): page, await library.joined(): library}
    await way(page, "direct")
    assert await library.evaluate("window.meeting.conference.isP2PActive()")
    await see_each_other(tabs)
    await bridge_rests(page)

    own = await page.data("me")
    await page.mute("video", True)
    await library.sees_muted(own, "video", True)
    await page.mute("video", False)
    await library.sees_muted(own, "video", False)
    await see_each_other(tabs)

    await page.evaluate(f"({WATCH})()")
    third = await meeting.open("page", room, "Cem", camera=CAMERA)
    late = await third.joined()
    await way(page, "bridge")
    await asyncio.sleep(OVERLAP_S)
    # lib-jitsi-meet ends the direct session first and then negotiates its streams with the bridge anew.
    await gaps(page, f"our page that {role} to {kind}, a third joins", 3000)
    await see_each_other({**tabs, late: third})
    await third.close()
    await way(page, "direct")
    await see_each_other(tabs)
    for tab in (page, library):
        await tab.close()


async def test_our_page_stays_on_the_bridge_with_a_lib_jitsi_meet_that_is_never_direct(
    meeting: Meeting,
) -> None:
    room = room_name()
    page = await meeting.open("page", room, "Ann", NICK.replace("BYTE", "0"), camera=CAMERA)
    library = await meeting.open("lyno", room, "Bob", camera=CAMERA)
    tabs: dict[str, Participant] = {await page.joined(): page, await library.joined(): library}
    await see_each_other(tabs)
    refused = await_log(page, "offering -> resting")
    await eventually("the offer is declined", refused, 10)
    await see_each_other(tabs)
    assert await page.data("way") == "bridge"
    assert await page.data("problems") == ""
    for tab in (page, library):
        await tab.close()


def await_log(tab: Participant, text: str) -> Any:
    """A condition: this was written to the console."""

    async def written() -> bool:
        return any(text in line for line in tab.log)

    return written


async def test_firefox_and_chromium_are_direct(firefox: Firefox, meeting: Meeting) -> None:
    for byte in ("0", "255"):  # Firefox offers, and answers
        room = room_name()
        fox = await firefox.new_tab("page", PROBE, NICK.replace("BYTE", byte))
        await meeting.enter(fox, room, "Fox", camera=CAMERA)
        other = await meeting.open("page", room, "Ann", camera=CAMERA)
        tabs: dict[str, Participant] = {await fox.joined(): fox, await other.joined(): other}
        await asyncio.gather(way(fox, "direct"), way(other, "direct"))
        await see_each_other(tabs)
        await bridge_rests(other)
        for tab in tabs.values():
            await tab.close()


async def test_direct_by_relays_where_nothing_else_gets_through(meeting: Meeting) -> None:
    first, second, _ = await pair(meeting, room_name(), ice="relay-tcp")
    found = [(await connections(tab))["direct"]["ends"] for tab in (first, second)]
    assert found == [["relay", "relay"], ["relay", "relay"]]
    for tab in (first, second):
        await tab.close()


async def test_who_switched_it_off_stays_on_the_bridge(meeting: Meeting) -> None:
    room = room_name()
    first = await meeting.open("page", room, "Ann", NICK.replace("BYTE", "0"), camera=CAMERA)
    second = await meeting.open("page", room, "Bob", camera=CAMERA, p2p="off")
    tabs: dict[str, Participant] = {await first.joined(): first, await second.joined(): second}
    await see_each_other(tabs)
    await eventually("the offer is declined", await_log(first, "offering -> resting"), 10)
    await see_each_other(tabs)
    assert [await tab.data("way") for tab in tabs.values()] == ["bridge", "bridge"]
    assert [(await connections(tab))["direct"] for tab in tabs.values()] == [None, None]
    for tab in tabs.values():
        await tab.close()


async def test_a_direct_way_that_breaks_is_replaced_by_the_bridge_without_a_word(meeting: Meeting) -> None:
    first, second, tabs = await pair(meeting, room_name())
    await asyncio.sleep(OVERLAP_S)
    await second.evaluate(
        "window.peerConnections.filter(one => one.getTransceivers()"
        ".some(({ currentDirection }) => currentDirection === 'sendrecv')).forEach(one => one.close())"
    )
    await asyncio.gather(way(first, "bridge"), way(second, "bridge"))
    await see_each_other(tabs)
    assert [await tab.data("problems") for tab in tabs.values()] == ["", ""]
    for tab in tabs.values():
        await tab.close()
