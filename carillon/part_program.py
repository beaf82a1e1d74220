"""The parts as programs of a supervisor: their command lines, and how they are asked whether they answer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from carillon.control import ControlError, ask, listening_pid, trouble_at
from carillon.part import control_socket
from carillon.program import Program
from carillon.settings import Settings

SCRIPT = "carillon"
"""What an installer puts among the commands."""

NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
"""The environment of a part that asks nobody for a certificate. Otherwise aiohttp, when it is imported, and
slixmpp, for each link, load those of all authorities that the system trusts: 2 to 4 MB of each part."""


def part_program(
    name: str, settings: Settings, argv: tuple[str, ...], after: tuple[str, ...] = ()
) -> Program:
    """The program of one part, asked through its control API; `after` are others that it needs."""
    path = control_socket(name, settings)
    if name == "component" and settings.link.enabled:
        after = (*after, "link")  # also when all stop: the component says its farewells through the link
    if name == "front" and settings.streams.enabled:
        after = (*after, "streams")

    async def trouble() -> str | None:
        if not path:
            return None
        try:
            return await trouble_at(path)
        except ControlError as error:
            return str(error)

    async def works() -> bool:
        """Whether the event loop turns: what the answer says is nobody's business here."""
        try:
            await ask(path, "/about/version")
        except ControlError:
            return False
        return True

    return Program(
        name,
        argv,
        trouble,
        after,
        environment=_environment(name, settings),
        works=works if path else None,
        at_once=signal.SIGINT,
        answering=(lambda: listening_pid(path)) if path else None,
        shelf=name == "relay",
    )


def _environment(name: str, settings: Settings) -> Mapping[str, str]:
    asks_for_certificates = any(url.startswith("https:") for url in settings.focus.bridge)
    return {} if name == "component" and asks_for_certificates else NO_AUTHORITIES


def part_argv(name: str, config: Path | None, overrides: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command line of one part; with config None the part finds its configuration by itself."""
    return (*this_program(), *command(name, config, overrides))


def command(name: str, config: Path | None, overrides: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The words of the command of a part, or of `run`."""
    part, further, bridge = name.partition("-")
    named = (*(("--name", bridge) if further else ()), *(("--config", str(config)) if config else ()))
    sets = (word for override in overrides for word in ("--set", override))
    return (part, *named, *sets)


def this_program() -> tuple[str, ...]:
    """How carillon is run, beginning of a command line: as this process was.

    Who started its script gets what that path leads to at the time: be it that a newer version was installed
    in its place, or that a link on the way now leads elsewhere.
    """
    script = Path(sys.argv[0])
    if script.name == SCRIPT and script.is_file() and os.access(script, os.X_OK):
        return (str(script.absolute()),)
    return (sys.executable, "-m", "carillon")


def by_python(argv: tuple[str, ...], python: str) -> tuple[str, ...]:
    """The same command line, run by another Python and thus with the carillon that is installed there."""
    if Path(argv[0]).name == SCRIPT:
        return (python, "-m", "carillon", *argv[1:])
    return (python, *argv[1:])
