"""`carillon run`: every part of one configuration, kept running; and what signals want of a supervisor.

SIGHUP is about the configuration alone: a newer version is taken up when the control API is asked to
(`carillon upgrade`), which answers how that went, as no signal can.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import structlog

from carillon import __version__, log
from carillon.become import become, let_signals_in, state_before
from carillon.control import Control, ControlError, adopt, listening_pid
from carillon.part import PARTS, control_socket, parts_of
from carillon.part_process import SAME_SIGNAL_S
from carillon.part_program import command, part_argv, part_program, this_program
from carillon.program import Pace, SupervisorError
from carillon.settings import Settings, SettingsError
from carillon.settings.live import SUPERVISOR, taken_up
from carillon.supervisor import EVERYTHING_ANSWERS, Supervisor
from carillon.systemd import Systemd
from carillon.upgrading import Upgrade, UpgradeError, Upgrading

STOPPING = "stops: the parts end what they do"

LAST_WORDS_S = 6.0
"""How long parts may answer whose supervisor was killed: they are about to end."""

logger = structlog.get_logger()


async def run_parts(load: Callable[[], Settings], config: Path | None, overrides: tuple[str, ...]) -> int:
    """Keep every part running; `load` gives what `config` and `overrides` name, now and at each SIGHUP."""
    return await _Run(load, config, overrides).run()


def rehearse(load: Callable[[], Settings]) -> int:
    """Read the configuration, load every part, start nothing, say who could run: for `upgrading`."""
    parts = parts_of(load())
    for name in parts:
        importlib.import_module(PARTS[name.partition("-")[0]].module)
    print(json.dumps({"version": __version__, "parts": parts}))
    return 0


class _Run:
    """See `run_parts`."""

    def __init__(self, load: Callable[[], Settings], config: Path | None, overrides: tuple[str, ...]) -> None:
        self._load = load
        self._settings = settings = load()
        log.set_up(settings.log, SUPERVISOR)
        self._systemd = Systemd(os.environ)
        self._stops = False
        self._before = state_before(os.environ)
        self._words = command("run", config, overrides)
        programs = [
            part_program(name, settings, part_argv(name, config, overrides)) for name in parts_of(settings)
        ]
        adopted: dict[str, Any] = self._before.get("supervisor", {})
        drain_s = settings.operation.drain_s
        self._supervisor = Supervisor(programs, self._ready, drain_s=drain_s, adopted=adopted)
        self._upgrading = Upgrading(
            lambda: self._settings, self._supervisor, this_program(), self._words, self._become
        )
        self._control = Control(settings.operation.control, self._trouble, self._upgrading.routes())

    async def run(self) -> int:
        """Until a signal ends it.

        The watchdog of systemd is fed as long as this event loop turns, whatever the parts do: to kill
        everything because one part hangs would end what the others do. The supervisor kills that one alone.
        """
        beat = asyncio.create_task(self._systemd.beat(self._status))
        try:
            if not self._before:
                await _be_alone(self._settings)
            await self._listen()
            await run_until_signalled(self._supervisor, reload=self._reload, stopping=self._stopping)
        finally:
            await self._control.stop()
            beat.cancel()
        return 0

    async def _listen(self) -> None:
        """Have the control API. Raises SupervisorError."""
        if "upgrade" in self._before:
            self._upgrading.upgrade = Upgrade.completed(self._before["upgrade"])
        if not self._settings.operation.control:
            return
        try:
            await self._control.start(adopt(self._before.get("control")))
        except ControlError as error:
            raise SupervisorError(str(error)) from None

    async def _become(self, program: tuple[str, ...], upgrade: Upgrade) -> NoReturn:
        """Go on as another version. Raises UpgradeError: this one goes on then."""
        listener = self._control.listener
        assert listener is not None  # somebody has asked for the upgrade there
        state = {
            "supervisor": self._supervisor.state(),
            "control": listener.fileno(),
            "upgrade": upgrade.report(),
        }
        logger.info("becomes its new version", version=upgrade.version)
        kept = [listener.fileno(), *self._supervisor.descriptors()]
        try:
            become((*program, *self._words), self._systemd.environment, state, kept)
        except OSError as error:
            raise UpgradeError(f"the new version cannot be started: {program[0]}: {error.strerror}") from None

    def _trouble(self) -> str | None:
        status = self._status()
        return None if status == EVERYTHING_ANSWERS else status

    def _status(self) -> str:
        return STOPPING if self._stops else self._supervisor.status()

    def _ready(self, pids: dict[str, int]) -> None:
        logger.info("every part answers", **pids)
        self._systemd.ready(self._status())

    def _stopping(self) -> None:
        self._stops = True
        logger.info(STOPPING, at_most_s=self._supervisor.drain_s)
        self._systemd.stopping(self._supervisor.drain_s + 2 * Pace.stop_s, self._status())

    def _reload(self) -> None:
        self._systemd.reloading()
        try:
            change = taken_up(SUPERVISOR, self._settings, self._load())
        except SettingsError as error:
            logger.error("configuration not reloaded, the old one stays", reason=str(error))
        else:
            self._settings = change.settings
            log.set_up(self._settings.log, SUPERVISOR)
            self._supervisor.drain_s = self._settings.operation.drain_s
            if change.restart:
                logger.warning("needs a restart of carillon run", settings=" ".join(change.restart))
        self._supervisor.hang_up()  # whatever the file says: certificates and secrets may be new
        self._systemd.ready(self._status())


async def _be_alone(settings: Settings) -> None:
    """Wait until no other process answers for a part of this configuration.

    Its answers would pass for those of the part that cannot start beside it. Raises SupervisorError.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LAST_WORDS_S
    for name in parts_of(settings):
        path = control_socket(name, settings)
        while path and (pid := listening_pid(path)):
            if loop.time() >= deadline:
                raise SupervisorError(
                    f"the {name} of this configuration runs already, as process {pid} (it answers on {path}):"
                    " stop that one first"
                )
            await asyncio.sleep(Pace.ask_s)


async def run_until_signalled(
    supervisor: Supervisor,
    reload: Callable[[], None] | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Run until SIGTERM, which lets programs drain, or SIGINT or a second SIGTERM, which does not.

    SIGHUP is `reload`, or is passed on to the programs; if it says that our terminal has gone, it ends all.
    """
    loop, stop, from_terminal = asyncio.get_running_loop(), asyncio.Event(), _has_terminal()
    told_at: float | None = None

    def terminate() -> None:
        nonlocal told_at
        if told_at is None:
            told_at = loop.time()
            stopping()
            stop.set()
        elif loop.time() - told_at >= SAME_SIGNAL_S:
            supervisor.hurry()

    def interrupt() -> None:
        supervisor.hurry()
        stop.set()

    def hang_up() -> None:
        if from_terminal and not _has_terminal():
            interrupt()
        elif not stop.is_set():
            (reload or supervisor.hang_up)()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    let_signals_in()
    await supervisor.run(stop)


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal now."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
