"""A part for tests of what runs parts: answers on its control API, and misbehaves as it is told.

python stub_part.py NAME --config FILE [dies|deaf|stubborn|refuses|secretive|busy|spawns PIDFILE]
                    [--take-over]

One that is "busy" has work left until the file `done` stands beside the configuration. Each hands over the
socket that it listens on, where it says how often that has been done; "clumsy" fails to take over, "slow" is
not done with it in time, "firm" does not hand over.
"""

# ruff: noqa: ASYNC220, ASYNC240
from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from aiohttp import web

from carillon import part_process
from carillon.cli import failing_in_words
from carillon.handover import Handover, HandoverError
from carillon.part import PartError
from carillon.settings import Settings, load, read_secret


def say(words: str) -> None:
    """A line on standard error, in one piece: others write there too."""
    sys.stderr.write(words + "\n")


class StubPart:
    """Does nothing but what it is told."""

    def __init__(self, behaviour: tuple[str, ...], done: Path) -> None:
        self._behaviour = behaviour
        self._done = done
        self._listener: socket.socket | None = None
        self._times = 0
        self._answers: asyncio.Task[None] | None = None

    def hand_over(self) -> Handover:
        if self._behaviour == ("firm",):
            raise HandoverError("not now")
        assert self._listener is not None and self._answers is not None
        self._answers.cancel()
        handover = Handover(within_s=0.5)
        handover.state = {"times": self._times, "listener": handover.lend(self._listener)}
        return handover

    async def take_over(self, handover: Handover) -> None:
        match self._behaviour:
            case ["clumsy"]:
                raise HandoverError("cannot hold it")
            case ["slow"]:
                await asyncio.Event().wait()
        self._times = handover.state["times"] + 1
        self._listener = handover.take(handover.state["listener"])
        await self.resume()

    async def resume(self) -> None:
        self._answers = asyncio.create_task(self._answer())

    def released(self) -> None:
        assert self._listener is not None
        self._listener.close()
        say("lets go")

    async def _answer(self) -> None:
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            with connection:
                await loop.sock_sendall(connection, str(self._times).encode())

    async def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        await self.resume()
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
        say(f"takes up {settings.bridge.max_endpoints} {settings.bridge.port}")

    def drain(self) -> None:
        say("begins nothing new")

    def remaining(self) -> Mapping[str, int]:
        return {"things": int(self._behaviour == ("busy",) and not self._done.exists())}

    def routes(self) -> Iterable[web.RouteDef]:
        async def hello(_request: web.Request) -> web.Response:
            return web.Response(text="hello")

        async def port(_request: web.Request) -> web.Response:
            assert self._listener is not None
            return web.Response(text=str(self._listener.getsockname()[1]))

        return [web.get("/hello", hello), web.get("/port", port)]


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "--take-over"]
    name, _, config, *behaviour = words
    part_process.STOP_TIMEOUT_S = 0.3

    def make(settings: Settings) -> StubPart:
        return StubPart(tuple(behaviour), settings.path.parent / "done")

    take_over = len(words) < len(sys.argv) - 1
    reads = partial(load, Path(config), (), os.environ)
    return failing_in_words(lambda: part_process.run(make, name, reads, take_over=take_over))


if __name__ == "__main__":
    sys.exit(main())
