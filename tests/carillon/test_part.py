"""One part in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from carillon.command_line import EXIT_CONFIGURATION
from carillon.control import ControlError, ask
from carillon.part import PARTS, control_socket
from carillon.settings import parse

STUB = Path(__file__).with_name("stub_part.py")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "carillon.toml"
    file.write_text("")
    return file


@contextmanager
def part(config: Path, *behaviour: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, str(STUB), "bridge", "--config", str(config), *behaviour]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def health(config: Path) -> tuple[int, str]:
    path = config.parent / "run" / "bridge.sock"
    for _ in range(200):
        try:
            return await ask(str(path), "/about/health")
        except ControlError:
            await asyncio.sleep(0.05)
    raise AssertionError("the part does not answer")


def test_every_part_has_a_control_socket(config: Path) -> None:
    settings = parse("", config)
    assert len({control_socket(name, settings) for name in PARTS}) == len(PARTS) == 6


async def test_a_part_answers_until_it_is_told_to_stop(config: Path) -> None:
    with part(config) as process:
        assert await health(config) == (200, "ok")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "started" in errors
        assert "stopped" in errors
    assert not list((config.parent / "run").iterdir())


async def test_trouble_is_what_health_says(config: Path) -> None:
    with part(config, "deaf"):
        for _ in range(100):
            status, text = await health(config)
            if text != "starting":
                break
        assert (status, text) == (503, "hears nothing")


@pytest.mark.parametrize(
    ("behaviour", "status", "says"),
    [
        ("refuses", 1, 'reason="port 1 is in use"'),
        ("crashes", 1, "RuntimeError: a bug"),
        ("secretive", EXIT_CONFIGURATION, "the secret file /nonexistent/secret cannot be read"),
    ],
)
def test_a_part_that_cannot_start_says_why(config: Path, behaviour: str, status: int, says: str) -> None:
    with part(config, behaviour) as process:
        _, errors = process.communicate(timeout=10)
        assert process.returncode == status
        assert says in errors


async def test_a_part_that_trips_while_stopping_stops(config: Path) -> None:
    with part(config, "trips") as process:
        await health(config)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "failed while stopping" in errors


async def test_a_part_that_hangs_while_stopping_is_given_up(config: Path) -> None:
    with part(config, "hangs") as process:
        await health(config)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "did not stop in time" in errors
