"""The supervisor: everything comes up, what dies comes back, nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from carillon.keeper import START_TRIES
from carillon.part_program import part_argv, part_program
from carillon.program import Pace, Program, SupervisorError
from carillon.settings import parse
from carillon.supervisor import Supervisor

QUICK = Pace(
    start_s=10.0,
    first_pause_s=0.02,
    longest_pause_s=0.1,
    settled_s=5.0,
    stop_s=0.3,
    ask_s=0.02,
    replace_s=10.0,
)

SLEEP = "import time; time.sleep(60)"


def python(
    name: str, code: str, *arguments: str, after: tuple[str, ...] = (), output: Path | None = None
) -> Program:
    async def trouble() -> str | None:
        return None

    return Program(name, (sys.executable, "-c", code, *arguments), trouble, after, output)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Run:
    """A supervisor at work in a task."""

    def __init__(
        self, *programs: Program, pace: Pace = QUICK, adopted: Mapping[str, Any] | None = None
    ) -> None:
        self.ready: list[dict[str, int]] = []
        self.stop = asyncio.Event()
        self.supervisor = Supervisor(programs, self.ready.append, pace, adopted=adopted)
        self.task = asyncio.create_task(self.supervisor.run(self.stop))

    async def until_ready(self, times: int = 1) -> dict[str, int]:
        await until(lambda: len(self.ready) >= times or self.task.done())
        if self.task.done():
            await self.task
        return self.ready[-1]

    async def end(self) -> None:
        self.stop.set()
        await self.task


async def test_all_are_started_and_stopped() -> None:
    run = Run(python("a", SLEEP), python("b", SLEEP))
    pids = await run.until_ready()
    assert set(pids) == {"a", "b"}
    assert all(map(alive, pids.values()))
    assert all(os.getsid(pid) == pid for pid in pids.values())
    await run.end()
    assert not any(map(alive, pids.values()))


async def test_what_dies_is_started_again_and_said_again() -> None:
    run = Run(python("a", SLEEP), python("b", SLEEP))
    before = await run.until_ready()
    os.kill(before["a"], signal.SIGKILL)
    after = await run.until_ready(2)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]
    await run.end()
    assert not alive(after["a"])


async def test_sighup_is_passed_on_and_kills_no_program_that_is_not_ready_for_it(tmp_path: Path) -> None:
    flag, heard = tmp_path / "listens", tmp_path / "heard"
    code = (
        "import pathlib, signal, time\n"
        f"signal.signal(signal.SIGHUP, lambda *_: pathlib.Path({str(heard)!r}).touch())\n"
        f"pathlib.Path({str(flag)!r}).touch()\n"
        "time.sleep(60)"
    )
    run = Run(python("listens", code), python("deaf", SLEEP))
    pids = await run.until_ready()
    await until(flag.exists)
    run.supervisor.hang_up()
    await until(heard.exists)
    assert all(map(alive, pids.values()))
    assert len(run.ready) == 1
    await run.end()


async def test_pauses_between_restarts_grow(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    code = (
        f"import pathlib, time; file = pathlib.Path({str(starts)!r}); first = not file.exists()\n"
        "file.open('a').write(f'{time.monotonic()}\\n')\n"
        "if first: time.sleep(60)"
    )
    slow = Pace(first_pause_s=0.1, longest_pause_s=60, settled_s=60, stop_s=0.3, ask_s=0.01)
    run = Run(python("a", code), pace=slow)
    pids = await run.until_ready()
    await until(starts.exists)
    os.kill(pids["a"], signal.SIGKILL)

    def times() -> list[float]:
        return [float(line) for line in starts.read_text().splitlines()]

    await until(lambda: len(times()) >= 4)
    await run.end()
    after_first, after_second = (later - sooner for sooner, later in pairwise(times()[1:4]))
    assert after_first >= 0.2
    assert after_second >= 0.4


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    flag = tmp_path / "deaf"
    code = f"import signal; signal.signal(15, signal.SIG_IGN); open({str(flag)!r}, 'w'); {SLEEP}"
    run = Run(python("a", code))
    pid = (await run.until_ready())["a"]
    await until(flag.exists)
    await run.end()
    assert not alive(pid)


async def test_what_a_child_has_started_goes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time, pathlib;"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
        f"pathlib.Path({str(file)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    run = Run(python("a", code))
    await run.until_ready()
    await until(lambda: file.exists() and file.read_text())
    grandchild = int(file.read_text())
    assert alive(grandchild)
    await run.end()
    await until(lambda: not alive(grandchild))


async def test_one_that_dies_again_and_again_at_the_start_ends_it_all(tmp_path: Path) -> None:
    output = tmp_path / "out"

    async def never() -> str | None:
        return "silent"

    dying = Program(
        "b", (sys.executable, "-c", "print('why\\x1b'); raise SystemExit(7)"), never, output=output
    )
    run = Run(python("a", SLEEP), dying)
    with pytest.raises(SupervisorError, match=r"b does not start: it ended with status 7\n    why\\x1b"):
        await run.task
    assert len(output.read_text().splitlines()) == START_TRIES


async def test_a_wrong_configuration_is_not_tried_again() -> None:
    async def never() -> str | None:
        return "silent"

    run = Run(Program("a", (sys.executable, "-c", "raise SystemExit(2)"), never))
    with pytest.raises(SupervisorError, match="ended with status 2; its own lines above say why"):
        await run.task


async def test_one_that_never_answers_is_named_with_its_trouble() -> None:
    async def never() -> str | None:
        return "no link to the server"

    deaf = Program("component", (sys.executable, "-c", SLEEP), never)
    late = Pace(start_s=0.3, stop_s=0.3, ask_s=0.02)
    run = Run(python("a", SLEEP), deaf, python("b", SLEEP, after=("component",)), pace=late)
    with pytest.raises(SupervisorError, match="component: no link to the server; b: not started"):
        await run.task
    assert not run.ready


async def test_a_command_that_does_not_exist_is_said_in_words() -> None:
    async def trouble() -> str | None:
        return None

    run = Run(Program("a", ("/nonexistent/command",), trouble))
    with pytest.raises(SupervisorError, match="a cannot be started: /nonexistent/command: No such file"):
        await run.task


async def test_what_others_need_starts_first_and_stops_last(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import sys, signal, time\n"
        f"say = lambda word: open({str(order)!r}, 'a').write(word + sys.argv[1] + ' ')\n"
        "signal.signal(15, lambda *_: (say('-'), sys.exit()))\n"
        "say('+')\n"
        "time.sleep(60)"
    )

    async def started() -> str | None:
        return None if order.exists() and "+base" in order.read_text() else "not yet"

    base = Program("base", (sys.executable, "-c", code, "base"), started)
    run = Run(python("top", code, "top", after=("base",)), base)
    await run.until_ready()
    await until(lambda: "+top" in order.read_text())
    await run.end()
    assert order.read_text().split() == ["+base", "+top", "-top", "-base"]


async def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from carillon.program import Program\n"
        "from carillon.supervisor import Supervisor\n"
        "async def trouble(): return None\n"
        f"program = Program('a', (sys.executable, '-c', {SLEEP!r}), trouble)\n"
        "ready = lambda pids: print(pids['a'], flush=True)\n"
        "asyncio.run(Supervisor([program], ready).run(asyncio.Event()))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    lines = [line async for line in process.stdout if line.strip().isdigit() and not process.kill()]  # type: ignore[func-returns-value]
    await process.wait()
    child = int(lines[0])
    await until(lambda: not alive(child))


async def test_an_error_of_the_caller_ends_it_all() -> None:
    started = []

    def ready(pids: dict[str, int]) -> None:
        started.append(pids["a"])
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        await Supervisor([python("a", SLEEP)], ready, QUICK).run(asyncio.Event())
    assert not alive(started[0])


def test_a_part_is_this_python_with_the_configuration_and_overrides() -> None:
    argv = part_argv("bridge", Path("/c.toml"), ("a.b=1",))
    assert argv == (sys.executable, "-m", "carillon", "bridge", "--config", "/c.toml", "--set", "a.b=1")


def test_a_part_that_finds_its_configuration_by_itself_is_told_none() -> None:
    assert part_argv("bridge", None, ("a.b=1",)) == (
        *(sys.executable, "-m", "carillon", "bridge"),
        *("--set", "a.b=1"),
    )


async def test_a_part_without_control_socket_is_taken_as_answering() -> None:
    settings = parse('[bridge]\ncontrol = ""\n', Path("/nonexistent/c.toml"))
    assert await part_program("bridge", settings, ()).trouble() is None
    assert "component.sock" in str(await part_program("component", settings, ()).trouble())
