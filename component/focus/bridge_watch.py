"""The shell around the bridges: it asks each how it is, and brings requests to each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import structlog

from carillon.settings import Settings
from component.focus import metrics
from component.focus.bridge_client import BridgeClient
from component.focus.bridge_health import Health, Sign
from component.focus.bridge_pool import BridgePool
from component.focus.effects import BridgeAnswer, BridgeUnreachable
from jingle.colibri2 import ConferenceModify

POLL_S = 0.5
"""Between two questions: what a bridge that dies costs before anybody asks."""
ANSWER_S = 1.5
"""A bridge answers in milliseconds; two answers that take longer, and it hangs."""
LATE_S = 0.3
"""A time-out that comes so late says that this process has stood still, and nothing of the bridge."""
SHORTEST_S = 0.05
"""Between two questions, however many requests have failed meanwhile."""

_log = structlog.get_logger()


def names_of(settings: Settings) -> dict[str, str]:
    """What each bridge of `focus.bridge` is called, by its address: as configured here, else by its host."""
    own = {bridge.rest: name for name, bridge in settings.all_bridges.items()}
    places = {url: urlsplit(url).netloc for url in settings.focus.bridge}
    return {url: own.get(place, place) for url, place in places.items()}


class Bridges:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        names = names_of(settings)
        self.pool = BridgePool(names)
        self.pool.doubt = self._doubt
        self.clients: Mapping[str, BridgeClient] = {url: BridgeClient(url) for url in names}
        self._doubts = {url: asyncio.Event() for url in names}
        self._listeners: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        metrics.BRIDGE_COUNT.set(len(names))
        metrics.BRIDGES_OPERATIONAL.set_function(lambda: self._count(Health.NEW, Health.UP, Health.DOUBTED))
        metrics.BRIDGES_IN_SHUTDOWN.set_function(lambda: self._count(Health.DRAINING))

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever the health of a bridge has become another."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Begin to ask the bridges how they are."""
        for url, client in self.clients.items():
            await client.start()
            self._tasks.append(asyncio.create_task(self._watch(url, client)))

    async def stop(self) -> None:
        """Ask no more, close all connections; idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for client in self.clients.values():
            await client.stop()

    async def ask(self, url: str, request: ConferenceModify) -> BridgeAnswer:
        """Send a request to a bridge; failures come back as values, at once where nobody would answer."""
        client = self.clients.get(url)
        if client is None:
            return BridgeUnreachable("it is not configured any more")
        answer = BridgeUnreachable(self._silence(url)) if self._silence(url) else await client.ask(request)
        if request.expire and isinstance(answer, BridgeUnreachable):
            self.pool.owe(url, request.meeting_id)
        return answer

    async def figures(self, url: str, meeting_id: str) -> Any:
        """What a bridge tells an operator of a conference (component.focus.quality); None: nothing."""
        client = self.clients.get(url)
        return None if client is None or self._silence(url) else await client.figures(meeting_id)

    def _silence(self, url: str) -> str:
        """Why a request would not be answered; "" when it may be."""
        sign = self.pool.sign(url)
        down = self.pool.health(url) is Health.DOWN and sign in (Sign.SILENT, Sign.REFUSED)
        return f"down: {sign.value}" if down and sign is not None else ""

    def _doubt(self, url: str) -> None:
        if url in self._doubts:
            self._doubts[url].set()

    async def _watch(self, url: str, client: BridgeClient) -> None:
        while True:
            try:
                asked_again = await self._look(url, client)
            except Exception:  # a mistake of ours in one look must not end all others
                _log.exception("a bridge could not be looked at", bridge=self.pool.name(url))
                asked_again = False
            if asked_again:
                continue
            await asyncio.sleep(SHORTEST_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._doubts[url].wait(), POLL_S - SHORTEST_S)
            self._doubts[url].clear()

    async def _look(self, url: str, client: BridgeClient) -> bool:
        """Ask one bridge how it is; whether to ask at once again."""
        now = asyncio.get_running_loop().time
        asked_at = now()
        shown = await client.report(ANSWER_S)
        if shown is Sign.SILENT and now() - asked_at > ANSWER_S + LATE_S:
            return True
        before = self.pool.health(url)
        if isinstance(shown, Sign):
            changed = self.pool.failed(url, shown)
        else:
            changed = self.pool.answered(url, shown, now())
            metrics.BRIDGE_STRESS.labels(self.pool.name(url)).set(shown.stress)
        self._tell(url, before)
        for meeting_id in self.pool.settle(url):
            await self.ask(url, ConferenceModify(meeting_id, expire=True))
        if changed:
            for listener in self._listeners:
                listener()
        return self.pool.health(url) is Health.DOUBTED and shown is Sign.SILENT

    def _tell(self, url: str, before: Health) -> None:
        """Tell log and metrics of what has changed."""
        name, health, sign = self.pool.name(url), self.pool.health(url), self.pool.sign(url)
        metrics.BRIDGE_UP.labels(name).set(health is not Health.DOWN)
        if health is before or {health, before} <= {Health.UP, Health.DOUBTED}:
            return
        if health is Health.DOWN and sign is not None:
            metrics.BRIDGES_LOST.inc()
            metrics.BRIDGE_FAILURES.labels(name, sign.value).inc()
            _log.warning("a bridge is down", bridge=name, why=sign.value)
        elif health is not Health.DOUBTED:
            _log.info("a bridge answers", bridge=name, state=health.value)

    def _count(self, *states: Health) -> int:
        return sum(self.pool.health(url) in states for url in self.clients)
