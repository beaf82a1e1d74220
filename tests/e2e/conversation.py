"""Somebody who says something and mutes or unmutes every second; a ledger of what the others saw of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType

from tests.e2e.harness import Participant, eventually
from tests.e2e.watching import Watch, now_ms

PERIOD_S = 1.0
SETTLED_S = 15.0
"""How long after the last word everybody must have seen everything."""


async def open_chat(tab: Participant) -> None:
    """Have a tab show what is said."""
    if tab.kind == "page":
        await tab.press("Chat")


async def say(tab: Participant, text: str) -> None:
    """Say something to everybody, as a person would."""
    if tab.kind == "page":
        await tab.fill("Message", text)
        await tab.press("Send")
    else:
        await tab.call("chat", text)


async def read(tab: Participant) -> list[str]:
    """What the tab shows of what was said, in order."""
    script = (
        "[...document.querySelectorAll('[role=log] li p')].map(line => line.textContent)"
        if tab.kind == "page"
        else "window.meeting.events.filter(([, event]) => event === 'chat').map(([, , text]) => text)"
    )
    found: list[str] = await tab.evaluate(script)
    return found


class Conversation:
    """While it lasts, `speaker` says a number and mutes or unmutes every second.

    async with Conversation(speaker, listeners) as conversation: ...

    At its end every listener must have seen all of it: nothing lost, nothing twice, in order.
    """

    def __init__(self, speaker: Watch, listeners: list[Watch]) -> None:
        self._speaker = speaker
        self._listeners = listeners
        self._begin = 0.0
        self._before: list[list[str]] = []
        self._said: list[str] = []
        self._muted: list[bool] = []
        self._over = asyncio.Event()
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Conversation:
        self._begin = now_ms()
        self._before = [await read(one.tab) for one in self._listeners]
        self._task = asyncio.create_task(self._talk())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        await self._task
        if error is None:
            await self._everything_arrived()

    @property
    def words(self) -> int:
        """How much was said so far."""
        return len(self._said)

    async def _talk(self) -> None:
        while not self._over.is_set() or len(self._muted) % 2:
            began = time.monotonic()
            muted = len(self._muted) % 2 == 0
            await self._speaker.tab.mute("audio", muted)
            self._muted.append(muted)
            self._said.append(f"word {now_ms():.0f}")
            await say(self._speaker.tab, self._said[-1])
            await asyncio.sleep(max(0.0, PERIOD_S - (time.monotonic() - began)))

    async def _everything_arrived(self) -> None:
        await asyncio.gather(
            *(self._heard(one, before) for one, before in zip(self._listeners, self._before, strict=True))
        )

    async def _heard(self, listener: Watch, before: list[str]) -> None:
        async def all_of_it() -> bool:
            heard = (await read(listener.tab))[len(before) :]
            seen = await listener.mutes(self._speaker.id, self._begin)
            return heard[-1:] == self._said[-1:] and len(seen) >= len(self._muted)

        with suppress(AssertionError):  # what is missing is said below
            await eventually("everything said arrives", all_of_it, SETTLED_S)
        heard = (await read(listener.tab))[len(before) :]
        assert heard == self._said, f"{listener.tab.kind} {listener.id} read {heard}, not {self._said}"
        seen = await listener.mutes(self._speaker.id, self._begin)
        assert seen == self._muted, f"{listener.tab.kind} {listener.id} saw {seen}, not {self._muted}"
