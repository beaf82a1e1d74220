"""`carillon upgrade` of a `carillon run` whose parts are stubs, with two versions on disk."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from carillon.control import ask
from tests.carillon.notify_socket import notify_socket
from tests.carillon.part_process import STUB, Process, process
from tests.carillon.two_versions import NEW, OLD, TwoVersions

CODE = f"""
import sys
from carillon import cli, run
def argv(name, config, overrides=()):
    clumsy = ["clumsy"] if name == "relay" and "clumsy" in sys.argv[1] else []
    return (sys.executable, {STUB!r}, name, "--config", str(config), *clumsy)
run.part_argv = argv
run.this_program = lambda: (sys.executable, "-c", sys.orig_argv[2], sys.argv[1])
sys.exit(cli.main(sys.argv[2:]))
"""

PARTS = ("component", "relay", "front", "bridge")


@dataclass
class Running:
    """A `carillon run` of the old version."""

    disk: TwoVersions
    run: Process
    config: Path

    async def upgrade(self, *words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(self.disk.upgrade, str(self.config), *words)

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await ask(self.control, "/status", 20.0))[1])
        return found

    async def versions(self) -> dict[str, str]:
        status = await self.status()
        parts = {name: one["version"] for name, one in status["programs"].items()}
        return {**parts, "supervisor": status["version"]}

    @property
    def control(self) -> str:
        return str(self.config.parent / "run" / "supervisor.sock")


def variables_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


@asynccontextmanager
async def running(
    directory: Path, behaviour: str = "", environment: dict[str, str] | None = None
) -> AsyncIterator[Running]:
    disk = TwoVersions(directory)
    config = directory / "carillon.toml"
    config.write_text("[operation]\ndrain_s = 1\n[link]\nenabled = false\n[streams]\nenabled = false\n")
    argv = (sys.executable, "-c", CODE, behaviour, "run", "--config", str(config))
    async with process(*argv, environment={**disk.environment(), **(environment or {})}) as run:
        await run.says("every part answers")
        disk.install(NEW)
        yield Running(disk, run, config)


async def test_every_part_and_the_supervisor_are_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        before = await one.status()
        done = await one.upgrade()
        assert done.returncode == 0, done.stderr
        assert f"the new version is {NEW}" in done.stdout
        assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == [*PARTS, "supervisor"]
        assert set((await one.versions()).values()) == {NEW}
        after = await one.status()
        assert after["pid"] == before["pid"] == one.run.pid
        pids = ({part["pid"] for part in status["programs"].values()} for status in (before, after))
        assert not set.intersection(*pids)
        one.run.send(signal.SIGTERM)
        assert await one.run.ended() == 0
    assert not list((tmp_path / "run").iterdir())


async def test_another_python_is_asked_for_by_its_path(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexport OTHER=1\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        done = await one.upgrade("bridge", "supervisor", "--python", str(python))
        assert done.returncode == 0, done.stderr
        for pid in (one.run.pid, (await one.status())["programs"]["bridge"]["pid"]):
            assert "OTHER=1" in variables_of(pid)
        versions = await one.versions()
        assert [name for name, version in versions.items() if version == NEW] == ["bridge", "supervisor"]


async def test_a_new_version_that_does_not_load_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        one.disk.file(NEW, "bridge/main.py").write_text("def (:\n")
        before = await one.status()
        done = await one.upgrade()
        assert done.returncode == 1
        assert "the new version does not start" in done.stderr and "SyntaxError" in done.stderr
        assert await one.status() == before


async def test_a_new_version_that_refuses_the_configuration_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        before = await one.status()
        reference = one.disk.file(NEW, "carillon/carillon.toml")
        reference.write_text(reference.read_text().replace("drain_s", "drain_seconds"))
        sections = one.disk.file(NEW, "carillon/settings/sections.py")
        sections.write_text(sections.read_text().replace("drain_s", "drain_seconds"))
        assert (await ask(one.control, "/upgrade", body={}))[0] == 202
        assert "unknown key drain_s in [operation]" in await one.run.says("the upgrade ends here")
        assert await one.status() == before


async def test_where_one_part_cannot_be_replaced_it_and_the_rest_stay_as_they_are(tmp_path: Path) -> None:
    async with running(tmp_path, "clumsy") as one:
        done = await one.upgrade()
        assert done.returncode == 1
        assert "the upgrade ended early: the new process" in done.stderr
        assert f"relay        {OLD} goes on" in done.stdout
        versions = await one.versions()
        assert [name for name, version in versions.items() if version == NEW] == ["component"]


async def test_systemd_sees_one_process_that_goes_on(tmp_path: Path) -> None:
    with notify_socket(str(tmp_path / "notify")) as systemd:
        environment = {**systemd.environment, "WATCHDOG_USEC": "2000000"}
        async with running(tmp_path, environment=environment) as one:
            await systemd.until_has(READY="1", STATUS="everything answers")
            assert (await one.upgrade("supervisor")).returncode == 0
            systemd.listen()
            await systemd.until_has(WATCHDOG="1")
            one.run.send(signal.SIGTERM)
            await systemd.until_has(STOPPING="1")
            assert await one.run.ended() == 0


async def test_without_carillon_run_it_says_what_to_do(tmp_path: Path) -> None:
    disk = TwoVersions(tmp_path)
    config = tmp_path / "carillon.toml"
    config.write_text("")
    done = await asyncio.to_thread(disk.upgrade, str(config))
    assert done.returncode == 1
    assert "no carillon run of this configuration answers" in done.stderr
