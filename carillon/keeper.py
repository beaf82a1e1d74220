"""Keeps one program running: starts it, waits until it answers, starts it again, has it replaced."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import structlog

from carillon import log
from carillon.child import Child, spawn
from carillon.command_line import EXIT_CONFIGURATION, CommandError
from carillon.program import Pace, Program, ReplaceError, SupervisorError
from carillon.shelf import Shelf
from carillon.standstill import LOOK_S, QUESTION_S, Standstill, run_of

logger = structlog.get_logger()

START_TRIES = 3
"""A program that dies so often before all have answered for the first time will not come up."""


class Keeper:
    """One program of a supervisor. `answered` is told each time that a new process of it answers."""

    def __init__(
        self,
        program: Program,
        pace: Pace,
        answered: Callable[[], None],
        came_up: Callable[[], bool],
        *,
        adopted: int | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        """`came_up` says whether all programs have answered once; `adopted` is a process that runs.

        `shelf` is the one that this process has.
        """
        self.program = program
        self.answers = asyncio.Event()
        self.trouble = ""
        """What it said last while it did not answer."""
        self.child: Child | None = None
        """The process of now; None before the first."""
        self.beside: dict[Child, float] = {}
        """Processes that were replaced and have not ended yet, and when they must (event loop's time)."""
        self.shelf = shelf or (Shelf() if program.shelf else None)
        """Where its sockets lie when it is killed; None: it has none."""
        self._pace = pace
        self._answered = answered
        self._came_up = came_up
        self._adopted = adopted
        self._replacing = asyncio.Lock()
        self._successor: Child | None = None
        """It has taken over, and `keep` does not know it yet."""
        self._replaced = asyncio.Event()

    async def keep(self) -> None:
        """Start the program again and again. Raises SupervisorError when it does not come up."""
        pause_s, deaths = self._pace.first_pause_s, 0
        child = self._first()
        while True:
            started = asyncio.get_running_loop().time()
            self.child = child
            successor = await self._attend_until_it_ends(child)
            if successor is not None:
                child = successor
                continue
            assert child.returncode is not None
            self.answers.clear()
            child.signal_group(signal.SIGKILL)  # what it had started itself
            deaths += 1
            self._refuse_to_go_on(child.returncode, deaths)
            if asyncio.get_running_loop().time() - started >= self._pace.settled_s:
                pause_s = self._pace.first_pause_s
            logger.warning(
                "died and is started again",
                program=self.program.name,
                how=_words(child.returncode),
                pause_s=pause_s,
            )
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, self._pace.longest_pause_s)
            child = await self._spawn_again()

    async def _spawn_again(self) -> Child:
        """Its file may be missing for a moment: while a newer version is installed in its place."""
        while True:
            try:
                return self._spawn(self.program.argv)
            except SupervisorError as error:
                if not self._came_up():
                    raise
                logger.error(str(error), pause_s=self._pace.longest_pause_s)
            await asyncio.sleep(self._pace.longest_pause_s)

    def _first(self) -> Child:
        if self._adopted is not None:
            with suppress(ProcessLookupError):
                return Child(self._adopted)
        return self._spawn(self.program.argv)

    def _refuse_to_go_on(self, status: int, deaths: int) -> None:
        misconfigured = status == EXIT_CONFIGURATION
        if not self._came_up() and (misconfigured or deaths >= START_TRIES):
            raise SupervisorError(
                f"{self.program.name} does not start: it {_words(status)}{_tail(self.program.output)}",
                EXIT_CONFIGURATION if misconfigured else CommandError.status,
            )

    async def _attend_until_it_ends(self, child: Child) -> Child | None:
        """Its successor when it was replaced, None when it has ended without one."""
        asks = asyncio.create_task(self._attend(child))
        ends = {asyncio.create_task(child.wait()), asyncio.create_task(_wait(self._replaced))}
        try:
            done, _ = await asyncio.wait({asks, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if not done & ends:
                asks.result()  # raises what `answered` has raised
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asks, *ends):
                task.cancel()
        async with self._replacing:  # a process that is being replaced ends a moment before that is known
            successor, self._successor = self._successor, None
            self._replaced.clear()
        return successor

    async def _attend(self, child: Child) -> None:
        """Wait until it answers, and from then on kill it when it hangs: `keep` starts it again."""
        program = self.program
        while trouble := await program.trouble():
            self.trouble = trouble
            await asyncio.sleep(self._pace.ask_s)
        self.trouble = ""
        self.answers.set()
        logger.info("answers", program=program.name, pid=child.pid)
        self._answered()
        if program.works is None:
            return
        watches = [
            asyncio.create_task(self._until_it_is_silent(program.works)),
            asyncio.create_task(_until_it_stands_still(child, program.works)),
        ]
        try:
            done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for watch in watches:
                watch.cancel()
        logger.error("hangs and is killed", program=program.name, pid=child.pid, how=done.pop().result())
        child.signal_group(signal.SIGKILL)

    async def _until_it_is_silent(self, works: Callable[[], Awaitable[bool]]) -> str:
        """Until it has not answered for so long that no machine is as busy; in words, how."""
        unanswered = 0
        while unanswered < self._pace.hung_after:
            await asyncio.sleep(self._pace.watch_s)
            unanswered = 0 if await works() else unanswered + 1
        return f"{unanswered} questions in a row unanswered"

    def _spawn(self, argv: tuple[str, ...]) -> Child:
        program = self.program
        try:
            environment = {**program.environment, **(self.shelf.environment if self.shelf else {})}
            descriptors = self.shelf.descriptors if self.shelf else ()
            return spawn(argv, environment, program.output, descriptors)
        except OSError as error:
            raise SupervisorError(f"{program.name} cannot be started: {argv[0]}: {error.strerror}") from None

    # Replacing

    async def replace(self, argv: tuple[str, ...], taking_over: Iterable[str]) -> Child:
        """Have the process that runs replaced by a new one, which takes over from it.

        `argv` is the command line from now on; the words of `taking_over` are added to it this time. Gives
        the old process, which ends by itself. Raises ReplaceError when it comes to nothing: it goes on then.
        """
        async with self._replacing:
            old = self.child
            if old is None or old.returncode is not None or self.program.answering is None:
                raise ReplaceError("it does not run, or has no control socket")
            try:
                new = self._spawn((*argv, *taking_over))
            except SupervisorError as error:
                raise ReplaceError(str(error)) from None
            try:
                await self._until_it_has_taken_over(new)
            except BaseException:
                new.signal_group(signal.SIGKILL)
                raise
            self.program = replace(self.program, argv=argv)
            self._successor = self.child = new
            self._replaced.set()
            return old

    async def _until_it_has_taken_over(self, new: Child) -> None:
        answering = self.program.answering
        assert answering is not None
        try:
            async with asyncio.timeout(self._pace.replace_s):
                while answering() != new.pid:
                    if new.returncode is not None:
                        raise ReplaceError(
                            f"the new process {_words(new.returncode)}{_tail(self.program.output)}"
                        )
                    await asyncio.sleep(self._pace.ask_s)
        except TimeoutError:
            raise ReplaceError(
                f"the new process has not taken over within {self._pace.replace_s:g} s"
            ) from None

    async def outlast(self, old: Child) -> None:
        """Wait until one of `beside` has ended, and end it when it must."""
        try:
            async with asyncio.timeout_at(self.beside[old]):
                await old.wait()
        except TimeoutError:
            logger.warning("killed: it was replaced long ago", program=self.program.name, pid=old.pid)
        old.signal_group(signal.SIGKILL)
        await old.wait()
        del self.beside[old]

    # The end

    async def stop(self, drain_s: float, at_once: asyncio.Event) -> None:
        """End every process of the program: it has `drain_s` for what runs, unless `at_once`."""
        processes = [*self.beside, *((self.child,) if self.child else ())]
        await asyncio.gather(*(self._stop(child, drain_s, at_once) for child in processes))

    async def _stop(self, child: Child, drain_s: float, at_once: asyncio.Event) -> None:
        if child.returncode is None and not at_once.is_set():
            child.signal_group(signal.SIGTERM)
            ends = [asyncio.create_task(child.wait()), asyncio.create_task(_wait(at_once))]
            await asyncio.wait(ends, timeout=drain_s + self._pace.stop_s, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()
        if child.returncode is None and at_once.is_set():
            child.signal_group(self.program.at_once)
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), self._pace.stop_s)
        child.signal_group(signal.SIGKILL)
        await child.wait()


async def _until_it_stands_still(child: Child, works: Callable[[], Awaitable[bool]]) -> str:
    """Until it does not run and leaves questions unanswered; in words, how."""
    loop, standstill = asyncio.get_running_loop(), Standstill(run_of(child.pid))
    while True:
        await asyncio.sleep(LOOK_S)
        while standstill.suspects(run_of(child.pid)):
            asked = loop.time()
            if await works() or loop.time() - asked < QUESTION_S:
                break
            if standstill.silent(run_of(child.pid)):
                return "it does not run any more"


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _words(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"


def _tail(output: Path | None) -> str:
    """The last lines of what a program wrote into its file, to show beside the failure; or where they are."""
    if output is None:
        return "; its own lines above say why"
    if not output.exists():
        return ""
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]
    return "".join(f"\n    {log.escaped(line)}" for line in lines)
