"""What the shell keeps for one call: its effects carried out, its timer, its queue to the bridge."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

import structlog

from component.calls.call import Call
from component.calls.records import LegRecord, LineRecord
from component.focus import carrying_out
from component.focus.bridge_queue import Asked, BridgeQueue, Spawn
from component.focus.effects import AskBridge, AskPeer, Effect, Ended, Send
from component.focus.outbox import Outbox
from component.link import Link
from component.stanza import new_id

MAX_HANDLED: Final = 16
"""Requests that a link may give to the next process again are the latest few."""
REPEATS_S: Final = 30.0
"""How long after a restart they are waited for."""
_log = structlog.get_logger()


class Line:
    """One call on one link. Call `run` after every event."""

    def __init__(
        self,
        call: Call,
        outbox: Outbox,
        link: Link,
        bridges: Asked,
        *,
        on_change: Callable[[Line], None],
        on_settled: Callable[[Line], None],
        on_ended: Callable[[Line], None],
        spawn: Spawn,
    ) -> None:
        """`on_change` writes down what is new, before anybody is told; `on_settled` that all is done."""
        self.call = call
        self.outbox = outbox
        self._link = link
        self._on_change = on_change
        self._on_settled = on_settled
        self._on_ended = on_ended
        self._spawn = spawn
        self._to_bridge = BridgeQueue(bridges, self._bridge_answered, spawn)
        self._timer: asyncio.TimerHandle | None = None
        self._unanswered: dict[str, str] = {}
        self._at_bridge = 0
        """Requests that the bridge has not answered."""
        self._left: list[LegRecord] = []
        """Legs of another process that were given up."""
        self._handled: deque[str] = deque(maxlen=MAX_HANDLED)
        self._repeats: set[str] = set()
        self._repeats_until = 0.0

    def run(self) -> None:
        """Carry out what the call wants."""
        effects = self.outbox.take()
        for effect in effects:
            if isinstance(effect, AskPeer) and _matters(effect.iq):
                effect.iq.set("id", effect.iq.get("id") or new_id())
                self._unanswered[effect.iq.get("id", "")] = tostring(effect.iq, encoding="unicode")
            elif isinstance(effect, AskBridge):
                self._at_bridge += 1
        self._on_change(self)
        for effect in effects:
            self._run(effect)
        if self._left and not self._at_bridge:
            self._left.clear()
        if self.call.over and not self._unanswered and not self._at_bridge:
            self._on_settled(self)  # everybody has heard that it is over
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
        answer = await carrying_out.ask_peer(self._link, effect)
        self._unanswered.pop(effect.iq.get("id", ""), None)
        self._answered(effect, answer)

    def _bridge_answered(self, effect: AskBridge, answer: Any) -> None:
        self._at_bridge -= 1
        self._answered(effect, answer)

    def _answered(self, effect: AskPeer | AskBridge, answer: Any) -> None:
        try:
            effect.done(answer, _now())
        except Exception:  # a mistake in one answer must not stop the queue
            _log.exception("an answer could not be handled")
        self.run()

    def stop_timer(self) -> None:
        """Let no time pass for it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self.stop_timer()
        at = self.call.next_time()
        if at is not None:
            self._timer = asyncio.get_running_loop().call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.call.tick(_now())
        self.run()

    # The journal

    def is_repeat(self, stanza: Element) -> bool:
        """Whether another process has handled this stanza, and it comes again; else it is handled now."""
        id = stanza.get("id")
        if not id:
            return False
        name = f"{stanza.get('from')} {id}"
        self._handled.append(name)
        if name not in self._repeats or _now() > self._repeats_until:
            return False
        self._repeats.discard(name)
        return True

    def record(self, epoch: float) -> LineRecord:
        """What another process would need to go on; `epoch` is the Unix time at zero of the clock."""
        return LineRecord(
            self.call.record(epoch),
            self._link.session,
            dict(self._unanswered),
            tuple(self._left),
            tuple(self._handled),
        )

    def note_left(self, leg: LegRecord) -> None:
        """Remember, until it is done, that this leg is being ended."""
        self._left.append(leg)

    def restore(self, record: LineRecord) -> None:
        """Be the line that another process has left."""
        self._handled.extend(record.handled)
        self._repeats = set(record.handled)
        self._repeats_until = _now() + REPEATS_S


def _matters(iq: Element) -> bool:
    """Whether a request must reach its peer: all but the question whether it is there."""
    return bool(len(iq)) and (iq[0].get("action") != "session-info" or bool(len(iq[0])))


def _now() -> float:
    return asyncio.get_running_loop().time()
