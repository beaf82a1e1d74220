"""`carillon health` against control sockets with and without trouble behind them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from carillon.control import Control


async def health(directory: Path, *arguments: str) -> tuple[int | None, str]:
    """Exit status, and what was said."""
    (directory / "carillon.toml").touch()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "carillon", "health", "--config", str(directory / "carillon.toml")),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def running(stack: AsyncExitStack, directory: Path, parts: Sequence[tuple[str, str | None]]) -> None:
    for name, trouble in parts:
        control = Control(str(directory / "run" / f"{name}.sock"), lambda trouble=trouble: trouble)  # type: ignore[misc]
        await control.start()
        stack.push_async_callback(control.stop)


async def test_all_parts_that_run_are_asked(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        await running(stack, tmp_path, [("component", None), ("bridge", None)])
        assert await health(tmp_path) == (0, "component: ok\nbridge: ok\n")


async def test_trouble_is_told_and_is_the_exit_status(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        await running(stack, tmp_path, [("component", "the server refuses the secret"), ("bridge", None)])
        assert await health(tmp_path) == (1, "component: the server refuses the secret\nbridge: ok\n")
        assert await health(tmp_path, "bridge") == (0, "bridge: ok\n")


async def test_a_part_that_was_asked_for_and_does_not_run(tmp_path: Path) -> None:
    status, said = await health(tmp_path, "relay")
    assert status == 1 and said.startswith("relay: does not answer")


@pytest.mark.parametrize(("arguments", "words"), [((), "no part runs"), (("drum",), "no part drum")])
async def test_nobody_to_ask(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    status, said = await health(tmp_path, *arguments)
    assert status == 1 and words in said
