"""A program of the supervisor is replaced by a newer one: it takes over, or the old one goes on."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from carillon.child import Child, spawn
from carillon.program import Program, ReplaceError
from tests.carillon.test_supervisor import QUICK, SLEEP, Run, alive, until

TAKES = "import pathlib, os, time; pathlib.Path({!r}).write_text(str(os.getpid())); time.sleep(60)"
"""Answers from now on: it writes its process id into the file."""


def answering(file: Path) -> Program:
    """A program that answers with whatever process id is in the file."""

    async def trouble() -> str | None:
        return None if answers() else "silent"

    def answers() -> int | None:
        text = file.read_text() if file.exists() else ""
        return int(text) if text else None

    argv = (sys.executable, "-c", TAKES.format(str(file)))
    return Program("a", argv, trouble, answering=answers)


async def test_the_new_one_is_kept_when_it_answers(tmp_path: Path) -> None:
    run = Run(answering(tmp_path / "pid"))
    old = (await run.until_ready())["a"]
    program = run.supervisor.program("a")
    assert program is not None
    await run.supervisor.replace("a", program.argv, (), beside_s=0.0)
    new = (await run.until_ready(2))["a"]
    assert new != old
    assert alive(new)
    await run.end()
    assert not alive(new)


async def test_the_old_one_goes_on_beside_it_for_as_long_as_it_may(tmp_path: Path) -> None:
    run = Run(answering(tmp_path / "pid"))
    old = (await run.until_ready())["a"]
    program = run.supervisor.program("a")
    assert program is not None
    begun = time.monotonic()
    await run.supervisor.replace("a", program.argv, (), beside_s=0.5)
    assert alive(old)
    assert list(run.supervisor.state()["beside"]["a"]) == [str(old)]
    await until(lambda: not alive(old))
    assert time.monotonic() - begun >= 0.5
    await run.end()


async def test_the_end_of_the_old_one_is_no_death(tmp_path: Path) -> None:
    run = Run(answering(tmp_path / "pid"))
    old = (await run.until_ready())["a"]
    kills = f"import os; os.kill({old}, 9); " + TAKES.format(str(tmp_path / "pid"))
    await run.supervisor.replace("a", (sys.executable, "-c", kills), (), beside_s=0.0)
    new = (await run.until_ready(2))["a"]
    assert run.supervisor.processes() == {"a": new}
    await run.end()
    assert len(run.ready) == 2


async def test_after_its_death_the_new_command_line_is_started(tmp_path: Path) -> None:
    run = Run(answering(tmp_path / "pid"))
    await run.until_ready()
    argv = (sys.executable, "-c", TAKES.format(str(tmp_path / "pid")), "new")
    await run.supervisor.replace("a", argv, ("for this time only",), beside_s=0.0)
    program = run.supervisor.program("a")
    assert program is not None and program.argv == argv
    await run.end()


async def test_one_that_ends_is_said_in_words_and_the_old_one_goes_on(tmp_path: Path) -> None:
    run = Run(answering(tmp_path / "pid"))
    old = (await run.until_ready())["a"]
    with pytest.raises(ReplaceError, match="the new process ended with status 3"):
        await run.supervisor.replace("a", (sys.executable, "-c", "raise SystemExit(3)"), (), beside_s=0.0)
    assert run.supervisor.processes() == {"a": old}
    assert alive(old)
    await run.end()


async def test_one_that_does_not_take_over_in_time_is_ended(tmp_path: Path) -> None:
    run = Run(answering(tmp_path / "pid"), pace=replace(QUICK, replace_s=1.0))
    await run.until_ready()
    with pytest.raises(ReplaceError, match="within 1 s"):
        await run.supervisor.replace("a", (sys.executable, "-c", SLEEP), (), beside_s=0.0)
    await run.end()


async def test_a_command_that_does_not_exist_changes_nothing(tmp_path: Path) -> None:
    run = Run(answering(tmp_path / "pid"))
    await run.until_ready()
    with pytest.raises(ReplaceError, match="/nonexistent/command"):
        await run.supervisor.replace("a", ("/nonexistent/command",), (), beside_s=0.0)
    assert len(run.ready) == 1
    await run.end()


async def test_one_without_a_control_socket_cannot_be_replaced() -> None:
    async def trouble() -> str | None:
        return None

    run = Run(Program("a", (sys.executable, "-c", SLEEP), trouble))
    await run.until_ready()
    with pytest.raises(ReplaceError, match="no control socket"):
        await run.supervisor.replace("a", (sys.executable, "-c", SLEEP), (), beside_s=0.0)
    await run.end()


async def test_a_child_of_before_is_waited_for_as_one_of_ours() -> None:
    pid = spawn((sys.executable, "-c", "raise SystemExit(7)"), {}, None).pid
    assert await Child(pid).wait() == 7


async def test_one_that_is_no_child_any_more_is_not_adopted() -> None:
    child = spawn((sys.executable, "-c", ""), {}, None)
    await child.wait()
    with pytest.raises(ProcessLookupError):
        Child(child.pid)


async def test_a_supervisor_adopts_what_runs_already(tmp_path: Path) -> None:
    program = answering(tmp_path / "pid")
    child = spawn(program.argv, {}, None)
    await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    run = Run(program, adopted={"processes": {"a": child.pid}})
    assert await run.until_ready() == {"a": child.pid}
    await run.end()
    assert not alive(child.pid)


async def test_a_supervisor_adopts_what_was_replaced_too(tmp_path: Path) -> None:
    program = answering(tmp_path / "pid")
    old = spawn((sys.executable, "-c", SLEEP), {}, None)
    run = Run(program, adopted={"beside": {"a": {str(old.pid): time.monotonic()}}})
    await run.until_ready()
    await until(lambda: not alive(old.pid))
    await run.end()
