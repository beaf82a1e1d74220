"""Rooms of real tabs, measured from inside: loaded first, then let in: loading a page is not counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.harness import Meeting, Tab, room_name

CLOCK = Path(__file__).with_name("clock.js").read_text(encoding="utf-8")
SHOWN_TIMEOUT_S = 60.0
Marks = dict[str, float]
"""When each step of joining happened in a tab (ms): see clock.js."""

INTERVALS = {
    "connect_ms": ("connect", "bound"),
    "request_answer_ms": ("request", "answer"),
    "connect_joined_ms": ("connect", "joined"),
    "joined_offer_ms": ("joined", "offer"),
    "offer_ice_ms": ("offer", "ice"),
    "offer_dtls_ms": ("offer", "dtls"),
    "offer_channel_ms": ("offer", "channel"),
    "offer_frame_ms": ("offer", "frame"),
    "join_frame_ms": ("request", "frame"),
}
"""What is reported: from which step to which. `join` of a library is its conference request."""


def interval(marks: Marks, name: str) -> float | None:
    """How long one of INTERVALS took in a tab; None when one of its ends did not happen."""
    begin, end = INTERVALS[name]
    return marks[end] - marks[begin] if begin in marks and end in marks else None


def intervals(tabs: Iterable[Marks], name: str) -> list[float]:
    """How long one of INTERVALS took in those tabs where it happened."""
    return [taken for marks in tabs if (taken := interval(marks, name)) is not None]


async def measured_room(meeting: Meeting, kind: str, *, tabs: int, apart_s: float) -> list[Marks]:
    """Let tabs of one kind into a new room, `apart_s` one after the other; the marks of each, in that order.

    What is measured is the way over the bridge: none of them is direct with another. Raises AssertionError
    with a tab's story when it is shown nobody else's picture.
    """
    room = room_name()
    loaded = await asyncio.gather(
        *(meeting.open(kind, room, f"p{number}", script=CLOCK, p2p="off") for number in range(tabs))
    )
    try:
        for tab in loaded:
            await tab.page.wait_for_selector("html[data-held=true]")
        await asyncio.gather(*(_enter(tab, number * apart_s) for number, tab in enumerate(loaded)))
        await asyncio.gather(*(_shown(tab) for tab in loaded))
        return [await tab.page.evaluate("clock.marks") for tab in loaded]
    finally:
        await asyncio.gather(*(tab.close() for tab in loaded))


async def _enter(tab: Tab, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await tab.page.evaluate("clock.enter()")


async def _shown(tab: Tab) -> None:
    """Wait until a tab shows a picture of somebody else."""
    try:
        async with asyncio.timeout(SHOWN_TIMEOUT_S):
            await tab.page.evaluate("clock.shown")
    except TimeoutError:
        marks = await tab.page.evaluate("clock.marks")
        story = await tab.story()
        raise AssertionError(f"nobody is seen within {SHOWN_TIMEOUT_S:g} s: {marks}\n{story}") from None
