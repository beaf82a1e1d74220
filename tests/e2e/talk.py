"""Somebody who speaks while the front of a meeting is away, and what the others notice of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.conversation import read, say
from tests.e2e.harness import eventually
from tests.e2e.watching import Watch


@asynccontextmanager
async def talk(speaker: Watch, listeners: list[Watch]) -> AsyncIterator[list[str]]:
    """Have somebody say something and mute or unmute every second; yields what was said so far.

    At the end all of it has arrived, once and in order, and everybody sees the speaker unmuted. (What changed
    to and fro during an outage comes all at once after it: nobody can have seen it on the way.)
    """
    before = [await read(one.tab) for one in listeners]
    said: list[str] = []
    over = asyncio.Event()

    async def go_on() -> None:
        while not over.is_set() or len(said) % 2:
            await speaker.tab.mute("audio", len(said) % 2 == 0)
            said.append(f"word {len(said)}")
            await say(speaker.tab, said[-1])
            await asyncio.sleep(1)

    task = asyncio.create_task(go_on())
    try:
        yield said
    finally:
        over.set()
        await task
    for one, old in zip(listeners, before, strict=True):

        async def arrived(one: Watch = one, old: list[str] = old) -> bool:
            return (await read(one.tab))[len(old) :][-1:] == said[-1:]

        await eventually(f"{one.id} reads all", arrived, 15)
        assert (await read(one.tab))[len(old) :] == said
        await one.tab.sees_muted(speaker.id, "audio", False)


async def back(one: Watch, begin: float, timeout_s: float = 30.0) -> float:
    """Wait until a tab is on a connection that is newer than `begin`; the seconds since then."""

    async def opened() -> float | None:
        times = [at for at, word, *_ in await one.notes(begin) if word == "stream-open"]
        ready = await one.tab.data("state") == "joined"
        return max(times) if times and ready else None

    return (float(await eventually(f"{one.id} is back", opened, timeout_s)) - begin) / 1000


async def channel_back(one: Watch, begin: float, timeout_s: float = 30.0) -> float:
    """As `back`, for the bridge channel."""

    async def opened() -> float | None:
        times = [at for at, word, *_ in await one.notes(begin) if word == "channel-open"]
        return max(times) if times else None

    return (float(await eventually(f"{one.id}'s channel is back", opened, timeout_s)) - begin) / 1000


async def undisturbed(tabs: list[Watch], begin: float) -> None:
    """Nobody was invited again, and nobody was seen to leave."""
    for one in tabs:
        words = [word for word in await one.words(begin) if word.startswith(("jingle", "left", "focus-left"))]
        assert words == [], f"{one.tab.kind} {one.id}"
        assert await one.tab.data("me") == one.id
