"""SIGHUP: a part takes up what it can, says what it cannot, and ends nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from carillon.control import ask
from tests.carillon.notify_socket import notify_socket
from tests.carillon.part_process import rewrite, stub


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "carillon.toml"
    file.write_text("[bridge]\nmax_endpoints = 1\nport = 1001\n")
    return file


async def test_what_is_live_is_taken_up_and_what_is_not_is_named(config: Path) -> None:
    async with stub(config) as part:
        rewrite(config, "[bridge]\nmax_endpoints = 2\nport = 1002\n")
        part.send(signal.SIGHUP)
        assert "bridge.port" in await part.says("needs a restart of the bridge")
        assert "changed=bridge.max_endpoints" in await part.says(" reloaded ")
        assert await part.says("takes up") == "takes up 2 1001"


async def test_a_file_that_is_wrong_keeps_the_old_configuration_and_names_the_line(config: Path) -> None:
    async with stub(config) as part:
        rewrite(config, "[bridge]\nmax_endpoints = 2\nprt = 1002\n")
        part.send(signal.SIGHUP)
        line = await part.says("configuration not reloaded, the old one stays")
        assert f"{config}:3: unknown key prt in [bridge]; did you mean port?" in line
        assert await part.says("takes up") == "takes up 1 1001"
        assert await ask(str(config.parent / "run" / "bridge.sock"), "/about/health") == (200, "ok")


async def test_a_file_that_is_gone_keeps_the_old_configuration(config: Path) -> None:
    async with stub(config) as part:
        rewrite(config, None)
        part.send(signal.SIGHUP)
        assert "No such file" in await part.says("configuration not reloaded")
        rewrite(config, "[bridge]\nmax_endpoints = 3\nport = 1001\n")
        part.send(signal.SIGHUP)
        assert await part.says("takes up 3") == "takes up 3 1001"


async def test_a_part_that_cannot_reload_goes_on(config: Path) -> None:
    async with stub(config, "trips") as part:
        part.send(signal.SIGHUP)
        await part.says("failed while reloading")
        part.send(signal.SIGTERM)
        assert await part.ended() == 0


async def test_the_log_changes_its_level_and_format(config: Path) -> None:
    async with stub(config) as part:
        rewrite(config, '[log]\nformat = "json"\n')
        part.send(signal.SIGHUP)
        await part.says('"event": "reloaded"')


async def test_what_the_environment_says_stays_in_force(config: Path) -> None:
    async with stub(config, environment={"CARILLON_BRIDGE_MAX_ENDPOINTS": "9"}) as part:
        rewrite(config, "[bridge]\nmax_endpoints = 2\nport = 1001\n")
        part.send(signal.SIGHUP)
        assert "changed=nothing" in await part.says(" reloaded ")


async def test_systemd_hears_of_start_reload_and_end(config: Path, tmp_path: Path) -> None:
    with notify_socket(str(tmp_path / "notify")) as systemd:
        environment = {**systemd.environment, "WATCHDOG_USEC": "1000000"}
        async with stub(config, environment=environment) as part:
            await systemd.until_has(READY="1")
            await systemd.until_has(WATCHDOG="1", STATUS="at work")
            part.send(signal.SIGHUP)
            await systemd.until_has(RELOADING="1")
            await systemd.until(lambda one: "READY" in one and one is not systemd.heard[0])
            part.send(signal.SIGTERM)
            await systemd.until_has(STOPPING="1")
            assert await part.ended() == 0
        states = [
            name for one in systemd.listen() for name in one if name in ("READY", "RELOADING", "STOPPING")
        ]
    assert states == ["READY", "RELOADING", "READY", "STOPPING"]
