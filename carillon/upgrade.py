"""`carillon upgrade`: asks the running `carillon run` to replace its parts and itself by a newer version."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from carillon.command_line import CommandError, add_configuration, describe, settings_of
from carillon.control import ControlError, ask

POLL_S = 0.2

SILENCE_S = 60.0
"""How long the supervisor may be silent: it becomes its new version."""

NAME_WIDTH = 12


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the options of `carillon upgrade` to its command line."""
    describe(
        parser,
        """Have the running `carillon run` replace each part by the version that is installed now, one after
        another, while people go on talking: link, component, relay, front, bridge, and itself last. A new
        process takes over from the old one; where it cannot, the old one goes on, and what comes after stays
        as it is. Without PART: everything.

        First the new version reads the configuration and loads all parts: if it cannot, nothing changes.""",
        "carillon upgrade --config /etc/carillon/carillon.toml",
        "carillon upgrade --python /opt/carillon-next/bin/python",
        "carillon upgrade bridge",
    )
    parser.add_argument(
        "parts",
        metavar="PART",
        nargs="*",
        help="replace this one alone (`supervisor`: `carillon run` itself)",
    )
    parser.add_argument(
        "--python",
        metavar="PATH",
        default="",
        help="the Python in whose environment the new version is (default: what now stands where the running"
        " one was started from)",
    )
    add_configuration(parser)
    parser.set_defaults(run=_upgrade)


def _upgrade(options: argparse.Namespace) -> int:
    path = settings_of(options).operation.control
    if not path:
        raise CommandError("carillon run has no control socket in this configuration: set operation.control")
    return asyncio.run(_ask_and_watch(path, " ".join(options.parts), options.python))


async def _ask_and_watch(path: str, parts: str, python: str) -> int:
    try:
        status, text = await ask(path, "/upgrade", body={"parts": parts, "python": python})
    except ControlError as error:
        raise CommandError(
            f"no carillon run of this configuration answers ({error}): parts that are services of their own"
            " are replaced with --take-over, a version that knows no upgrade by a restart"
        ) from None
    if status != 202:
        raise CommandError(_error(text) or f"the supervisor answers with status {status}")
    said: set[str] = set()
    while True:
        report = await _report(path)
        for line in lines_of(report):
            if line not in said:
                said.add(line)
                print(line, flush=True)
        if not report.get("running"):
            break
        await asyncio.sleep(POLL_S)
    if report.get("failed"):
        raise CommandError(f"the upgrade ended early: {report['failed']}")
    return 0


async def _report(path: str) -> dict[str, Any]:
    """How far it is; waits while the supervisor becomes its new version."""
    deadline = asyncio.get_running_loop().time() + SILENCE_S
    while True:
        try:
            _, text = await ask(path, "/upgrade")
            report = json.loads(text)
        except (ControlError, ValueError) as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise CommandError(f"carillon run does not answer any more: {error}") from None
            await asyncio.sleep(POLL_S)
        else:
            if not isinstance(report, dict) or not report:
                raise CommandError("carillon run was started anew during the upgrade: look at its log")
            return report


def lines_of(report: Mapping[str, Any]) -> Iterator[str]:
    """What there is to say of an upgrade so far, a line for what is new each time."""
    if report.get("version"):
        yield f"the new version is {report['version']}"
    for step in report.get("steps", ()):
        name, before, after = step["name"], step["before"] or "?", step["after"] or "?"
        if step["state"] == "done":
            yield f"{name:{NAME_WIDTH}} {before} -> {after}  {step['seconds']:.1f} s"
        elif step["state"] == "failed":
            yield f"{name:{NAME_WIDTH}} {before} goes on"
        elif step["state"] == "waits" and not report.get("running"):
            yield f"{name:{NAME_WIDTH}} as it was"


def _error(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return ""
