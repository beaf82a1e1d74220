"""The parts as programs of a supervisor: their command lines, and how they are asked whether they answer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from carillon.control import ControlError, ask, trouble_at
from carillon.part import control_socket
from carillon.settings import Settings
from carillon.supervisor import Program

NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
"""The environment of a part that asks nobody for a certificate. Otherwise aiohttp, when it is imported, and
slixmpp, for each link, load those of all authorities that the system trusts: 2 to 4 MB of each part."""


def part_program(
    name: str, settings: Settings, argv: tuple[str, ...], after: tuple[str, ...] = ()
) -> Program:
    """The program of one part, asked through its control API."""
    path = control_socket(name, settings)

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
    )


def _environment(name: str, settings: Settings) -> Mapping[str, str]:
    asks_for_certificates = name == "component" and settings.focus.bridge.startswith("https:")
    return {} if asks_for_certificates else NO_AUTHORITIES


def part_argv(name: str, config: Path | None, overrides: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command line of one part; with config None the part finds its configuration by itself."""
    named = ("--config", str(config)) if config else ()
    sets = (word for override in overrides for word in ("--set", override))
    return (sys.executable, "-m", "carillon", name, *named, *sets)
