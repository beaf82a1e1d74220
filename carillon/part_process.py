"""One part in a process of its own: its log, its control API, and what signals and systemd want of it.

SIGHUP reads the configuration again. SIGTERM lets what runs go on for `operation.drain_s`, and begins nothing
new; SIGINT, or a second SIGTERM, ends it at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

import structlog
import uvloop

from carillon import log
from carillon.command_line import EXIT_CONFIGURATION
from carillon.control import Control, ControlError
from carillon.part import MakePart, Part, PartError, control_socket
from carillon.settings import Settings, SettingsError
from carillon.settings.live import taken_up
from carillon.systemd import Systemd

logger = structlog.get_logger()

STOP_TIMEOUT_S = 4.0
"""What a part may take to say its farewells; the supervisor waits a little longer."""

SAME_SIGNAL_S = 1.0
"""A second SIGTERM within this time is the first one again: a service manager may signal supervisor and parts
alike, and the supervisor passes it on."""

LOOK_S = 0.2
"""How often is looked whether what runs has ended."""

PROGRESS_S = 10.0
"""How often the log says how much is left."""


def run(make: MakePart, name: str, load: Callable[[], Settings]) -> int:
    """Run one part, with the settings that `load` gives now and at each SIGHUP, until it is told to end.

    Gives the exit status: 0 after an orderly stop, 1 when the part could not start, EXIT_CONFIGURATION when
    that is for a file that the configuration names. Raises SettingsError for the configuration itself.
    """
    settings = load()
    log.set_up(settings.log, name)
    try:
        return uvloop.run(_Process(make(settings), name, settings, load).serve())
    except SettingsError as error:  # only a start raises it: a reload that fails leaves everything as it was
        logger.error("cannot start", reason=str(error))
        return EXIT_CONFIGURATION
    except (PartError, ControlError) as error:
        logger.error("cannot start", reason=str(error))
    except Exception as error:
        logger.exception("failed", reason=str(error))
    return 1


class _Process:
    """See the module."""

    def __init__(self, part: Part, name: str, settings: Settings, load: Callable[[], Settings]) -> None:
        self._part = part
        self._name = name
        self._settings = settings
        self._load = load
        self._systemd = Systemd(os.environ)
        self._parent = os.getppid()
        self._started = False
        self._told_at: float | None = None
        """When SIGTERM has come."""
        self._told = asyncio.Event()
        self._at_once = asyncio.Event()

    async def serve(self) -> int:
        """Everything from the start to the end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        path = control_socket(self._name, self._settings)
        control = Control(path, self._trouble, self._part.routes())
        beat = asyncio.create_task(self._systemd.beat(self._status))
        try:
            if path:
                await control.start()
            await self._part.start()
            self._started = True
            logger.info("started")
            self._systemd.ready(self._status())
            await self._told.wait()
            self._systemd.stopping(self._settings.operation.drain_s + 2 * STOP_TIMEOUT_S, self._status())
            await self._drain()
        finally:
            await self._stop()
            await control.stop()
            beat.cancel()
        logger.info("stopped")
        return 0

    def _trouble(self) -> str | None:
        if not self._started:
            return "starting"
        if self._told.is_set():
            return f"draining: {_words(self._part)}"
        return self._part.trouble()

    def _status(self) -> str:
        return self._trouble() or "at work"

    # Signals

    def _terminate(self) -> None:
        now = asyncio.get_running_loop().time()
        if os.getppid() != self._parent:  # nobody is left to wait for us, and somebody may want our ports
            self._interrupt()
        elif self._told_at is None:
            self._told_at = now
            self._told.set()
        elif now - self._told_at >= SAME_SIGNAL_S:
            self._interrupt()

    def _interrupt(self) -> None:
        self._at_once.set()
        self._told.set()

    def _hang_up(self) -> None:
        if not self._started or self._told.is_set():  # it has read its files just now, or needs them no more
            return
        self._systemd.reloading()
        try:
            self._reload()
        except Exception:  # whatever it is, what runs goes on
            logger.exception("failed while reloading")
        self._systemd.ready(self._status())

    def _reload(self) -> None:
        try:
            wanted = self._load()
        except SettingsError as error:
            logger.error("configuration not reloaded, the old one stays", reason=str(error))
            wanted = None  # the certificates that the old one names may be new all the same
        change = taken_up(self._name, self._settings, wanted or self._settings)
        try:
            self._part.reload(change.settings)
        except SettingsError as error:
            logger.error("configuration not reloaded, the old one stays", reason=str(error))
            return
        self._settings = change.settings
        log.set_up(self._settings.log, self._name)
        if wanted is not None:
            logger.info("reloaded", changed=" ".join(change.live) or "nothing")
        if change.restart:
            logger.warning(f"needs a restart of the {self._name}", settings=" ".join(change.restart))

    # The end

    async def _drain(self) -> None:
        """Wait until what runs has ended, or must."""
        loop, seconds = asyncio.get_running_loop(), self._settings.operation.drain_s
        if self._at_once.is_set() or not seconds:
            return
        self._part.drain()
        deadline, said_at = loop.time() + seconds, loop.time()
        logger.info("drains: nothing new begins", left=_words(self._part), at_most_s=seconds)
        while any(self._part.remaining().values()) and not self._at_once.is_set():
            now = loop.time()
            if now >= deadline:
                logger.warning("the time to drain is over: the rest is ended", left=_words(self._part))
                return
            if now - said_at >= PROGRESS_S:
                said_at = now
                logger.info("drains", left=_words(self._part), at_most_s=round(deadline - now))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._at_once.wait(), min(LOOK_S, deadline - now))

    async def _stop(self) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._part.stop()
        except TimeoutError:
            logger.warning("did not stop in time", seconds=STOP_TIMEOUT_S)
        except Exception:
            logger.exception("failed while stopping")


def _words(part: Part) -> str:
    return ", ".join(f"{count} {what}" for what, count in part.remaining().items()) or "nothing"
