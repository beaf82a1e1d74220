"""Chromium as a client that knows one stream of each media and announces no SSRCs: the bridge alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Browser, Page

from tests.e2e.harness import eventually
from tests.e2e.test_bridge_chromium import (
    AUDIO,
    VIDEO,
    Bench,
    bench,
    chromium_tabs,
    offer,
    open_tab,
)

__all__ = ["bench", "chromium_tabs"]

SINGLE = ["source-names", "single-stream", "unsignalled-sources"]
RECEIVED = """async () => {
  const found = {frames: 0, energy: 0, packets: 0, ssrcs: []};
  for (const one of (await pc.getStats()).values()) {
    if (one.type !== 'inbound-rtp') continue;
    if (one.packetsReceived) found.ssrcs.push(one.ssrc);
    if (one.kind === 'video') found.frames += one.framesDecoded ?? 0;
    if (one.kind !== 'audio') continue;
    found.energy += one.totalAudioEnergy ?? 0;
    found.packets += one.packetsReceived;
  }
  return found;
}"""


PLAY = """() => {
  for (const receiver of pc.getReceivers()) {
    const element = document.createElement(receiver.track.kind);
    element.srcObject = new MediaStream([receiver.track]);
    document.body.append(element);
    element.play();
  }
}"""


async def add(bench: Bench, endpoint: str, capabilities: list[str], *, create: bool) -> dict[str, Any]:
    """The answer about a new endpoint."""
    body = {
        "meeting-id": "meeting",
        "name": "room@conference.localhost",
        "create": create,
        "endpoints": [
            {
                "id": endpoint,
                "create": True,
                "capabilities": capabilities,
                "medias": [AUDIO, VIDEO],
                "transport": {"ice-controlling": True},
            }
        ],
    }
    answer = await bench.request("POST" if create else "PATCH", "" if create else "/meeting", body)
    told: dict[str, Any] = answer["endpoints"][0]
    return told


async def join_single(bench: Bench, tab: Page, endpoint: str, *more: str, create: bool = False) -> set[int]:
    """Connect a tab as a plain client; returns the SSRCs that it was told of (without RTX)."""
    told = await add(bench, endpoint, [*SINGLE, *more], create=create)
    down = [{"type": source["type"], "ssrcs": source["sources"]} for source in told["sources"]]
    answer = await tab.evaluate("answer", offer(told["transport"]["transport"], 1, down))
    await tab.evaluate(PLAY)
    await bench.accept(endpoint, re.sub(r"a=ssrc.*\r\n", "", answer))
    announced = [
        {"type": "audio", "id": f"{endpoint}-a0", "sources": [announced_ssrc(endpoint)]},
        {"type": "video", "id": f"{endpoint}-v0", "sources": [announced_ssrc(endpoint) + 1]},
    ]
    await bench.request("PATCH", "/meeting", {"endpoints": [{"id": endpoint, "sources": announced}]})
    return {source["ssrcs"][0] for source in down}


def announced_ssrc(endpoint: str) -> int:
    """What the signalling made up for a client's audio; its video has the next number."""
    return 1000 * ord(endpoint)


def announced_sources(endpoint: str) -> list[dict[str, Any]]:
    ssrc = announced_ssrc(endpoint)
    return [{"type": "audio", "ssrcs": [ssrc]}, {"type": "video", "ssrcs": [ssrc + 1]}]


def receives(tab: Page, holds: Callable[[dict[str, Any]], bool]) -> Callable[[], Awaitable[Any]]:
    async def look() -> Any:
        report = await tab.evaluate(RECEIVED)
        return report if holds(report) else None

    return look


async def test_a_plain_client_hears_and_sees_itself(bench: Bench, chromium_tabs: Browser) -> None:
    tab = await open_tab(chromium_tabs)
    told = await join_single(bench, tab, "p", "echo", create=True)
    report = await eventually(
        "frames and sound come back",
        receives(tab, lambda one: one["frames"] > 60 and one["packets"] > 100 and one["energy"] > 0),
    )
    assert set(report["ssrcs"]) <= told
    stats = bench.bridge.registry.conferences["meeting"].router.stats(0.0)["endpoints"]["p"]
    assert not stats["dropped"], stats


async def test_two_plain_clients_and_a_tab_are_in_one_meeting(bench: Bench, chromium_tabs: Browser) -> None:
    tabs = {name: await open_tab(chromium_tabs) for name in "apq"}
    first = await add(bench, "a", ["source-names"], create=True)
    transport = first["transport"]["transport"]
    await bench.accept("a", await tabs["a"].evaluate("answer", offer(transport, 1, [])))
    told = {name: await join_single(bench, tabs[name], name) for name in "pq"}
    await tabs["a"].evaluate("answer", offer(transport, 2, announced_sources("p")))
    await tabs["a"].evaluate(PLAY)
    reports = await asyncio.gather(
        *(
            eventually(
                f"{name} sees and hears",
                receives(tab, lambda one: one["frames"] > 60 and one["packets"] > 100 and one["energy"] > 0),
                60,
            )
            for name, tab in tabs.items()
        )
    )
    by_name = dict(zip(tabs, reports, strict=True))
    assert set(by_name["p"]["ssrcs"]) <= told["p"]
    assert set(by_name["q"]["ssrcs"]) <= told["q"]
    assert set(by_name["a"]["ssrcs"]) >= {announced_ssrc("p"), announced_ssrc("p") + 1}
