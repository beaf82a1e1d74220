"""A part for tests of what runs parts: answers on its control API, and misbehaves as it is told.

python stub_part.py NAME --config FILE [dies|deaf|stubborn|refuses|spawns PIDFILE]
"""

# ruff: noqa: ASYNC220, ASYNC240
from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web

from carillon import part
from carillon.part import PartError
from carillon.settings import Settings, load


class StubPart:
    """Does nothing; SIGHUP kills it unless `part.run` sees to it."""

    def __init__(self, behaviour: tuple[str, ...]) -> None:
        self._behaviour = behaviour

    async def start(self) -> None:
        match self._behaviour:
            case ["dies"]:
                os._exit(3)
            case ["refuses"]:
                raise PartError("port 1 is in use")
            case ["crashes"]:
                raise RuntimeError("a bug")
            case ["stubborn"]:
                asyncio.get_running_loop().call_soon(signal.signal, signal.SIGTERM, signal.SIG_IGN)
            case ["spawns", file]:
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
                Path(file).write_text(str(child.pid))

    def trouble(self) -> str | None:
        return "hears nothing" if self._behaviour == ("deaf",) else None

    async def stop(self) -> None:
        if self._behaviour == ("hangs",):
            await asyncio.Event().wait()
        if self._behaviour == ("trips",):
            raise RuntimeError("a bug while stopping")

    def routes(self) -> Iterable[web.RouteDef]:
        async def hello(_request: web.Request) -> web.Response:
            return web.Response(text="hello")

        return [web.get("/hello", hello)]


class ReloadingPart(StubPart):
    def reload(self) -> None:
        print("reloaded", file=sys.stderr, flush=True)


def main() -> int:
    name, _, config, *behaviour = sys.argv[1:]
    part.STOP_TIMEOUT_S = 0.3

    def make(_settings: Settings) -> StubPart:
        if behaviour == ["reloads"]:
            return ReloadingPart(())
        return StubPart(tuple(behaviour))

    return part.run(make, name, load(Path(config)))


if __name__ == "__main__":
    sys.exit(main())
