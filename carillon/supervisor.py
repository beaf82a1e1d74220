"""Keeps programs running: starts them as child processes, waits until they answer, restarts what dies.

It can also have one replaced while it works, and be replaced itself: execve(2) keeps the children, and
`state` is what the Supervisor after it needs to adopt them. `carillon.child` says how they are tied to it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from carillon.child import Child
from carillon.keeper import Keeper
from carillon.program import Pace, Program, SupervisorError
from carillon.shelf import Shelf

EVERYTHING_ANSWERS = "everything answers"

logger = structlog.get_logger()


class Supervisor:
    """Runs `programs`. `on_ready` gets their process ids when all answer, and again after each restart."""

    def __init__(
        self,
        programs: Iterable[Program],
        on_ready: Callable[[dict[str, int]], None],
        pace: Pace | None = None,
        drain_s: float = 0.0,
        adopted: Mapping[str, Any] | None = None,
    ) -> None:
        """`adopted` is the `state` of the supervisor that this process was before."""
        self.drain_s = drain_s
        """How much longer than `Pace.stop_s` programs get to end after SIGTERM."""
        self._on_ready = on_ready
        self._pace = pace or Pace()
        self._adopted = adopted or {}
        self._keepers = {one.name: self._keeper(one) for one in programs}
        self._came_up = False
        self._at_once = asyncio.Event()
        self._outlasting: set[asyncio.Task[None]] = set()
        self._replacing: set[asyncio.Task[Child]] = set()

    def _keeper(self, program: Program) -> Keeper:
        pid = self._adopted.get("processes", {}).get(program.name)
        ends = self._adopted.get("shelves", {}).get(program.name)
        shelf = Shelf.adopted(*ends) if ends else None
        came_up = self._has_come_up
        return Keeper(program, self._pace, self._answered, came_up, adopted=pid, shelf=shelf)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep everything running until `stop` is set.

        Raises SupervisorError when a program does not come up. However it ends, no child is left.
        """
        self._adopt_replaced()
        keepers = [asyncio.create_task(self._keep(keeper)) for keeper in self._keepers.values()]
        overdue = asyncio.create_task(self._refuse_late_start())
        stopped = asyncio.create_task(_wait(stop))
        tasks: tuple[asyncio.Task[Any], ...] = (stopped, overdue, *keepers)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks = (*tasks, *self._outlasting, *self._replacing)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_all()

    async def _keep(self, keeper: Keeper) -> None:
        for name in keeper.program.after:
            await self._keepers[name].answers.wait()
        await keeper.keep()

    def hang_up(self) -> None:
        """Pass SIGHUP on to every child: read your files again."""
        children = [keeper.child for keeper in self._keepers.values() if keeper.child]
        logger.info("SIGHUP is passed on", programs=len(children))
        for child in children:
            child.send_signal(signal.SIGHUP)

    def hurry(self) -> None:
        """Do not wait until what runs has ended, when stopping."""
        self._at_once.set()

    async def replace(
        self, name: str, argv: tuple[str, ...], taking_over: Iterable[str], beside_s: float
    ) -> None:
        """Have a program replaced by one with another command line, while it works (see `Keeper.replace`).

        The old process may go on beside it for `beside_s`. Raises ReplaceError: it goes on alone then.
        """
        keeper = self._keepers[name]
        task = asyncio.create_task(keeper.replace(argv, taking_over))
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)
        old = await task
        self._outlast(keeper, old, asyncio.get_running_loop().time() + beside_s + self._pace.stop_s)

    def program(self, name: str) -> Program | None:
        """The program of this name."""
        keeper = self._keepers.get(name)
        return keeper.program if keeper else None

    def processes(self) -> dict[str, int]:
        """The process of each program that has one, by name."""
        return {name: keeper.child.pid for name, keeper in self._keepers.items() if keeper.child}

    def state(self) -> dict[str, Any]:
        """What the process needs to know that this one becomes: a JSON object."""
        beside = {
            name: {str(old.pid): deadline for old, deadline in keeper.beside.items()}
            for name, keeper in self._keepers.items()
        }
        return {"processes": self.processes(), "beside": beside, "shelves": self._shelves()}

    def descriptors(self) -> list[int]:
        """Those that `state` names: the process that this one becomes must have them."""
        return [number for numbers in self._shelves().values() for number in numbers]

    def _shelves(self) -> dict[str, tuple[int, int]]:
        found = {name: keeper.shelf for name, keeper in self._keepers.items()}
        return {name: shelf.descriptors for name, shelf in found.items() if shelf is not None}

    def status(self) -> str:
        """What there is to say about the programs, in words."""
        silent = [keeper for keeper in self._keepers.values() if not keeper.answers.is_set()]
        if not silent:
            return EVERYTHING_ANSWERS
        words = (f"{one.program.name} ({one.trouble})" if one.trouble else one.program.name for one in silent)
        return f"not answering: {', '.join(words)}"

    async def _refuse_late_start(self) -> None:
        await asyncio.sleep(self._pace.start_s)
        if self._came_up:
            await asyncio.Event().wait()
        silent = [keeper for keeper in self._keepers.values() if not keeper.answers.is_set()]
        why = "; ".join(f"{one.program.name}: {one.trouble or 'not started'}" for one in silent)
        raise SupervisorError(f"not everything answers after {self._pace.start_s:.0f} s: {why}")

    def _has_come_up(self) -> bool:
        return self._came_up

    def _answered(self) -> None:
        if all(keeper.answers.is_set() for keeper in self._keepers.values()):
            self._came_up = True
            self._on_ready(self.processes())

    # Processes that were replaced

    def _adopt_replaced(self) -> None:
        """Take over those that the supervisor before this one has had replaced."""
        for name, until in self._adopted.get("beside", {}).items():
            for pid, deadline in until.items():
                with suppress(ProcessLookupError, KeyError):
                    self._outlast(self._keepers[name], Child(int(pid)), deadline)

    def _outlast(self, keeper: Keeper, old: Child, deadline: float) -> None:
        keeper.beside[old] = deadline
        task = asyncio.create_task(keeper.outlast(old))
        self._outlasting.add(task)
        task.add_done_callback(self._outlasting.discard)

    # The end

    async def _stop_all(self) -> None:
        """Stop every child: always those first that nobody else needs any more."""
        left = list(self._keepers.values())
        while left:
            needed = {name for keeper in left for name in keeper.program.after}
            last = [keeper for keeper in left if keeper.program.name not in needed]
            await asyncio.gather(*(keeper.stop(self.drain_s, self._at_once) for keeper in last))
            left = [keeper for keeper in left if keeper.program.name in needed]


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
