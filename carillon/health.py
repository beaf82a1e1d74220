"""`carillon health`: asks the running parts whether they do their work, as the image's HEALTHCHECK."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from pathlib import Path

from carillon.command_line import CommandError, add_configuration, describe, settings_of
from carillon.control import ControlError, trouble_at
from carillon.part import PARTS, control_socket, further_bridges
from carillon.settings import Settings


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the options of `carillon health` to its command line."""
    describe(
        parser,
        """Ask the running parts over their control sockets whether they do their work, and print a line for
        each. Without PART: all parts whose sockets are there. It costs next to nothing, for supervisors that
        ask every few seconds; `carillon check` looks deeper.""",
        "carillon health --config carillon.toml",
        "carillon health component bridge",
    )
    parser.add_argument("parts", metavar="PART", nargs="*", help=f"one of {', '.join(PARTS)} (default: all)")
    add_configuration(parser)
    parser.set_defaults(run=_health)


def _health(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    known = (*PARTS, *further_bridges(settings))
    unknown = [name for name in options.parts if name not in known]
    if unknown:
        raise CommandError(f"there is no part {unknown[0]}: they are {', '.join(known)}")
    parts = options.parts or [name for name in known if Path(control_socket(name, settings)).is_socket()]
    if not parts:
        raise CommandError("no part runs: none of the control sockets in the configuration is there")
    troubles = asyncio.run(_troubles(parts, settings))
    for name, trouble in troubles.items():
        print(f"{name}: {trouble or 'ok'}")
    return 1 if any(troubles.values()) else 0


async def _troubles(parts: Iterable[str], settings: Settings) -> dict[str, str]:
    """What each part says is wrong, "" when nothing is."""
    return {name: await _trouble(control_socket(name, settings)) for name in parts}


async def _trouble(path: str) -> str:
    if not path:
        return "has no control socket in this configuration"
    try:
        return await trouble_at(path) or ""
    except ControlError as error:
        return f"does not answer: {error}"
