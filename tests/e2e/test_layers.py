"""Simulcast in real tabs: each receiver gets the layer it asks for, screens stay readable."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.dev_server import ON_BOTH_SERVERS
from tests.e2e.harness import Meeting, Tab, eventually, room_name

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHARE = """async sourceName => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
  const context = canvas.getContext('2d');
  setInterval(() => {
    context.fillStyle = `hsl(${Math.random() * 360} 70% 50%)`;
    context.fillRect(Math.random() * 1280, Math.random() * 720, 200, 100);
  }, 66);
  navigator.mediaDevices.getDisplayMedia = async () => canvas.captureStream(15);
  const [track] = await JitsiMeetJS.createLocalTracks({ devices: ['desktop'] });
  await window.meeting.conference.addTrack(track);
  return track.getSourceName();
}"""
"""Shares a canvas as if it were a screen, beside the camera."""
SEVERAL_VIDEOS = """
let library;
Object.defineProperty(window, 'JitsiMeetJS', {
  get: () => library,
  set: value => {
    const init = value.init.bind(value);
    const flags = { sourceNameSignaling: true, sendMultipleVideoStreams: true };
    value.init = options => init({ ...options, flags });
    library = value;
  },
});"""
"""Lets the library send more than one video."""
VIDEOS = """async () => {
  const found = [];
  for (const connection of window.peerConnections)
    for (const one of (await connection.getStats()).values())
      if (one.type === 'inbound-rtp' && one.kind === 'video' && one.framesDecoded)
        found.push([one.frameHeight ?? 0, one.framesDecoded]);
  return found;
}"""


async def shown(tab: Tab) -> dict[str, Any]:
    """The pictures that come: height and frames of each."""
    return {str(place): one for place, one in enumerate(await tab.page.evaluate(VIDEOS))}


async def test_three_receivers_get_three_layers_of_a_noisy_picture(meeting: Meeting) -> None:
    room = room_name()
    sender = await meeting.open("lyno", room, "sender", noise="1280x720", height="720")
    sent = await sender.joined()
    heights = (180, 360, 720)
    receivers = [await meeting.open("lyno", room, f"r{height}") for height in heights]
    await asyncio.gather(*(receiver.joined() for receiver in receivers))
    for height, receiver in zip(heights, receivers, strict=True):
        wanted = {"lastN": -1, "defaultConstraints": {"maxHeight": 0}}
        wanted["constraints"] = {f"{sent}-v0": {"maxHeight": height}}
        await receiver.call("receive", wanted)

    async def estimated() -> bool:
        return bool((await sender.sending())["estimate"] > 1_000_000)

    async def layers() -> bool:
        got = [(await receiver.received()).get(sent, {}).get("height") for receiver in receivers]
        return got == list(heights)

    await eventually("availableOutgoingBitrate above 1 Mb/s", estimated, 30)
    await eventually("three layers", layers, 40)
    for tab in (sender, *receivers):
        await tab.close()


@ON_BOTH_SERVERS
async def test_a_screen_comes_beside_the_camera_and_is_not_made_small(meeting: Meeting) -> None:
    room = room_name()
    sender = await meeting.open("solyd", room, "a", SEVERAL_VIDEOS)
    receiver = await meeting.open("solyd", room, "b", SEVERAL_VIDEOS)
    ids = [await sender.joined(), await receiver.joined()]
    await asyncio.gather(sender.sees_and_hears({ids[1]}), receiver.sees_and_hears({ids[0]}))
    await receiver.call("receive", {"lastN": -1, "defaultConstraints": {"maxHeight": 180}})
    name = await sender.page.evaluate(SHARE, "")
    assert name == f"{ids[0]}-v1"

    async def both() -> bool:
        heights = sorted(height for height, frames in (await shown(receiver)).values() if frames > 5)
        return len(heights) >= 2 and heights[-1] >= 360

    await eventually("camera and screen", both, 30)
    for tab in (sender, receiver):
        await tab.close()
