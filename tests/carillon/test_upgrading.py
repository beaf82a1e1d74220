"""Requests for an upgrade, what is said of one, and how command lines change for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import aiohttp
import pytest

from carillon.become import VARIABLE, state_before
from carillon.control import Control, ask
from carillon.part import PARTS
from carillon.part_program import by_python, this_program
from carillon.settings import parse
from carillon.supervisor import Supervisor
from carillon.upgrade import lines_of
from carillon.upgrading import ORDER, Step, Upgrade, UpgradeError, Upgrading


async def never(program: tuple[str, ...], upgrade: Upgrade) -> NoReturn:
    raise UpgradeError("nothing becomes anything here")


@pytest.fixture
def upgrading() -> Upgrading:
    """Of a supervisor without programs."""
    settings = parse("", Path("/nonexistent/carillon.toml"))
    supervisor = Supervisor([], lambda _pids: None)
    return Upgrading(lambda: settings, supervisor, ("/nonexistent/python",), ("run",), never)


@pytest.fixture
async def control(upgrading: Upgrading, tmp_path: Path) -> AsyncIterator[str]:
    path = str(tmp_path / "supervisor.sock")
    one = Control(path, lambda: None, upgrading.routes())
    await one.start()
    yield path
    await one.stop()


async def finished(upgrading: Upgrading) -> Upgrade:
    assert upgrading.upgrade is not None
    async with asyncio.timeout(10):
        while upgrading.upgrade.running:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return upgrading.upgrade


def test_every_part_has_its_place_in_the_order() -> None:
    assert set(ORDER) == set(PARTS)


async def test_an_unknown_part_is_said_with_those_there_are(control: str) -> None:
    status, text = await ask(control, "/upgrade", body={"parts": "fornt"})
    assert (status, "there is no fornt here: there are supervisor" in text) == (409, True)


async def test_while_one_is_under_way_no_other_begins(upgrading: Upgrading) -> None:
    upgrading.begin([])
    with pytest.raises(UpgradeError, match="under way already"):
        upgrading.begin([])
    await finished(upgrading)


async def test_a_python_that_is_not_there_is_refused(control: str) -> None:
    status, text = await ask(control, "/upgrade", body={"python": "bin/python"})
    assert (status, "say the whole path" in text) == (409, True)


async def test_a_program_that_is_not_there_is_said(upgrading: Upgrading) -> None:
    upgrading.begin([])
    upgrade = await finished(upgrading)
    assert "cannot be started: /nonexistent/python: No such file" in upgrade.failed


@pytest.mark.parametrize("body", ["[]", "{", "1", "\N{SNOWMAN}"])
async def test_what_is_no_request_is_refused(control: str, body: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(control)) as http:
        answer = await http.post("http://control/upgrade", data=body.encode())
        assert answer.status == 400


async def test_before_the_first_upgrade_there_is_nothing_to_say(control: str) -> None:
    assert await ask(control, "/upgrade") == (200, "{}")


def test_the_supervisor_after_it_completes_the_report() -> None:
    upgrade = Upgrade([Step("bridge"), Step("supervisor")], version="2")
    upgrade.steps[0].finish("2")
    upgrade.steps[1].begin("1")
    completed = Upgrade.completed({**upgrade.report(), "what only newer ones know": 1})
    assert not completed.running
    assert [step.state for step in completed.steps] == ["done", "done"]


def test_a_failure_leaves_the_rest_as_it_was() -> None:
    upgrade = Upgrade([Step("component"), Step("front")], version="2")
    upgrade.steps[0].begin("1")
    upgrade.fail("it died")
    assert list(lines_of(upgrade.report())) == [
        "the new version is 2",
        "component    1 goes on",
        "front        as it was",
    ]


def test_a_script_is_run_by_another_python_as_a_module() -> None:
    argv = by_python(("/opt/current/bin/carillon", "bridge", "--config", "c"), "/next/python")
    assert argv == ("/next/python", "-m", "carillon", "bridge", "--config", "c")


def test_a_module_is_run_by_another_python_as_it_was() -> None:
    argv = by_python(("/usr/bin/python3", "-m", "carillon", "bridge"), "/next/python")
    assert argv == ("/next/python", "-m", "carillon", "bridge")


def test_who_was_started_by_a_script_starts_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "carillon"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    link = tmp_path / "current"
    link.symlink_to(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(link / "carillon"), "run"])
    assert this_program() == (str(link / "carillon"),), (
        "the link is not resolved: it may lead elsewhere later"
    )


def test_who_was_started_as_a_module_is_that_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/carillon/__main__.py", "run"])
    assert this_program() == (sys.executable, "-m", "carillon")


def test_the_state_of_the_supervisor_before_is_for_nobody_else() -> None:
    environment = {VARIABLE: '{"control": 7}', "PATH": "/bin"}
    assert state_before(environment) == {"control": 7}
    assert environment == {"PATH": "/bin"}
    assert state_before(environment) == {}
