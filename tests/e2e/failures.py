"""Parts of a deployment that are killed or stopped, and how long it takes until they are at work again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from xml.etree.ElementTree import tostring

from carillon.settings import load
from jingle.jitsi.conference import CONFERENCE, Conference, build_conference
from tests.component.prosody import Client
from tests.dev_server import DevServer
from tests.e2e.harness import eventually
from tests.e2e.netns import run

ASK_S = 0.25
"""How often the focus is asked whether it answers: ejabberd slows down who sends 3 kB a second and more."""


def kill(server: DevServer, part: str, number: signal.Signals = signal.SIGKILL) -> int:
    """Send a part (or "xmpp"), and what it has started, a signal; its process id."""
    pid: int = server.endpoints["pids"][part]
    os.killpg(pid, number)
    return pid


async def replaced(server: DevServer, part: str, pid: int, timeout_s: float = 30.0) -> float:
    """Wait until another process than `pid` does the work of a part; the seconds it took."""
    began = time.monotonic()

    async def other() -> bool:
        return bool(server.endpoints["pids"][part] not in (pid, None))

    await eventually(f"{part} is started again", other, timeout_s)
    return time.monotonic() - began


class Asker:
    """Somebody with a connection of its own who asks the focus for a room that meets already."""

    def __init__(self, client: Client, room: str, focus: str) -> None:
        self._client = client
        self._room = room
        self._focus = focus
        self._number = 0

    async def answered(self, timeout_s: float = 30.0) -> float:
        """Ask again and again until one of these requests is granted; the seconds that took."""
        began = time.monotonic()
        waiting: list[asyncio.Future[bool]] = []
        try:
            async with asyncio.timeout(timeout_s):
                while not any(one.done() and one.result() for one in waiting):
                    waiting.append(asyncio.ensure_future(self._ask()))
                    await asyncio.wait(waiting, timeout=ASK_S, return_when=asyncio.FIRST_COMPLETED)
                    waiting = [one for one in waiting if not one.done() or one.result()]
        finally:
            for one in waiting:
                one.cancel()
        return time.monotonic() - began

    async def _ask(self) -> bool:
        self._number += 1
        id = f"ask{self._number}"
        answer = self._client.expect(id)
        payload = tostring(build_conference(Conference(self._room, machine_uid="asker")), encoding="unicode")
        self._client.write(f"<iq type='set' id='{id}' to='{self._focus}'>{payload}</iq>")
        conference = (await answer).find(CONFERENCE)
        if conference is not None and conference.get("ready") == "true":
            return True
        await asyncio.sleep(ASK_S)  # refused for now: not at once again
        return False


@asynccontextmanager
async def asker(server: DevServer, room: str) -> AsyncIterator[Asker]:
    """An Asker for a room of a deployment."""
    settings = load(Path(server.endpoints["config"]))
    client = await Client.login(settings)
    try:
        yield Asker(client, f"{room}@{server.endpoints['muc']}", server.endpoints["focus"])
    finally:
        await client.close()


CUT = """
table inet NAME {
  chain input {
    type filter hook input priority -10
    meta l4proto { PROTOCOLS } th dport PORT drop
    meta l4proto { PROTOCOLS } th sport PORT drop
  }
}
"""


@contextmanager
def cut(port: int, protocols: str = "tcp") -> Iterator[None]:
    """Nothing passes from or to this port any more, as if a cable were pulled. Takes root."""
    for table in run("nft", "list", "tables", "inet").splitlines():
        left = re.search(r"carillon_cut_(\d+)$", table)
        if left and not Path("/proc", left[1]).exists():  # of a run that was killed
            run("nft", "delete", "table", "inet", left[0])
    name = f"carillon_cut_{os.getpid()}"
    rules = CUT.replace("NAME", name).replace("PROTOCOLS", protocols).replace("PORT", str(port))
    run("nft", "-f", "-", stdin=rules)
    try:
        yield
    finally:
        run("nft", "delete", "table", "inet", name)


async def listens(address: tuple[str, int], timeout_s: float = 30.0) -> None:
    """Wait until somebody accepts connections there."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                _, writer = await asyncio.open_connection(*address)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
