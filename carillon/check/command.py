"""The command `carillon check`: which checks there are, and what becomes of what they find."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
from collections.abc import Iterable, Sequence

from carillon import log
from carillon.check import certificates, configuration, report
from carillon.check.finding import SHARED, Finding, Level, told
from carillon.check.running import Check, carry_out
from carillon.command_line import add_configuration, describe, settings_of
from carillon.part import PARTS
from carillon.settings import LogSettings, Settings, SettingsError

CHECKS = {name: f"{what.module.rpartition('.')[0]}.check" for name, what in PARTS.items()}
"""The module with the checks of each part; by name, so that nothing here imports a part."""

_SECTIONS = {"front": "front", "relay": "turn"}
"""The section of the configuration that names the certificate of a part."""
_EVERYTHING = (*SHARED, *PARTS)
_STATUS = {Level.OK: 0, Level.WARNING: 0, Level.ERROR: 1}
_NO_CONFIGURATION = 2
_WIDTH = 79


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the options of `carillon check` to its command line, and what runs it."""
    describe(
        parser,
        """Say in words what is wrong with a deployment and what to do about it; causes come before what
        they cause. It looks as clients do: with a room of its own on the MUC service, a packet there and
        back through the relay, a conference at the bridge, a stream through the front. Who is in a meeting
        notices nothing.

        Run it where carillon runs, as its user: what it asks the running component goes over its control
        socket.""",
        "carillon check --config carillon.toml",
        "carillon check relay --json",
        statuses={
            0: "nothing is wrong (there may be warnings)",
            1: "something is wrong",
            2: "wrong command line, or a configuration that cannot be used",
        },
    )
    parser.add_argument(
        "part",
        metavar="PART",
        nargs="?",
        choices=_EVERYTHING,
        help=f"check only one of {', '.join(_EVERYTHING)} (default: all)",
    )
    add_configuration(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    parts = (options.part,) if options.part else _EVERYTHING
    try:
        settings = settings_of(options)
    except SettingsError as trouble:
        print(_shown([configuration.not_loaded(trouble)], as_json=options.json))
        return _NO_CONFIGURATION
    log.set_up(LogSettings(level="error", format="text"), "check")
    shows_progress = sys.stderr.isatty() and not options.json
    found = asyncio.run(carry_out(checks(settings, parts), _progress if shows_progress else _silence))
    findings = told(found, tuple(PARTS))
    print(_shown(findings, as_json=options.json))
    return _STATUS[report.worst(findings)]


def _shown(findings: Sequence[Finding], *, as_json: bool) -> str:
    return report.json_text(findings) if as_json else report.text(findings)


def checks(settings: Settings, names: Sequence[str]) -> list[Check]:
    """Those of `names`, each one of PARTS or SHARED; for a part also those of the files that it reads."""
    parts = [part for part in PARTS if part in names]
    readers = parts or list(PARTS)
    shared = {
        configuration.PART: lambda: _files(settings, readers),
        certificates.PART: lambda: _certificates(settings, [_SECTIONS.get(part, "") for part in readers]),
        "dns": lambda: _dns(settings),
    }
    wanted = {*names, *((configuration.PART, certificates.PART) if parts else ())}
    found = [Check(name, name, look) for name, look in shared.items() if name in wanted]
    for part in parts:
        found += importlib.import_module(CHECKS[part]).checks(settings)
    return found


async def _files(settings: Settings, parts: Sequence[str]) -> Iterable[Finding]:
    return configuration.findings(settings, parts)


async def _certificates(settings: Settings, sections: Sequence[str]) -> Iterable[Finding]:
    return certificates.findings(settings, sections)


async def _dns(settings: Settings) -> Iterable[Finding]:
    dns = importlib.import_module("carillon.check.dns")
    found: Iterable[Finding] = dns.findings(await dns.look(settings))
    return found


def _progress(running: Sequence[Check]) -> None:
    """One line at the terminal that is written over, and gone in the end."""
    words = f"checking: {', '.join(check.name for check in running)}" if running else ""
    print(f"\r\x1b[K{words[:_WIDTH]}", end="", file=sys.stderr, flush=True)


def _silence(_running: Sequence[Check]) -> None:
    """Where nobody watches."""
