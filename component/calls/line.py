"""What the shell keeps for one call: its effects carried out, its timer, its queue to the bridge."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from component.calls.call import Call
from component.focus import carrying_out
from component.focus.bridge_client import BridgeClient
from component.focus.effects import AskBridge, AskPeer, BridgeUnreachable, Effect, Ended, Send
from component.focus.outbox import Outbox
from component.link import Link

_log = structlog.get_logger()


class Line:
    """One call on one link. Call `run` after every event."""

    def __init__(
        self, call: Call, outbox: Outbox, link: Link, bridge: BridgeClient, on_ended: Callable[[Line], None]
    ) -> None:
        self.call = call
        self.outbox = outbox
        self._link = link
        self._bridge = bridge
        self._on_ended = on_ended
        self._to_bridge: deque[AskBridge] = deque()
        self._asking_bridge = False
        self._timer: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Carry out what the call wants."""
        for effect in self.outbox.take():
            self._run(effect)
        if self._to_bridge and not self._asking_bridge:
            self._asking_bridge = True
            self._spawn(self._ask_bridge())
        self._arm()

    def _run(self, effect: Effect) -> None:
        match effect:
            case Send():
                carrying_out.send(self._link, effect.stanza)
            case AskPeer():
                self._spawn(self._ask_peer(effect))
            case AskBridge():
                self._to_bridge.append(effect)
            case Ended():
                self._on_ended(self)
            case _:
                raise AssertionError("a call answers no conference requests")

    async def _ask_peer(self, effect: AskPeer) -> None:
        self._answered(effect, await carrying_out.ask_peer(self._link, effect))

    async def _ask_bridge(self) -> None:
        """Send the requests one by one, so that the bridge sees them in order."""
        while self._to_bridge:
            effect = self._to_bridge.popleft()
            answer = await self._bridge.ask(effect.request)
            if isinstance(answer, BridgeUnreachable):
                _log.warning("the bridge does not answer", error=str(answer))
            self._answered(effect, answer)
        self._asking_bridge = False

    def _answered(self, effect: AskPeer | AskBridge, answer: Any) -> None:
        try:
            effect.done(answer, _now())
        except Exception:  # a mistake in one answer must not stop the queue
            _log.exception("an answer could not be handled")
        self.run()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.call.next_time()
        if at is not None:
            self._timer = asyncio.get_running_loop().call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.call.tick(_now())
        self.run()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _now() -> float:
    return asyncio.get_running_loop().time()
