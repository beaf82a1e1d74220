"""A component behind a link, in one process or in processes of their own, for tests with real servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from carillon.control import ControlError, ask
from carillon.settings import Settings
from component.server_link.main import ServerLink
from tests.leash import LEASH

START_S = 20.0


def with_link(settings: Settings, **changes: Any) -> Settings:
    """These settings with the link switched on."""
    return replace(settings, link=replace(settings.link, enabled=True, **changes))


@contextlib.asynccontextmanager
async def link_of(settings: Settings) -> AsyncIterator[ServerLink]:
    """A link in this process."""
    link = ServerLink(settings)
    await link.start()
    try:
        yield link
    finally:
        await link.stop()


class Part:
    """A part in a process of its own, run from the configuration file that `settings` were read from."""

    def __init__(self, name: str, settings: Settings, *arguments: str) -> None:
        self._name = name
        self._arguments = arguments
        self._config = settings.path
        self.control = {"link": settings.link.control, "component": settings.focus.control}[name]
        self._output = settings.path.parent / f"{name}.out"
        self.process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._output.read_text()

    async def start(self, *, waits: bool = True) -> None:
        """Start it; `waits` until it answers that nothing is wrong."""
        with self._output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *LEASH,
                *(sys.executable, "-m", "carillon", self._name, "--config", str(self._config)),
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if waits:
            async with asyncio.timeout(START_S):
                while await self.health() != "ok":
                    assert self.process.returncode is None, self.log
                    await asyncio.sleep(0.02)

    async def health(self) -> str:
        """What it says of itself; "" when it does not answer."""
        with contextlib.suppress(ControlError):
            return (await ask(self.control, "/about/health"))[1]
        return ""

    async def get(self, resource: str) -> Any:
        """An object of its control API."""
        return json.loads((await ask(self.control, resource))[1])

    async def post(self, resource: str, **body: str) -> tuple[int, Any]:
        """Post an object to its control API: status and answer."""
        status, text = await ask(self.control, resource, 10.0, body=body)
        return status, json.loads(text)

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it, and wait until it has: its status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()


@contextlib.asynccontextmanager
async def started(*parts: Part) -> AsyncIterator[None]:
    """Start parts one after the other, and leave none of them."""
    try:
        for part in parts:
            await part.start()
        yield
    finally:
        for part in reversed(parts):
            if part.process is not None:
                await part.kill()
