"""Two Chromium tabs through the bridge alone: Colibri2 over REST, SDP made here from its answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page

from bridge.main import Bridge, make_router
from carillon.settings import BridgeSettings
from carillon.settings.rules import Addresses
from tests.e2e.harness import chromium

PAGE = """<!doctype html><title>tab</title><script>
async function answer(sdp) {
  window.pc = window.pc || new RTCPeerConnection();
  if (!window.local) {
    window.local = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 640, height: 360}});
  }
  await pc.setRemoteDescription({type: 'offer', sdp});
  if (!pc.getSenders().some(sender => sender.track))
    for (const track of local.getTracks()) {
      const transceiver = pc.getTransceivers().find(one => one.receiver.track.kind === track.kind);
      transceiver.direction = 'sendrecv';
      await transceiver.sender.replaceTrack(track);
    }
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
async function report() {
  const found = {frames: 0, audioPackets: 0, state: pc.connectionState};
  for (const one of (await pc.getStats()).values()) {
    if (one.type === 'inbound-rtp' && one.kind === 'video') found.frames += one.framesDecoded;
    if (one.type === 'inbound-rtp' && one.kind === 'audio') found.audioPackets += one.packetsReceived;
    if (one.type === 'transport') Object.assign(found, {srtp: one.srtpCipher, ice: one.iceRole});
  }
  return found;
}
</script>"""

AUDIO: dict[str, Any] = {
    "type": "audio",
    "payload-types": [{"id": "111", "name": "opus", "clockrate": "48000", "channels": "2"}],
    "rtp-hdrexts": [{"id": 1, "uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}],
}
FEEDBACK = [{"type": "nack"}, {"type": "nack", "subtype": "pli"}, {"type": "transport-cc"}]
VIDEO: dict[str, Any] = {
    "type": "video",
    "payload-types": [
        {"id": "100", "name": "VP8", "clockrate": "90000", "rtcp-fbs": FEEDBACK},
        {"id": "96", "name": "rtx", "clockrate": "90000", "parameters": {"apt": "100"}},
    ],
    "rtp-hdrexts": [
        {"id": 5, "uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"}
    ],
}


def offer(transport: dict[str, Any], version: int, remote: list[dict[str, Any]]) -> str:
    """The bridge's side as SDP, as a Jitsi client makes it of Jingle: full ICE, actpass, no mid extension."""
    candidate, fingerprint = transport["candidates"][0], transport["fingerprints"][0]
    lines = ["v=0", f"o=- 1 {version} IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    for mid, (kind, payloads) in enumerate((("audio", "111"), ("video", "100 96"))):
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {payloads}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            "a=sendrecv",
            "a=rtcp-mux",
            f"a=ice-ufrag:{transport['ufrag']}",
            f"a=ice-pwd:{transport['pwd']}",
            f"a=fingerprint:sha-256 {fingerprint['fingerprint']}",
            "a=setup:actpass",
            f"a=candidate:{candidate['foundation']} 1 udp {candidate['priority']} {candidate['ip']} "
            f"{candidate['port']} typ host",
        ]
        if kind == "audio":
            lines += ["a=rtpmap:111 opus/48000/2", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level"]
        else:
            lines += ["a=rtpmap:100 VP8/90000", "a=rtpmap:96 rtx/90000", "a=fmtp:96 apt=100"]
            lines += ["a=rtcp-fb:100 nack", "a=rtcp-fb:100 nack pli", "a=rtcp-fb:100 transport-cc"]
            lines += [f"a=extmap:5 {VIDEO['rtp-hdrexts'][0]['uri']}"]
        for source in remote:
            if source["type"] == kind:
                lines += ["a=ssrc-group:FID " + " ".join(map(str, source["ssrcs"]))] * (
                    len(source["ssrcs"]) > 1
                )
                lines += [
                    f"a=ssrc:{ssrc} {key}"
                    for ssrc in source["ssrcs"]
                    for key in ("cname:other", f"msid:other {kind}")
                ]
    return "\r\n".join(lines) + "\r\n"


def sources(sdp: str) -> list[dict[str, Any]]:
    """Audio SSRC and video SSRC with its RTX partner out of an answer."""
    found = []
    for section in re.split(r"(?m)^(?=m=)", sdp)[1:]:
        ssrcs = list(dict.fromkeys(int(number) for number in re.findall(r"a=ssrc:(\d+)", section)))
        found.append({"type": section[2:7], "ssrcs": ssrcs})
    return found


class Bench:
    """A running bridge and its REST interface."""

    def __init__(self, bridge: Bridge, http: aiohttp.ClientSession) -> None:
        self.bridge = bridge
        self._http = http
        self._url = f"http://127.0.0.1:{bridge.rest_port}/colibri/v2/conferences"

    async def request(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._http.request(method, self._url + path, json=body) as response:
            assert response.status == 200, await response.text()
            answer: dict[str, Any] = await response.json()
            return answer

    async def add(self, endpoint: str, *, create: bool) -> dict[str, Any]:
        body = {
            "meeting-id": "meeting",
            "name": "room@conference.localhost",
            "create": create,
            "endpoints": [
                {
                    "id": endpoint,
                    "create": True,
                    "capabilities": ["source-names"],
                    "medias": [AUDIO, VIDEO],
                    "transport": {"ice-controlling": True},
                }
            ],
        }
        answer = await self.request("POST" if create else "PATCH", "" if create else "/meeting", body)
        transport: dict[str, Any] = answer["endpoints"][0]["transport"]["transport"]
        return transport

    async def accept(self, endpoint: str, sdp: str) -> None:
        def first(pattern: str) -> str:
            match = re.search(pattern, sdp)
            assert match is not None, sdp
            return match[1]

        media = [
            {
                "type": source["type"],
                "id": f"{endpoint}-{source['type'][0]}0",
                "sources": [{"ssrc": ssrc} for ssrc in source["ssrcs"]],
                "ssrc-groups": [{"semantics": "FID", "sources": source["ssrcs"]}]
                * (len(source["ssrcs"]) > 1),
            }
            for source in sources(sdp)
        ]
        transport = {
            "ufrag": first(r"a=ice-ufrag:(\S+)"),
            "pwd": first(r"a=ice-pwd:(\S+)"),
            "fingerprints": [
                {"hash": "sha-256", "fingerprint": first(r"a=fingerprint:sha-256 (\S+)"), "setup": "active"}
            ],
        }
        body = {"id": endpoint, "transport": {"transport": transport}, "sources": media}
        await self.request("PATCH", "/meeting", {"endpoints": [body]})


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    settings = BridgeSettings(
        rest="127.0.0.1:0",
        control="",
        address=Addresses(("127.0.0.1",)),
        advertise=Addresses(),
        port=0,
        websocket_url="ws://127.0.0.1/colibri-ws",
        max_endpoints=10,
        consent_timeout_s=30.0,
    )
    bridge = Bridge(settings, make_router)
    await bridge.start()
    async with aiohttp.ClientSession() as http:
        yield Bench(bridge, http)
    await bridge.stop()


@pytest.fixture
async def chromium_tabs() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


async def open_tab(browser: Browser) -> Page:
    page = await browser.new_page()
    await page.route("**/*", lambda route: route.fulfill(content_type="text/html", body=PAGE))
    await page.goto("http://localhost/")
    return page


async def reports_when(tabs: dict[str, Page], good: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """What all tabs report as soon as each report is good."""
    async with asyncio.timeout(20):
        while True:
            reports = [await tab.evaluate("report()") for tab in tabs.values()]
            if all(map(good, reports)):
                return reports
            await asyncio.sleep(0.3)


async def test_two_tabs_decode_each_other_survive_an_ice_restart_and_say_good_bye(
    bench: Bench, chromium_tabs: Browser
) -> None:
    names = ("a", "b")
    tabs = {name: await open_tab(chromium_tabs) for name in names}
    transports = {name: await bench.add(name, create=name == "a") for name in names}
    answers: dict[str, str] = {}
    for name in names:
        answers[name] = await tabs[name].evaluate("answer", offer(transports[name], 1, []))
        await bench.accept(name, answers[name])
    for name, other in (("a", "b"), ("b", "a")):
        await tabs[name].evaluate("answer", offer(transports[name], 2, sources(answers[other])))
    reports = await reports_when(tabs, lambda one: one["frames"] > 30 and one["audioPackets"] > 50)
    for report in reports:
        assert report["state"] == "connected"
        assert report["ice"] == "controlled"
        assert report["srtp"].endswith("AEAD_AES_128_GCM")

    restarted = await bench.request(
        "PATCH", "/meeting", {"endpoints": [{"id": "a", "transport": {"ice-restart": True}}]}
    )
    fresh = restarted["endpoints"][0]["transport"]["transport"]
    assert fresh["ufrag"] != transports["a"]["ufrag"]
    answers["a"] = await tabs["a"].evaluate("answer", offer(fresh, 3, sources(answers["b"])))
    await bench.accept("a", answers["a"])
    before = max(report["frames"] for report in reports)
    endpoint = bench.bridge.registry.conferences["meeting"].endpoints["a"]
    reports = await reports_when(
        tabs,
        lambda one: one["frames"] > before + 30 and endpoint.transport.ice.ufrags() == (fresh["ufrag"],),
    )
    assert all(report["state"] == "connected" for report in reports)

    await tabs["a"].evaluate("pc.close()")
    async with asyncio.timeout(3):
        while "a" in bench.bridge.registry.conferences["meeting"].endpoints:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
