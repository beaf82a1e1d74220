"""carillon.standstill: who is stopped or sleeps for ever is known, who is late is not taken for that."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from carillon import keeper
from carillon.program import Pace, Program
from carillon.standstill import ASLEEP_QUESTIONS, STOPPED_QUESTIONS, Run, Standstill, run_of
from carillon.supervisor import Supervisor

ASLEEP, STOPPED = Run("S", 5, 5, 5), Run("T", 5, 5, 5)


@pytest.mark.parametrize(("run", "questions"), [(ASLEEP, ASLEEP_QUESTIONS), (STOPPED, STOPPED_QUESTIONS)])
def test_who_neither_runs_nor_answers_stands_still(run: Run, questions: int) -> None:
    standstill = Standstill(run)
    assert standstill.suspects(run)
    assert [standstill.silent(run) for _ in range(questions)] == [False] * (questions - 1) + [True]


@pytest.mark.parametrize(
    "later",
    [
        Run("S", 6, 5, 6),
        Run("S", 5, 6, 5),
        Run("R", 5, 5, 5),
        Run("D", 5, 5, 5),
        None,
    ],
    ids=["ran", "waited for the processor", "wants to run", "waits for a disk", "has gone"],
)
def test_who_is_late_does_not(later: Run | None) -> None:
    standstill = Standstill(ASLEEP)
    assert not standstill.suspects(later)
    standstill = Standstill(ASLEEP)
    for _ in range(20):
        standstill.silent(ASLEEP)
        assert not standstill.silent(later)
        standstill.suspects(ASLEEP)


def test_a_turn_in_between_begins_the_count_anew() -> None:
    standstill = Standstill(STOPPED)
    assert not standstill.silent(STOPPED)
    assert not standstill.suspects(Run("T", 9, 5, 9))
    assert not standstill.silent(Run("T", 9, 5, 9))
    assert standstill.silent(Run("T", 9, 5, 9))


def test_a_process_that_is_stopped_looks_so() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        first, second = run_of(child.pid), run_of(child.pid)
        assert first is not None and first.state == "T" and first == second
    finally:
        child.kill()
        child.wait()
    assert run_of(child.pid) is None


def test_a_name_with_brackets_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "schedstat").write_text("1 2 3\n")
    (tmp_path / "7" / "stat").write_text("7 (a) R (b) S 1 7 7\n")
    assert run_of(7, tmp_path) == Run("S", 1, 2, 3)


@pytest.mark.parametrize("text", ["", "1 2", "a b c"])
def test_what_the_kernel_does_not_tell_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "schedstat").write_text(text)
    (tmp_path / "7" / "stat").write_text("7 (a) S 1 7 7\n")
    assert run_of(7, tmp_path) is None


QUICK_S = 0.1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and questions that take a tenth of a second."""
    monkeypatch.setattr(keeper, "LOOK_S", QUICK_S)
    monkeypatch.setattr(keeper, "QUESTION_S", QUICK_S)


class Watched:
    """A supervisor of one program whose questions nobody answers, with a long patience for silence alone."""

    def __init__(self, code: str, question_s: float = QUICK_S) -> None:
        self.pids: list[int] = []
        self.lines: list[Any] = []
        self._question_s = question_s
        self._more = asyncio.Event()
        program = Program("a", (sys.executable, "-c", code), self._no_trouble, works=self._works)
        pace = Pace(start_s=20.0, first_pause_s=0.02, stop_s=0.3, ask_s=0.02)
        self._supervisor = Supervisor([program], self._ready, pace)

    async def _no_trouble(self) -> str | None:
        return None

    async def _works(self) -> bool:
        await asyncio.sleep(self._question_s * 1.1)
        return False

    def _ready(self, pids: dict[str, int]) -> None:
        self.pids.append(pids["a"])
        self._more.set()

    async def until(self, starts: int, within_s: float) -> bool:
        """Run it until it was started so often; whether that was in time."""
        stop = asyncio.Event()
        with capture_logs() as self.lines:
            task = asyncio.create_task(self._supervisor.run(stop))
            try:
                async with asyncio.timeout(within_s):
                    while len(self.pids) < starts:
                        self._more.clear()
                        await self._more.wait()
            except TimeoutError:
                return False
            finally:
                stop.set()
                await task
        return True


@pytest.mark.usefixtures("quick")
async def test_a_supervisor_kills_what_is_stopped_within_seconds() -> None:
    stopped = Watched("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    assert await stopped.until(2, within_s=20)
    (line,) = [line for line in stopped.lines if line["event"] == "hangs and is killed"][:1]
    assert line["how"] == "it does not run any more"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("code", "question_s"),
    [("while True: pass", QUICK_S), ("import time; time.sleep(60)", 0.0)],
    ids=["busy", "question refused"],
)
async def test_a_supervisor_waits_for_what_may_still_answer(code: str, question_s: float) -> None:
    assert not await Watched(code, question_s).until(2, within_s=1.5)
