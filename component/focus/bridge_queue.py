"""The requests of one conference, or of one call, on their way to the bridges."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from component.focus.effects import AskBridge, BridgeAnswer, BridgeUnreachable
from jingle.colibri2 import ConferenceModify

Spawn = Callable[[Coroutine[Any, Any, None]], None]
_log = structlog.get_logger()


class Asked(Protocol):
    """Who brings requests to the bridges (component.focus.bridge_watch)."""

    async def ask(self, url: str, request: ConferenceModify) -> BridgeAnswer:
        """Send one to the bridge with this address; failures come back as values."""


class BridgeQueue:
    """Sends requests one by one, so that each bridge sees them in order."""

    def __init__(
        self, bridges: Asked, answered: Callable[[AskBridge, BridgeAnswer], None], spawn: Spawn
    ) -> None:
        """`answered` gets each request with its answer and raises nothing; `spawn` starts a task."""
        self._bridges = bridges
        self._answered = answered
        self._spawn = spawn
        self._waiting: dict[str, deque[AskBridge]] = {}
        """By bridge, as long as one of them is asked something."""

    def put(self, effect: AskBridge) -> None:
        """Send a request after all others to the same bridge."""
        waiting = self._waiting.get(effect.bridge)
        if waiting is not None:
            waiting.append(effect)
            return
        self._waiting[effect.bridge] = deque((effect,))
        self._spawn(self._send(effect.bridge))

    async def _send(self, bridge: str) -> None:
        waiting = self._waiting[bridge]
        while waiting:
            effect = waiting.popleft()
            answer = await self._bridges.ask(bridge, effect.request)
            missed: list[AskBridge] = []
            if isinstance(answer, BridgeUnreachable):
                _log.warning("the bridge does not answer", bridge=bridge, error=str(answer))
                # What was asked before that was known would only wait for the same time-out, each in turn.
                missed.extend(waiting)
                waiting.clear()
            for one in (effect, *missed):
                self._answered(one, answer)
        del self._waiting[bridge]


def spawned(tasks: set[asyncio.Task[None]]) -> Spawn:
    """Starts tasks that are in `tasks` until they end."""

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return spawn
