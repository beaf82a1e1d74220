"""What the shell keeps for one call: its effects carried out, its timer, its queue to the bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from component.calls.call import Call
from component.focus import carrying_out
from component.focus.bridge_client import BridgeClient
from component.focus.bridge_queue import BridgeQueue, Spawn
from component.focus.effects import AskBridge, AskPeer, Effect, Ended, Send
from component.focus.outbox import Outbox
from component.link import Link

_log = structlog.get_logger()


class Line:
    """One call on one link. Call `run` after every event."""

    def __init__(
        self,
        call: Call,
        outbox: Outbox,
        link: Link,
        bridge: BridgeClient,
        *,
        on_ended: Callable[[Line], None],
        spawn: Spawn,
    ) -> None:
        self.call = call
        self.outbox = outbox
        self._link = link
        self._on_ended = on_ended
        self._spawn = spawn
        self._to_bridge = BridgeQueue(bridge, self._answered, spawn)
        self._timer: asyncio.TimerHandle | None = None

    def run(self) -> None:
        """Carry out what the call wants."""
        for effect in self.outbox.take():
            self._run(effect)
        self._arm()

    def _run(self, effect: Effect) -> None:
        match effect:
            case Send():
                carrying_out.send(self._link, effect.stanza)
            case AskPeer():
                self._spawn(self._ask_peer(effect))
            case AskBridge():
                self._to_bridge.put(effect)
            case Ended():
                self._on_ended(self)
            case _:
                raise AssertionError("a call answers no conference requests")

    async def _ask_peer(self, effect: AskPeer) -> None:
        self._answered(effect, await carrying_out.ask_peer(self._link, effect))

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


def _now() -> float:
    return asyncio.get_running_loop().time()
