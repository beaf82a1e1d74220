"""Every part of a running deployment is replaced by a newer version in a meeting that goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.async_api import Browser

from carillon.control import ask
from carillon.settings import load
from tests.carillon.two_versions import NEW, OLD, TwoVersions
from tests.e2e.conversation import Conversation
from tests.e2e.restarts import LONGEST_SILENCE_MS, SLACK, Watched, meeting_of_its_own, report
from tests.e2e.watching import now_ms

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

UNNOTICED = ("link", "component", "relay", "streams", "front")
MOVED_S = 6.0
"""After this time everybody has been moved to a new bridge."""
MOVE_MS = 2000
"""Conferences are moved to the new bridge within 2 s; a tab measures coarsely."""


async def test_a_meeting_goes_on_while_every_part_is_replaced(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    disk = TwoVersions(tmp_path)
    async with meeting_of_its_own(
        tmp_path, "prosody", browser, library, command=disk.command("dev")
    ) as watched:
        assert set((await _versions(watched)).values()) == {OLD}
        disk.install(NEW)
        chair, speaker, other = watched.tabs
        async with Conversation(speaker, [chair, other]) as conversation:
            begin = await _replace(disk, watched, UNNOTICED, LONGEST_SILENCE_MS)
        report("upgrade: conversation", words=conversation.words)
        assert await _disturbed(watched, begin) == {}
        begin = await _replace(disk, watched, ("bridge",), MOVE_MS)
        told = await _disturbed(watched, begin)
        report("upgrade: moved", **{who: " ".join(words) for who, words in told.items()})
        assert set((await _versions(watched)).values()) == {NEW}
        await asyncio.gather(*(one.tab.sees_and_hears(watched.others(one)) for one in watched.tabs))


async def _replace(disk: TwoVersions, watched: Watched, parts: Sequence[str], silence_ms: int) -> float:
    """Replace these parts; when that began.

    Judges what was heard and seen while each was replaced, from its beginning to that of the next.
    """
    config = Path(watched.server.endpoints["config"])
    done = await asyncio.to_thread(disk.upgrade, str(config), *parts)
    assert done.returncode == 0, f"{done.stderr}\n{watched.server.log_tail()}"
    assert done.stdout.count(f"{OLD} -> {NEW}") == len(parts)
    await asyncio.sleep(MOVED_S)
    _, text = await ask(load(config).operation.control, "/upgrade")
    steps = json.loads(text)["steps"]
    since = now_ms() - time.monotonic() * 1000
    begins: list[float] = [since + step["begun"] * 1000 for step in steps]
    for step, begin, end in zip(steps, begins, [*begins[1:], now_ms()], strict=True):
        silence = await watched.longest_silence(begin, end, muted=[watched.tabs[1]])
        report(f"upgrade: {step['name']}", took_s=step["seconds"], silence_ms=silence)
        assert silence < SLACK * silence_ms
    return begins[0]


async def _disturbed(watched: Watched, begin: float) -> dict[str, list[str]]:
    """What tabs were told. That a page takes up its stream in the new front is no matter: nothing is lost."""
    told = await watched.uninvited(begin)
    words = {who: [one for one in heard if not one.startswith("stream-")] for who, heard in told.items()}
    return {who: heard for who, heard in words.items() if heard}


async def _versions(watched: Watched) -> dict[str, str]:
    """What the parts say of themselves, by name."""
    controls: dict[str, str] = watched.server.endpoints["control"]
    said = {name: await ask(path, "/about/version") for name, path in controls.items() if path}
    return {name: str(json.loads(text)["version"]) for name, (_, text) in said.items()}
