"""The control API on its UNIX socket."""

# ruff: noqa: ASYNC240
from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest
from aiohttp import web

from carillon import __version__
from carillon.control import MAX_SOCKET_PATH, Control, ControlError, ask


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "x.sock"


async def test_health_version_metrics_and_own_routes(path: Path) -> None:
    trouble: str | None = "no link yet"

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    control = Control(str(path), lambda: trouble, [web.get("/hello", hello)])
    await control.start()
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert await ask(str(path), "/about/health") == (503, "no link yet")
        trouble = None
        assert await ask(str(path), "/about/health") == (200, "ok")
        status, text = await ask(str(path), "/about/version")
        assert (status, json.loads(text)["version"]) == (200, __version__)
        status, text = await ask(str(path), "/metrics")
        assert status == 200
        assert "process_cpu_seconds_total" in text
        assert await ask(str(path), "/hello") == (200, "hello")
        assert (await ask(str(path), "/nothing"))[0] == 404
    finally:
        await control.stop()
    assert not path.exists()


async def test_a_socket_left_by_a_dead_process_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    control = Control(str(path), lambda: None)
    await control.start()
    assert await ask(str(path), "/about/health") == (200, "ok")
    await control.stop()


async def test_a_socket_that_answers_is_not_taken_away(path: Path) -> None:
    first, second = Control(str(path), lambda: None), Control(str(path), lambda: None)
    await first.start()
    with pytest.raises(ControlError, match="another process answers"):
        await second.start()
    await second.stop()
    assert await ask(str(path), "/about/health") == (200, "ok")
    await first.stop()


async def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(ControlError, match="is something else"):
        await Control(str(path), lambda: None).start()
    assert path.read_text() == "precious"


async def test_a_path_that_is_too_long_is_said_in_words(tmp_path: Path) -> None:
    long = tmp_path / ("d" * MAX_SOCKET_PATH) / "x.sock"
    with pytest.raises(ControlError, match="longer than 107 bytes"):
        await Control(str(long), lambda: None).start()


async def test_a_directory_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError, match="cannot be opened"):
        await Control(str(tmp_path / "file" / "x.sock"), lambda: None).start()


async def test_nobody_answers(path: Path) -> None:
    with pytest.raises(ControlError, match=r"x\.sock"):
        await ask(str(path), "/about/health")


async def test_somebody_who_is_silent_is_not_waited_for(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ControlError):
            await ask(str(path), "/about/health", timeout_s=0.05)
