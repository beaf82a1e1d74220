"""One part in a process of its own: its log, its control API, and what signals and systemd want of it.

SIGHUP reads the configuration again. SIGTERM lets what runs go on for `operation.drain_s`, and begins nothing
new; SIGINT, or a second SIGTERM, ends it at once. A successor may take over the work (`carillon.handover`);
what it could not take goes on here for `operation.beside_s`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import structlog
import uvloop

from carillon import log
from carillon.command_line import EXIT_CONFIGURATION
from carillon.control import Control, ControlError
from carillon.handover import Handover, HandoverError, path_beside
from carillon.part import HandsOver, MakePart, Part, PartError, control_socket, process_name
from carillon.settings import Settings, SettingsError
from carillon.settings.live import taken_up
from carillon.succession import Predecessor, Successor, bound
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


def run(make: MakePart, name: str, load: Callable[[], Settings], *, take_over: bool = False) -> int:
    """Run one part, with the settings that `load` gives now and at each SIGHUP, until it is told to end.

    With `take_over` it takes over the work of the process that runs, if one does.

    Gives the exit status: 0 after an orderly stop, 1 when the part could not start, EXIT_CONFIGURATION when
    that is for a file that the configuration names. Raises SettingsError for the configuration itself.
    """
    settings = load()
    log.set_up(settings.log, process_name(name, settings))
    try:
        return uvloop.run(_Process(make(settings), name, settings, load).serve(take_over=take_over))
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
        self._frozen = False
        """Between `hand_over` and what becomes of it."""
        self._released = False
        """A successor is at work."""
        self._told_at: float | None = None
        """When SIGTERM has come."""
        self._told = asyncio.Event()
        """It is to end: by a signal, or because a successor is at work."""
        self._deadline = 0.0
        """When what is left is ended."""
        self._at_once = asyncio.Event()
        self._path = control_socket(process_name(name, settings), settings)
        self._control = Control(self._path, self._trouble, part.routes())
        self._predecessor: Predecessor | None = None

    async def serve(self, *, take_over: bool) -> int:
        """Everything from the start to the end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        beat = asyncio.create_task(self._systemd.beat(self._status))
        try:
            if not (take_over and self._path and await self._take_over()):
                await self._start()
            self._started = True
            logger.info("started")
            self._systemd.ready(self._status())
            self._wait_for_successor()
            await self._told.wait()
            if self._predecessor is not None:
                await self._predecessor.settled()
            if self._released:
                await self._go_on_beside()
            else:
                self._systemd.stopping(self._settings.operation.drain_s + 2 * STOP_TIMEOUT_S, self._status())
                await self._drain()
        finally:
            await self._stop()
            await self._control.stop()
            beat.cancel()
        logger.info("stopped")
        return 0

    async def _start(self) -> None:
        if self._path:
            await self._control.start()
        await self._part.start()

    def _trouble(self) -> str | None:
        if not self._started:
            return "starting"
        if self._released:
            return f"replaced; goes on beside its successor: {_words(self._part)}"
        if self._told.is_set():
            return f"draining: {_words(self._part)}"
        return self._part.trouble()

    def _status(self) -> str:
        return self._trouble() or "at work"

    # Taking over

    async def _take_over(self) -> bool:
        """Whether the work of a predecessor is ours now. Ends this process when the other goes on."""
        successor = Successor(process_name(self._name, self._settings), path_beside(self._path))
        try:
            handover = await successor.receive()
            if handover is None:
                logger.info("nobody to take over from: starts")
                return False
            await self._take(handover)
            await successor.taken()
        except BaseException as error:
            # Not in order: what `stop` says would be said on connections that are the predecessor's again.
            logger.error("has not taken over", reason=str(error), exc_info=_is_bug(error))
            os._exit(1)
        handover.close()
        logger.info("has taken over", predecessor=handover.version)
        return True

    async def _take(self, handover: Handover) -> None:
        if not isinstance(self._part, HandsOver):
            raise HandoverError(f"the {self._name} takes nothing over: restart it")
        control = handover.take(handover.process.get("control", -1))
        beside = handover.take(handover.process.get("next", -1))
        await self._part.take_over(handover)
        await self._control.start(control)  # last: whoever asks hears us only when we work
        self._listen_for_successor(beside)

    # Handing over

    def _wait_for_successor(self) -> None:
        if self._path and self._predecessor is None:
            try:
                self._listen_for_successor(bound(path_beside(self._path)))
            except OSError as error:
                logger.warning("cannot be replaced while it works", reason=error.strerror)
        if self._predecessor is not None:
            self._predecessor.start()

    def _listen_for_successor(self, listener: socket.socket) -> None:
        name = process_name(self._name, self._settings)
        self._predecessor = Predecessor(name, listener, self._hand_over, self._resume, self._release)

    async def _hand_over(self) -> Handover:
        if not self._started or self._told.is_set():
            raise HandoverError("it is about to end")
        if not isinstance(self._part, HandsOver) or self._predecessor is None or not self._control.listener:
            raise HandoverError(f"the {self._name} hands nothing over: restart it")
        handover = self._part.hand_over()
        self._frozen = True
        handover.process = {
            "control": handover.lend(self._control.listener),
            "next": handover.lend(self._predecessor.listener),
        }
        await self._control.pause()
        return handover

    async def _resume(self) -> None:
        if self._frozen and isinstance(self._part, HandsOver):
            self._frozen = False
            await self._part.resume()
            await self._control.pause()
            await self._control.resume()

    def _release(self) -> None:
        assert isinstance(self._part, HandsOver)
        self._control.release()
        self._released = True
        self._part.released()
        self._told.set()

    async def _go_on_beside(self) -> None:
        seconds = self._settings.operation.beside_s
        logger.info("replaced: goes on beside its successor", left=_words(self._part), at_most_s=seconds)
        await self._wait_for_the_rest(seconds)

    # Signals

    def _terminate(self) -> None:
        now = asyncio.get_running_loop().time()
        if os.getppid() != self._parent:  # nobody is left to wait for us, and somebody may want our ports
            self._interrupt()
        elif self._told_at is None:
            self._told_at = now
            self._told.set()
            if self._released:
                self._deadline = min(self._deadline, now + self._settings.operation.drain_s)
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
        log.set_up(self._settings.log, process_name(self._name, self._settings))
        if wanted is not None:
            logger.info("reloaded", changed=" ".join(change.live) or "nothing")
        if change.restart:
            logger.warning(f"needs a restart of the {self._name}", settings=" ".join(change.restart))

    # The end

    async def _drain(self) -> None:
        """Wait until what runs has ended, or must."""
        seconds = self._settings.operation.drain_s
        if self._at_once.is_set() or not seconds:
            return
        self._part.drain()
        logger.info("drains: nothing new begins", left=_words(self._part), at_most_s=seconds)
        await self._wait_for_the_rest(seconds)

    async def _wait_for_the_rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        said_at = loop.time()
        self._deadline = said_at + seconds
        while any(self._part.remaining().values()) and not self._at_once.is_set():
            now = loop.time()
            if now >= self._deadline:
                logger.warning("the time to drain is over: the rest is ended", left=_words(self._part))
                return
            if now - said_at >= PROGRESS_S:
                said_at = now
                logger.info("drains", left=_words(self._part), at_most_s=round(self._deadline - now))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._at_once.wait(), min(LOOK_S, self._deadline - now))

    async def _stop(self) -> None:
        if self._predecessor is not None:
            await self._predecessor.stop()
            if not self._released:
                self._predecessor.remove()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._part.stop()
        except TimeoutError:
            logger.warning("did not stop in time", seconds=STOP_TIMEOUT_S)
        except Exception:
            logger.exception("failed while stopping")


def _is_bug(error: BaseException) -> bool:
    return not isinstance(error, HandoverError | PartError | ControlError | SettingsError)


def _words(part: Part) -> str:
    return ", ".join(f"{count} {what}" for what, count in part.remaining().items()) or "nothing"
