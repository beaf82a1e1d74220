"""The requests of one conference, or of one call, on their way to the bridge."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from component.focus.bridge_client import BridgeClient
from component.focus.effects import AskBridge, BridgeAnswer, BridgeUnreachable

Spawn = Callable[[Coroutine[Any, Any, None]], None]
_log = structlog.get_logger()


class BridgeQueue:
    """Sends requests one by one, so that the bridge sees them in order."""

    def __init__(
        self, bridge: BridgeClient, answered: Callable[[AskBridge, BridgeAnswer], None], spawn: Spawn
    ) -> None:
        """`answered` gets each request with its answer and raises nothing; `spawn` starts a task."""
        self._bridge = bridge
        self._answered = answered
        self._spawn = spawn
        self._waiting: deque[AskBridge] = deque()
        self._asking = False

    def put(self, effect: AskBridge) -> None:
        """Send a request after all others."""
        self._waiting.append(effect)
        if not self._asking:
            self._asking = True
            self._spawn(self._send())

    async def _send(self) -> None:
        while self._waiting:
            effect = self._waiting.popleft()
            answer = await self._bridge.ask(effect.request)
            missed: list[AskBridge] = []
            if isinstance(answer, BridgeUnreachable):
                _log.warning("the bridge does not answer", error=str(answer))
                # What was asked before that was known would only wait for the same time-out, each in turn.
                missed.extend(self._waiting)
                self._waiting.clear()
            for one in (effect, *missed):
                self._answered(one, answer)
        self._asking = False


def spawned(tasks: set[asyncio.Task[None]]) -> Spawn:
    """Starts tasks that are in `tasks` until they end."""

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return spawn
