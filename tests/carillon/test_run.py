"""`carillon run` in a process of its own, its parts being stubs: signals, reload, and what systemd hears."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carillon.command_line import EXIT_CONFIGURATION
from carillon.part import PARTS
from carillon.part_process import SAME_SIGNAL_S
from tests.carillon.notify_socket import notify_socket
from tests.carillon.part_process import STUB, Process, process, rewrite
from tests.ports import free_port

CODE = f"""
import sys
from functools import partial
from carillon import cli, run
def argv(name, config, overrides=()):
    words = ("--config", str(config)) if config else ("--config", "")
    bridge = "secretive" if "secretive" in sys.argv[1] else "busy"
    return (sys.executable, {STUB!r}, name, *words, *([bridge] if name == "bridge" else []))
run.part_argv = argv
if "quick" in sys.argv[1]:
    run.Supervisor = partial(run.Supervisor, pace=run.Pace(first_pause_s=0.1, watch_s=0.1, hung_after=2))
    run.LAST_WORDS_S = 0.1
sys.exit(cli.main(sys.argv[2:]))
"""

LONG = "[operation]\ndrain_s = 100\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "carillon.toml"
    file.write_text(LONG)
    return file


@asynccontextmanager
async def running(
    *arguments: str, environment: Mapping[str, str] | None = None, pace: str = ""
) -> AsyncIterator[tuple[Process, dict[str, int]]]:
    """`carillon run` once every part answers, with the process ids of the parts. The bridge is busy."""
    async with process(sys.executable, "-c", CODE, pace, "run", *arguments, environment=environment) as run:
        line = await run.says("every part answers")
        words = (word.partition("=") for word in line.split())
        yield run, {name: int(value) for name, _, value in words if name in PARTS}


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_sigterm_waits_for_what_runs_in_the_parts(config: Path, tmp_path: Path) -> None:
    async with running("--config", str(config)) as (run, pids):
        run.send(signal.SIGTERM)
        await run.says("drains: nothing new begins")
        await run.says("stops: the parts end what they do at_most_s=100")
        assert not gone(pids["bridge"])
        (tmp_path / "done").touch()
        assert await run.ended() == 0
    assert all(map(gone, pids.values()))


async def test_a_second_sigterm_does_not_wait(config: Path) -> None:
    async with running("--config", str(config)) as (run, pids):
        run.send(signal.SIGTERM)
        await run.says("drains: nothing new begins")
        await asyncio.sleep(SAME_SIGNAL_S + 0.2)
        run.send(signal.SIGTERM)
        assert await run.ended() == 0
    assert all(map(gone, pids.values()))


async def test_sigint_does_not_wait(config: Path) -> None:
    async with running("--config", str(config)) as (run, pids):
        run.send(signal.SIGINT)
        assert await run.ended() == 0
    assert all(map(gone, pids.values()))


async def test_a_reload_reaches_every_part_and_the_supervisor(config: Path) -> None:
    async with running("--config", str(config)) as (run, pids):
        rewrite(config, '[operation]\ndrain_s = 0\n[bridge]\ncontrol = "x.sock"\nmax_endpoints = 7\n')
        run.send(signal.SIGHUP)
        await run.says("SIGHUP is passed on")
        assert "bridge.control" in await run.says("needs a restart of carillon run")
        await run.says("takes up 7 10000")  # the bridge; the others have no use for its limit
        seen = 0
        for _ in pids:
            seen = run.lines.index(await run.says("takes up ", after=seen), seen) + 1
        run.send(signal.SIGTERM)  # there is no time to drain any more
        assert await run.ended() == 0
        assert not any(line.startswith("begins nothing new") for line in run.lines)
    assert all(map(gone, pids.values()))


async def test_a_wrong_file_is_said_and_passed_on_all_the_same(config: Path) -> None:
    async with running("--config", str(config)) as (run, pids):
        rewrite(config, "[front]\nport = 0\n")
        run.send(signal.SIGHUP)
        for who in ("supervisor", *pids):
            line = await run.says(f"{who:9} configuration not reloaded, the old one stays")
            assert f"{config}:2: front.port must be a port" in line


async def test_systemd_hears_of_all_parts_together(config: Path, tmp_path: Path) -> None:
    with notify_socket(str(tmp_path / "notify")) as systemd:
        environment = {**systemd.environment, "WATCHDOG_USEC": "1000000"}
        async with running("--config", str(config), environment=environment) as (run, _):
            await systemd.until_has(READY="1", STATUS="everything answers")
            await systemd.until_has(WATCHDOG="1", STATUS="everything answers")
            run.send(signal.SIGHUP)
            await systemd.until_has(RELOADING="1")
            run.send(signal.SIGTERM)
            stopping = await systemd.until_has(STOPPING="1", STATUS="stops: the parts end what they do")
            assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 100_000_000
            (tmp_path / "done").touch()
            assert await run.ended() == 0
        assert sum("STOPPING" in one for one in systemd.listen()) == 1, "the parts have nobody to tell"


async def test_a_part_that_hangs_is_started_again_and_the_others_go_on(config: Path) -> None:
    async with running("--config", str(config), pace="quick") as (run, pids):
        os.kill(pids["bridge"], signal.SIGSTOP)
        assert f"pid={pids['bridge']}" in await run.says("hangs and is killed program=bridge")
        line = await run.says("every part answers", after=len(run.lines))
        assert f"relay={pids['relay']}" in line and f"bridge={pids['bridge']}" not in line


async def test_a_second_one_of_the_same_configuration_says_so_and_leaves_the_first_alone(
    config: Path,
) -> None:
    async with running("--config", str(config)) as (first, pids):
        again = (sys.executable, "-c", CODE, "quick", "run", "--config", str(config))
        async with process(*again) as second:
            line = await second.says("runs already")
            assert f"process {pids['link']} " in line and "stop that one first" in line
            assert await second.ended() == 1
        first.send(signal.SIGINT)
        assert await first.ended() == 0
        assert not any("started again" in line for line in first.lines)


async def test_one_that_is_ending_is_waited_for(config: Path) -> None:
    async with running("--config", str(config)) as (first, pids):
        first.send(signal.SIGKILL)
        async with running("--config", str(config)) as (second, others):
            assert not set(pids.values()) & set(others.values())
            second.send(signal.SIGINT)
            assert await second.ended() == 0


@pytest.mark.parametrize("name", ["component", "relay"])
async def test_a_part_without_its_secret_ends_as_with_a_wrong_configuration(config: Path, name: str) -> None:
    async with process(sys.executable, "-m", "carillon", name, "--config", str(config)) as one:
        assert f"the secret file {config.parent}/secrets/" in await one.says("cannot start")
        assert await one.ended() == EXIT_CONFIGURATION


async def test_the_supervisor_does_not_try_a_part_without_its_secret_again(config: Path) -> None:
    async with process(sys.executable, "-c", CODE, "secretive", "run", "--config", str(config)) as run:
        await run.says("bridge does not start: it ended with status 2")
        assert await run.ended() == EXIT_CONFIGURATION
    assert not any("started again" in line for line in run.lines)


async def test_a_part_runs_from_the_environment_alone() -> None:
    environment = {
        "CARILLON_XMPP_DOMAIN": "example.org",
        "CARILLON_BRIDGE_REST": f"127.0.0.1:{free_port()}",
        "CARILLON_BRIDGE_PORT": str(free_port()),
        "CARILLON_BRIDGE_CONTROL": "",
    }
    async with process(sys.executable, "-m", "carillon", "bridge", environment=environment) as bridge:
        await bridge.says(" started")
        bridge.send(signal.SIGTERM)
        assert await bridge.ended() == 0


async def test_a_wrong_variable_ends_a_part_in_words() -> None:
    environment = {"CARILLON_XMPP_DOMAIN": "example.org", "CARILLON_BRIDGE_PROT": "1"}
    async with process(sys.executable, "-m", "carillon", "bridge", environment=environment) as bridge:
        line = await bridge.says("carillon: ")
        assert line.endswith("CARILLON_BRIDGE_PROT names no setting; did you mean CARILLON_BRIDGE_PORT?")
        assert await bridge.ended() == 2
