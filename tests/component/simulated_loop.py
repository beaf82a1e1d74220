"""An event loop whose clock jumps to the next timer: minutes of waiting cost nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Nothing in it may wait for a socket or a thread."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Simulated time."""
        return self.now


class _Jumping(selectors.EpollSelector):
    """Does not wait: time goes on instead."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The descriptors that are ready, at the time up to which one would have waited."""
        assert timeout is not None, "everybody waits for somebody else"
        if timeout > 0:
            self._loop.now += timeout
            return []
        return super().select(0)


def simulated(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a loop of its own; whatever it has left behind ends with it."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)
