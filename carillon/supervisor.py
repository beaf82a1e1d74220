"""Keeps programs running: starts them as child processes, waits until they answer, restarts what dies.

Each child is the leader of a session of its own: Ctrl-C at the terminal reaches the supervisor alone, which
stops the children in order, and a signal to the child's group reaches what the child has started. When the
supervisor itself is killed, the kernel sends SIGTERM to the children (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from carillon import log
from carillon.command_line import EXIT_CONFIGURATION, CommandError

logger = structlog.get_logger()

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class SupervisorError(CommandError):
    """A program does not come up; the text says which and why."""

    def __init__(self, text: str, status: int = CommandError.status) -> None:
        """`status` is the exit status: EXIT_CONFIGURATION when the program ended with that."""
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Program:
    """Something to keep running."""

    name: str
    argv: tuple[str, ...]
    trouble: Callable[[], Awaitable[str | None]]
    """Asks the program whether it answers: None, or in words why not. Must not raise or take long."""
    after: tuple[str, ...] = ()
    """Programs that must answer before this one starts, and that stop after it."""
    output: Path | None = None
    """Where standard output and error go; None: where the supervisor's own go."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it gets beside the supervisor's own."""
    works: Callable[[], Awaitable[bool]] | None = None
    """Asks whether it still answers anything at all. Must not raise; None: nobody asks."""
    at_once: signal.Signals = signal.SIGTERM
    """What ends it without letting go on what runs."""


@dataclass(frozen=True)
class Pace:
    """The times of a supervisor, in seconds."""

    start_s: float = 60.0
    """All programs must answer after this time."""
    first_pause_s: float = 0.25
    longest_pause_s: float = 15.0
    """Pause before a restart: doubled each time, up to the longest."""
    settled_s: float = 30.0
    """A program that has run so long begins with the first pause again."""
    stop_s: float = 6.0
    """From SIGTERM to SIGKILL: longer than a part gives itself to stop."""
    ask_s: float = 0.1
    """Between two questions whether a program answers."""
    watch_s: float = 15.0
    """Between two questions whether a program that has answered still works."""
    hung_after: int = 4
    """So many of these questions in a row without an answer, and it hangs and is killed. No time: this
    process may have stood still itself."""


class Supervisor:
    """Runs `programs`. `on_ready` gets their process ids when all answer, and again after each restart."""

    START_TRIES = 3
    """A program that dies so often before all have answered for the first time will not come up."""

    def __init__(
        self,
        programs: Iterable[Program],
        on_ready: Callable[[dict[str, int]], None],
        pace: Pace | None = None,
        drain_s: float = 0.0,
    ) -> None:
        self.drain_s = drain_s
        """How much longer than `Pace.stop_s` programs get to end after SIGTERM."""
        self._programs = tuple(programs)
        self._on_ready = on_ready
        self._pace = pace or Pace()
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._answers = {program.name: asyncio.Event() for program in self._programs}
        self._last_trouble: dict[str, str] = {}
        self._came_up = False
        self._at_once = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep everything running until `stop` is set.

        Raises SupervisorError when a program does not come up. However it ends, no child is left.
        """
        keepers = [asyncio.create_task(self._keep(program)) for program in self._programs]
        overdue = asyncio.create_task(self._refuse_late_start())
        stopped = asyncio.create_task(_wait(stop))
        tasks = (stopped, overdue, *keepers)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_all()

    def hang_up(self) -> None:
        """Pass SIGHUP on to every child: read your files again."""
        logger.info("SIGHUP is passed on", programs=len(self._processes))
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

    def hurry(self) -> None:
        """Do not wait until what runs has ended, when stopping."""
        self._at_once.set()

    def status(self) -> str:
        """What there is to say about the programs, in words."""
        silent = [name for name, answers in self._answers.items() if not answers.is_set()]
        if not silent:
            return "everything answers"
        known = self._last_trouble
        return (
            f"not answering: {', '.join(f'{one} ({known[one]})' if one in known else one for one in silent)}"
        )

    async def _refuse_late_start(self) -> None:
        await asyncio.sleep(self._pace.start_s)
        if self._came_up:
            await asyncio.Event().wait()
        silent = [name for name, answers in self._answers.items() if not answers.is_set()]
        why = "; ".join(f"{name}: {self._last_trouble.get(name, 'not started')}" for name in silent)
        raise SupervisorError(f"not everything answers after {self._pace.start_s:.0f} s: {why}")

    async def _keep(self, program: Program) -> None:
        """Start `program` again and again."""
        for name in program.after:
            await self._answers[name].wait()
        pause_s, deaths = self._pace.first_pause_s, 0
        while True:
            started = asyncio.get_running_loop().time()
            process = await self._spawn(program)
            asks = asyncio.create_task(self._attend(program, process.pid))
            exits = asyncio.create_task(process.wait())
            try:
                await asyncio.wait((asks, exits), return_when=asyncio.FIRST_COMPLETED)
                if asks.done():
                    asks.result()  # raises what on_ready has raised
                status = await exits
            finally:
                asks.cancel()
                exits.cancel()
            self._answers[program.name].clear()
            _signal_group(process.pid, signal.SIGKILL)  # what the child itself had started
            deaths += 1
            words = _words(status)
            misconfigured = status == EXIT_CONFIGURATION
            if not self._came_up and (misconfigured or deaths >= self.START_TRIES):
                raise SupervisorError(
                    f"{program.name} does not start: it {words}{_tail(program.output)}",
                    EXIT_CONFIGURATION if misconfigured else CommandError.status,
                )
            if asyncio.get_running_loop().time() - started >= self._pace.settled_s:
                pause_s = self._pace.first_pause_s
            logger.warning("died and is started again", program=program.name, how=words, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, self._pace.longest_pause_s)

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        output = program.output.open("ab") if program.output else None
        try:
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output or sys.stderr,
                stderr=output or sys.stderr,
                env={**os.environ, **program.environment},
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        except OSError as error:
            raise SupervisorError(
                f"{program.name} cannot be started: {program.argv[0]}: {error.strerror}"
            ) from None
        finally:
            if output:
                output.close()
        self._processes[program.name] = process
        return process

    async def _attend(self, program: Program, pid: int) -> None:
        """Wait until it answers, and from then on kill it when it hangs: `_keep` starts it again."""
        await self._wait_until_it_answers(program, pid)
        if program.works is None:
            return
        unanswered = 0
        while unanswered < self._pace.hung_after:
            await asyncio.sleep(self._pace.watch_s)
            unanswered = 0 if await program.works() else unanswered + 1
        logger.error("hangs and is killed", program=program.name, pid=pid, unanswered=unanswered)
        _signal_group(pid, signal.SIGKILL)

    async def _wait_until_it_answers(self, program: Program, pid: int) -> None:
        while trouble := await program.trouble():
            self._last_trouble[program.name] = trouble
            await asyncio.sleep(self._pace.ask_s)
        self._last_trouble.pop(program.name, None)
        self._answers[program.name].set()
        logger.info("answers", program=program.name, pid=pid)
        if all(answers.is_set() for answers in self._answers.values()):
            self._came_up = True
            self._on_ready({name: process.pid for name, process in self._processes.items()})

    async def _stop_all(self) -> None:
        """Stop every child: first those that need others, then the rest."""
        dependent = [program for program in self._programs if program.after]
        rest = [program for program in self._programs if not program.after]
        for programs in (dependent, rest):
            started = [program for program in programs if program.name in self._processes]
            await asyncio.gather(*(self._stop(one, self._processes[one.name]) for one in started))

    async def _stop(self, program: Program, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None and not self._at_once.is_set():
            _signal_group(process.pid, signal.SIGTERM)
            ends = [asyncio.create_task(process.wait()), asyncio.create_task(_wait(self._at_once))]
            await asyncio.wait(
                ends, timeout=self.drain_s + self._pace.stop_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in ends:
                task.cancel()
        if process.returncode is None and self._at_once.is_set():
            _signal_group(process.pid, program.at_once)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._pace.stop_s)
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes its program: tie its life to the supervisor's."""

    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the program has a handler, it would die of it
        if os.getppid() != parent:  # the supervisor died before the line above
            os._exit(1)

    return tie


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


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
