"""A stub part in a process of its own, and its log as it is written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.leash import LEASH

STUB = str(Path(__file__).with_name("stub_part.py"))
WAIT_S = 60.0


def rewrite(config: Path, text: str | None) -> None:
    """Put another text into a file; None: remove it."""
    if text is None:
        config.unlink()
    else:
        config.write_text(text)


class Process:
    """A child process whose standard error is kept, line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []
        self._more = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._more:
                self.lines.append(line.decode().rstrip())
                self._more.notify_all()
        async with self._more:
            self.lines.append("end of the log")
            self._more.notify_all()

    async def says(self, words: str, after: int = 0) -> str:
        """The first line with these words from the line `after` on; waits for it."""
        async with self._more, asyncio.timeout(WAIT_S):
            while True:
                for line in self.lines[after:]:
                    if words in line:
                        return line
                assert "end of the log" not in self.lines, "\n".join(self.lines)
                await self._more.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; the exit status."""
        async with asyncio.timeout(WAIT_S):
            await self._reading
            return await self._process.wait()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid


@asynccontextmanager
async def process(*argv: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """Run a command; whatever happens, it is gone afterwards."""
    child = await asyncio.create_subprocess_exec(
        *LEASH,
        *argv,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        limit=1 << 20,
    )
    one = Process(child)
    try:
        yield one
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await one.ended()


@asynccontextmanager
async def part(
    name: str, config: Path, *words: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """`carillon NAME`, once it has started."""
    argv = (sys.executable, "-m", "carillon", name, "--config", str(config), *words)
    async with process(*argv, environment=environment) as one:
        await one.says(" started")
        yield one


@asynccontextmanager
async def stub(
    config: Path, *behaviour: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """The bridge's name with the behaviour of a stub, once it has started."""
    argv = (sys.executable, STUB, "bridge", "--config", str(config), *behaviour)
    async with process(*argv, environment=environment) as one:
        await one.says(" started")
        yield one
