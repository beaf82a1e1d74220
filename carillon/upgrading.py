"""How a supervisor replaces its programs by what is on disk now, or by what another Python has.

First a rehearsal: the new version, in a process of its own, reads the configuration and loads every part.
Then one part after another is replaced, in the order of `ORDER`; at the first that cannot be, it stops: that
one and the rest stay as they are. Last of all the supervisor itself becomes the new version.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import structlog
from aiohttp import web

from carillon import __version__
from carillon.control import ControlError, ask
from carillon.log import escaped
from carillon.part import control_socket
from carillon.part_program import by_python
from carillon.program import ReplaceError
from carillon.settings import Settings
from carillon.settings.live import SUPERVISOR
from carillon.supervisor import Supervisor

logger = structlog.get_logger()

ORDER = ("link", "component", "relay", "streams", "front", "bridge")
"""Who is replaced first: what others wait for least. The bridge last, whose conferences move."""

TAKE_OVER = "--take-over"

REHEARSE = "--rehearse"

REHEARSAL_S = 60.0

SETTLE_S = 30.0
"""How long a new process that has taken over may still say that something is wrong."""

ASK_S = 0.1

MAX_REASON_LINES = 6


class UpgradeError(Exception):
    """It does not begin; the text says why."""


@dataclass
class Step:
    """One program that is replaced."""

    name: str
    state: str = "waits"
    """waits, runs, done, failed."""
    before: str = ""
    """The version that ran; empty while it is not known."""
    after: str = ""
    begun: float = 0.0
    """When, by the clock that the processes of this machine share (monotonic)."""
    seconds: float = 0.0
    words: str = ""
    """Why it failed."""

    def begin(self, version: str) -> None:
        """It is replaced from now on; `version` is what runs."""
        self.state, self.before, self.begun = "runs", version, time.monotonic()

    def finish(self, version: str) -> None:
        """It was replaced by this version."""
        self.state, self.after, self.seconds = "done", version, time.monotonic() - self.begun
        logger.info("replaced", program=self.name, version=self.after, was=self.before)


@dataclass
class Upgrade:
    """One upgrade, as far as it has come."""

    steps: list[Step]
    python: str = ""
    """The Python that was asked for; "" = what is where this carillon is."""
    version: str = ""
    """That of the new version, as it says itself."""
    running: bool = True
    failed: str = ""
    """Why it ended early."""

    def report(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return asdict(self)

    @staticmethod
    def completed(report: Mapping[str, Any]) -> Upgrade:
        """The one of this report, which the version before has begun: this supervisor was its last step."""
        upgrade = Upgrade(**{**_known(Upgrade, report), "steps": []})
        upgrade.steps = [Step(**_known(Step, one)) for one in report.get("steps", ())]
        for step in upgrade.steps:
            if step.state == "runs":
                step.finish(__version__)
        upgrade.running = False
        return upgrade

    def fail(self, why: str) -> None:
        """It ends here."""
        self.running, self.failed = False, why
        for step in self.steps:
            if step.state == "runs":
                step.state, step.words = "failed", why


Become = Callable[[tuple[str, ...], Upgrade], Awaitable[NoReturn]]
"""Have the supervisor go on as the program with this beginning of a command line. Raises UpgradeError."""


class Upgrading:
    """The upgrades of one supervisor, and the routes by which it is asked for them."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        program: tuple[str, ...],
        rehearsal: tuple[str, ...],
        become: Become | None = None,
    ) -> None:
        """`program` begins the command lines; `rehearsal` are the words of one that rehearses `carillon run`.

        Without `become` the supervisor itself is not replaced.
        """
        self._settings = settings
        self._supervisor = supervisor
        self._program = program
        self._rehearsal = rehearsal
        self._become = become
        self.upgrade: Upgrade | None = None
        """The last one; None when there was none."""
        self._task: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        """What they add to the supervisor's control API."""
        return [
            web.get("/status", self._status),
            web.get("/upgrade", self._report),
            web.post("/upgrade", self._begin),
        ]

    async def _status(self, _request: web.Request) -> web.Response:
        pids = self._supervisor.processes()
        versions = {name: await self._version(name) for name in pids}
        programs = {name: {"pid": pid, "version": versions[name]} for name, pid in pids.items()}
        return web.json_response({"version": __version__, "pid": os.getpid(), "programs": programs})

    async def _report(self, _request: web.Request) -> web.Response:
        return web.json_response(self.upgrade.report() if self.upgrade else {})

    async def _begin(self, request: web.Request) -> web.Response:
        try:
            asked = await request.json()
            self.begin(str(asked.get("parts", "")).split(), str(asked.get("python", "")))
        except (ValueError, AttributeError):
            return web.json_response({"error": "the request is no JSON object"}, status=400)
        except UpgradeError as error:
            return web.json_response({"error": str(error)}, status=409)
        return web.json_response({}, status=202)

    def begin(self, names: Iterable[str], python: str = "") -> None:
        """Replace these programs, or all; the supervisor too when it is among them. Raises UpgradeError."""
        if self.upgrade is not None and self.upgrade.running:
            raise UpgradeError("an upgrade is under way already")
        if python and not (Path(python).is_absolute() and os.access(python, os.X_OK)):
            raise UpgradeError(f"{python} is no program: say the whole path of a Python")
        known = [*self._parts(), *((SUPERVISOR,) if self._become else ())]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UpgradeError(f"there is no {unknown[0]} here: there are {', '.join(known)}")
        wanted = frozenset(names) or frozenset(known)
        self.upgrade = Upgrade([Step(name) for name in known if name in wanted], python)
        self._task = asyncio.create_task(self._run(self.upgrade))

    def _parts(self) -> list[str]:
        """The parts that run here, in the order of their replacement."""
        settings = self._settings()
        names = [name for name in self._supervisor.processes() if _is_part(name)]
        return sorted(
            (name for name in names if control_socket(name, settings)),
            key=lambda name: (ORDER.index(name.partition("-")[0]), name),
        )

    async def _run(self, upgrade: Upgrade) -> None:
        try:
            await self._rehearse(upgrade)
            for step in upgrade.steps:
                step.begin(await self._version(step.name))
                if step.name == SUPERVISOR and self._become is not None:
                    await self._become(self._new_program(upgrade), upgrade)  # which completes it
                else:
                    await self._replace(step.name, upgrade.python)
                    step.finish(await self._version(step.name))
        except (UpgradeError, ReplaceError) as error:
            logger.error("the upgrade ends here: the rest stays as it is", reason=str(error))
            upgrade.fail(str(error))
        except Exception as error:
            logger.exception("the upgrade failed")
            upgrade.fail(f"{type(error).__name__}: {error}")
        upgrade.running = False

    def _new_program(self, upgrade: Upgrade) -> tuple[str, ...]:
        return by_python(self._program, upgrade.python) if upgrade.python else self._program

    async def _rehearse(self, upgrade: Upgrade) -> None:
        """Raise UpgradeError unless the new version could run with this configuration."""
        argv = (*self._new_program(upgrade), *self._rehearsal, REHEARSE)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise UpgradeError(f"the new version cannot be started: {argv[0]}: {error.strerror}") from None
        try:
            async with asyncio.timeout(REHEARSAL_S):
                output, errors = await process.communicate()
        except TimeoutError:
            raise UpgradeError(f"the new version does not start within {REHEARSAL_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise UpgradeError(f"the new version does not start:{_last_lines(errors)}")
        try:
            said = json.loads(output)
            upgrade.version, parts = str(said["version"]), set(said["parts"])
        except (ValueError, KeyError, TypeError):
            raise UpgradeError("the new version cannot take over: it does not know how") from None
        missing = [name for name in self._parts() if name not in parts]
        if missing:
            raise UpgradeError(
                f"the configuration has no {missing[0]} any more, which runs: restart carillon"
            )

    async def _replace(self, name: str, python: str) -> None:
        """Raises ReplaceError when the old process goes on, UpgradeError when the new one is ill at work."""
        program = self._supervisor.program(name)
        assert program is not None
        argv = by_python(program.argv, python) if python else program.argv
        await self._supervisor.replace(name, argv, (TAKE_OVER,), self._settings().operation.beside_s)
        deadline = time.monotonic() + SETTLE_S
        while trouble := await program.trouble():
            if time.monotonic() >= deadline:
                raise UpgradeError(f"the new {name} is at work, and says: {trouble}")
            await asyncio.sleep(ASK_S)

    async def _version(self, name: str) -> str:
        """The version that runs, as it says itself; "" when it does not."""
        if name == SUPERVISOR:
            return __version__
        path = control_socket(name, self._settings()) if _is_part(name) else ""
        try:
            return str(json.loads((await ask(path, "/about/version"))[1])["version"]) if path else ""
        except (ControlError, ValueError, KeyError, TypeError):
            return ""


def _is_part(name: str) -> bool:
    return name.partition("-")[0] in ORDER


def _known(kind: type[Step | Upgrade], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that the dataclass knows: another version may say more."""
    return {one.name: values[one.name] for one in fields(kind) if one.name in values}


def _last_lines(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()[-MAX_REASON_LINES:]
    return "".join(f"\n    {escaped(line)}" for line in lines)
