"""Where the journal cannot be written, meetings go on, the loss of protection is said, and it heals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from carillon.control import ask
from tests.dev_server import DevServer
from tests.e2e.failures import kill
from tests.e2e.harness import eventually
from tests.e2e.restarts import DEV, LONGEST_SILENCE_MS, SLACK, Watched, meeting_of_its_own
from tests.e2e.watching import Watch, now_ms

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

LIMIT_MS = SLACK * LONGEST_SILENCE_MS
PAIR = ("page", "page")
PROTECTED, FAILURES = "carillon_journal_protected", "carillon_journal_failures_total"


def with_journal_on(disk: Path, options: str) -> dict[str, Any]:
    """How `carillon dev` has its journal on a disk that only it and its parts see. Takes root."""
    disk.mkdir()
    mount = f'mount -t tmpfs -o {options} tmpfs {disk} && exec "$@"'
    return {
        "command": ("unshare", "--mount", "sh", "-c", mount, "sh", *DEV),
        "options": ("--set", f'journal.store="{disk / "journal.sqlite"}"'),
    }


async def trouble(server: DevServer) -> str:
    """What the component says of its journal, "" when all is well."""
    _, text = await ask(server.endpoints["control"]["component"], "/journal")
    return json.loads(text)["trouble"] or ""


async def figure(server: DevServer, name: str) -> float:
    """The sum of a metric of the component over its labels."""
    _, text = await ask(server.endpoints["control"]["component"], "/metrics")
    lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def filled(filler: Path) -> Iterator[None]:
    """There is no room on a disk, because of this file."""
    with filler.open("wb", 0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    try:
        yield
    finally:
        filler.unlink()


async def _somebody_joins(watched: Watched) -> None:
    """A third one comes into a meeting, which goes on for everybody."""
    tab = await watched.load("late")
    await tab.press("Join")
    watched.tabs.append(Watch(tab, await tab.joined()))
    for one in watched.tabs:
        await one.tab.sees_and_hears(watched.others(one))


async def test_on_a_full_disk_a_meeting_goes_on_and_is_protected_again_when_there_is_room(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    disk = tmp_path / "disk"
    how = with_journal_on(disk, "size=800k")
    async with meeting_of_its_own(tmp_path, "prosody", browser, library, kinds=PAIR, **how) as watched:
        server = watched.server
        assert await trouble(server) == "" and await figure(server, PROTECTED) == 1
        begin = now_ms()
        with filled(Path(f"/proc/{server.pid}/root{disk}/filler")):
            await _somebody_joins(watched)

            async def unprotected() -> bool:
                return "disk is full" in await trouble(server)

            await eventually("the loss of protection is said", unprotected, 10)
            assert await figure(server, PROTECTED) == 0 and await figure(server, FAILURES) > 0
            assert "meetings go on without protection" in server.log()

        async def protected() -> bool:
            return await trouble(server) == ""

        await eventually("the meeting is protected again", protected, 15)
        assert await figure(server, PROTECTED) == 1
        pair = watched.tabs[:2]
        assert max([await one.longest_silence({pair[one is pair[0]].id}, begin) for one in pair]) < LIMIT_MS

        begin = now_ms()
        kill(server, "component")
        await watched.asker.answered()
        assert await watched.uninvited(begin) == {}
        assert await watched.longest_silence(begin) < LIMIT_MS


async def test_with_a_directory_that_cannot_be_written_people_meet_all_the_same(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    how = with_journal_on(tmp_path / "disk", "ro")
    async with meeting_of_its_own(tmp_path, "prosody", browser, library, kinds=PAIR, **how) as watched:
        assert "not protected" in await trouble(watched.server)
        assert await figure(watched.server, PROTECTED) == 0
        assert await figure(watched.server, FAILURES) > 0
        await _somebody_joins(watched)
