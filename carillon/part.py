"""What each part of carillon is to the command line: something that starts, answers and stops."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import structlog
import uvloop
from aiohttp import web

from carillon import log
from carillon.control import Control, ControlError
from carillon.settings import Settings, SettingsError

logger = structlog.get_logger()


class Part(Protocol):
    """One part (component, bridge, relay, front), run in a process of its own by `carillon.part.run`."""

    async def start(self) -> None:
        """Open the listeners or links, without waiting for peers. Raises PartError when it cannot."""

    def trouble(self) -> str | None:
        """Why the part does not answer yet, in words, or None when it does its work."""

    async def stop(self) -> None:
        """Close everything; idempotent."""

    def routes(self) -> Iterable[web.RouteDef]:
        """What the part adds to its control API (beside /about/health, /about/version and /metrics)."""


@runtime_checkable
class Reloads(Protocol):
    """A part that takes up changed files without ending anything; the others are deaf to SIGHUP."""

    def reload(self) -> None:
        """SIGHUP has come: read the files again."""


class PartError(Exception):
    """A part cannot start: the text says what is wrong and what to do (for example which port is in use)."""


MakePart = Callable[[Settings], Part]


@dataclass(frozen=True)
class PartName:
    """Where the command line finds a part; by name of its module, so that nothing here imports a part."""

    module: str
    """The module with `make(settings) -> Part`."""
    summary: str


PARTS = {
    "component": PartName("component.main", "the conference focus and the services on the XMPP server"),
    "bridge": PartName("bridge.main", "the media bridge"),
    "relay": PartName("relay.main", "the STUN and TURN relay and the bytestream proxy"),
    "front": PartName("bosh.main", "the HTTP front"),
}


STOP_TIMEOUT_S = 4.0
"""What a part may take to say its farewells; the supervisor waits a little longer."""


def control_socket(name: str, settings: Settings) -> str:
    """The path of the control API of the part `name`; "" when it has none."""
    return {
        "component": settings.focus.control,
        "bridge": settings.bridge.control,
        "relay": settings.turn.control,
        "front": settings.front.control,
    }[name]


def run(make: MakePart, name: str, settings: Settings) -> int:
    """Run one part until SIGTERM or SIGINT: its log, its event loop, its control API; SIGHUP reloads.

    Gives the exit status: 0 after an orderly stop, 1 when the part could not start.
    """
    log.set_up(settings.log, name)
    try:
        return uvloop.run(_serve(make(settings), control_socket(name, settings)))
    except (PartError, ControlError, SettingsError) as error:
        logger.error("cannot start", reason=str(error))
    except Exception as error:
        logger.exception("failed", reason=str(error))
    return 1


async def _serve(part: Part, control_path: str) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    reload = part.reload if isinstance(part, Reloads) else lambda: None
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    started = False
    control = Control(control_path, lambda: part.trouble() if started else "starting", part.routes())
    try:
        if control_path:
            await control.start()
        await part.start()
        started = True
        logger.info("started")
        await stop.wait()
    finally:
        await _stop(part)
        await control.stop()
    logger.info("stopped")
    return 0


async def _stop(part: Part) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await part.stop()
    except TimeoutError:
        logger.warning("did not stop in time", seconds=STOP_TIMEOUT_S)
    except Exception:
        logger.exception("failed while stopping")
