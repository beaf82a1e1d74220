"""How a supervisor ends its programs, and what it does with one that hangs."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from carillon.program import Pace, Program
from carillon.supervisor import Supervisor

QUICK = Pace(start_s=20.0, first_pause_s=0.02, stop_s=0.3, ask_s=0.02, watch_s=0.05, hung_after=3)

SLOW = (
    "import pathlib, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: pathlib.Path(sys.argv[1], 'told').touch())\n"
    "signal.signal(signal.SIGINT, lambda *_: sys.exit())\n"
    "pathlib.Path(sys.argv[1], 'listens').touch()\n"
    "while not pathlib.Path(sys.argv[1], 'done').exists(): time.sleep(0.01)\n"
)
"""Ends when the file `done` is there, or at SIGINT."""


def slow(directory: Path) -> Program:
    async def trouble() -> str | None:
        return None if (directory / "listens").exists() else "not yet"

    argv = (sys.executable, "-c", SLOW, str(directory))
    return Program("slow", argv, trouble, at_once=signal.SIGINT)


async def until_there(file: Path) -> None:
    async with asyncio.timeout(30):
        while not file.exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)


class Stopping:
    """A supervisor of one slow program that has been told to stop."""

    def __init__(self, directory: Path, drain_s: float) -> None:
        self.directory = directory
        self.supervisor = Supervisor([slow(directory)], self._ready, QUICK, drain_s)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.supervisor.run(self.stop))

    def _ready(self, _pids: dict[str, int]) -> None:
        self.stop.set()

    async def told(self) -> None:
        await until_there(self.directory / "told")


async def test_a_program_may_end_what_it_does(tmp_path: Path) -> None:
    stopping = Stopping(tmp_path, drain_s=60)
    await stopping.told()
    assert not stopping.task.done()
    (tmp_path / "done").touch()
    await stopping.task


async def test_after_the_time_to_drain_it_is_killed(tmp_path: Path) -> None:
    stopping = Stopping(tmp_path, drain_s=0.5)
    await stopping.told()
    begun = time.monotonic()
    await stopping.task
    assert time.monotonic() - begun >= 0.5


async def test_hurry_ends_the_wait(tmp_path: Path) -> None:
    stopping = Stopping(tmp_path, drain_s=60)
    await stopping.told()
    stopping.supervisor.hurry()
    await stopping.task


async def test_who_is_in_a_hurry_from_the_start_does_not_drain(tmp_path: Path) -> None:
    stopping = Stopping(tmp_path, drain_s=60)
    stopping.supervisor.hurry()
    await stopping.task
    assert not (tmp_path / "told").exists()


async def test_a_program_that_hangs_is_killed_and_started_again() -> None:
    works = True

    async def trouble() -> str | None:
        return None

    async def still_works() -> bool:
        return works

    ready: list[int] = []
    again = asyncio.Event()

    def on_ready(pids: dict[str, int]) -> None:
        nonlocal works
        ready.append(pids["a"])
        works = len(ready) > 1
        if works:
            again.set()

    program = Program("a", (sys.executable, "-c", "import time; time.sleep(60)"), trouble)
    supervisor = Supervisor([replace(program, works=still_works)], on_ready, QUICK)
    stop = asyncio.Event()
    with capture_logs() as lines:
        task = asyncio.create_task(supervisor.run(stop))
        async with asyncio.timeout(30):
            await again.wait()
        stop.set()
        await task
    assert ready[0] != ready[1]
    assert [line for line in lines if line["event"] == "hangs and is killed"]


async def test_the_status_names_who_does_not_answer() -> None:
    async def trouble() -> str | None:
        return "no"

    programs = [Program(name, (sys.executable, "-c", ""), trouble) for name in "ab"]
    assert Supervisor(programs, lambda pids: None).status() == "not answering: a, b"


async def test_the_status_says_why_somebody_does_not_answer() -> None:
    asked = asyncio.Event()

    async def trouble() -> str | None:
        asked.set()
        return "the XMPP server is away"

    async def works() -> str | None:
        return None

    sleeps = (sys.executable, "-c", "import time; time.sleep(60)")
    programs = [Program("a", sleeps, trouble), Program("b", sleeps, works)]
    supervisor, stop = Supervisor(programs, lambda pids: None, QUICK), asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    async with asyncio.timeout(30):
        await asked.wait()
        while not supervisor.status().endswith("away)"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert supervisor.status() == "not answering: a (the XMPP server is away)"
    stop.set()
    await task
