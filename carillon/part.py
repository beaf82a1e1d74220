"""What each part of carillon is to the command line: something that starts, answers and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from aiohttp import web

from carillon.settings import Settings


class Part(Protocol):
    """One part (component, bridge, relay, front), run in a process of its own by `carillon.part.run`."""

    async def start(self) -> None:
        """Open the listeners or links. Raises PartError when that is impossible; returns without waiting for peers."""

    def trouble(self) -> str | None:
        """Why the part does not answer yet, in words, or None when it does its work."""

    async def stop(self) -> None:
        """Close everything; idempotent."""

    def routes(self) -> Iterable[web.RouteDef]:
        """What the part adds to its control API (beside /about/health, /about/version and /metrics)."""


class PartError(Exception):
    """A part cannot start: the text says what is wrong and what to do (for example which port is in use)."""


MakePart = Callable[[Settings], Part]
