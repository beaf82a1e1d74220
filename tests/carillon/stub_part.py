"""A part for tests of what runs parts: answers on its control API, and misbehaves as it is told.

python stub_part.py NAME --config FILE [dies|deaf|stubborn|refuses|secretive|busy|spawns PIDFILE]

One that is "busy" has work left until the file `done` stands beside the configuration.
"""

# ruff: noqa: ASYNC220, ASYNC240
from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from aiohttp import web

from carillon import part_process
from carillon.cli import failing_in_words
from carillon.part import PartError
from carillon.settings import Settings, load, read_secret


class StubPart:
    """Does nothing but what it is told."""

    def __init__(self, behaviour: tuple[str, ...], done: Path) -> None:
        self._behaviour = behaviour
        self._done = done

    async def start(self) -> None:
        match self._behaviour:
            case ["dies"]:
                os._exit(3)
            case ["refuses"]:
                raise PartError("port 1 is in use")
            case ["secretive"]:
                read_secret(Path("/nonexistent/secret"))
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

    def reload(self, settings: Settings) -> None:
        if self._behaviour == ("trips",):
            raise RuntimeError("a bug while reloading")
        print(f"takes up {settings.bridge.max_endpoints} {settings.bridge.port}", file=sys.stderr, flush=True)

    def drain(self) -> None:
        print("begins nothing new", file=sys.stderr, flush=True)

    def remaining(self) -> Mapping[str, int]:
        return {"things": int(self._behaviour == ("busy",) and not self._done.exists())}

    def routes(self) -> Iterable[web.RouteDef]:
        async def hello(_request: web.Request) -> web.Response:
            return web.Response(text="hello")

        return [web.get("/hello", hello)]


def main() -> int:
    name, _, config, *behaviour = sys.argv[1:]
    part_process.STOP_TIMEOUT_S = 0.3

    def make(settings: Settings) -> StubPart:
        return StubPart(tuple(behaviour), settings.path.parent / "done")

    return failing_in_words(lambda: part_process.run(make, name, partial(load, Path(config), (), os.environ)))


if __name__ == "__main__":
    sys.exit(main())
