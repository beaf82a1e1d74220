"""`carillon rooms`: lists the meetings of the running component, and ends one."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from carillon.command_line import CommandError, add_configuration, describe, settings_of
from carillon.control import ControlError, ask
from carillon.meetings.table import table
from carillon.meetings.words import duration
from carillon.settings import Settings

TIMEOUT_S = 40.0
"""The XMPP server is asked up to three times for an answer, which the component gives 15 seconds each."""

_START = "start it with `carillon run` or `carillon component`, or name the configuration that it runs with"
_OTHER_USER = "run this command as the user that it runs as: nobody else may ask it"
_TITLES = ("ROOM", "FOR", "PEOPLE", "AUDIO", "CAMERAS", "SCREENS", "STATE", "BRIDGE")


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its command line."""
    describe(
        parser,
        """List the meetings that the running component looks after: since when each runs, how many people
        are in it and what they send, and its bridge. `carillon rooms end ROOM` ends one: everybody is removed
        from it and shown the reason.

        ROOM is the room's address, or what stands before the @ in it. --json prints what the control API of
        the component says, times as Unix time.""",
        "carillon rooms",
        "carillon rooms --json",
        'carillon rooms end weekly --reason "The server is being updated."',
    )
    add_configuration(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--reason", metavar="TEXT", help="with end: what people are shown")
    parser.add_argument(
        "action", choices=("list", "end"), nargs="?", default="list", help="what to do (default: list)"
    )
    parser.add_argument("room", metavar="ROOM", nargs="?", help="with end: which meeting")
    parser.set_defaults(run=_run, parser=parser)


def _run(options: argparse.Namespace) -> int:
    if options.action == "end":
        if not options.room:
            options.parser.error("end: say which ROOM")
        act(settings_of(options), options.room, "end", {"reason": options.reason or ""})
        return 0
    if options.room or options.reason:
        options.parser.error("list takes no ROOM and no --reason: carillon participants ROOM shows a meeting")
    found = question(settings_of(options), "/rooms")
    print(json.dumps(found, indent=2) if options.json else "\n".join(_lines(found["rooms"])))
    return 0


def _lines(rooms: list[dict[str, Any]]) -> list[str]:
    if not rooms:
        return ["There is no meeting."]
    return table(_TITLES, [_row(room) for room in rooms])


def _row(room: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        room["room"].partition("@")[0],  # all are on one service, and this names it as well
        duration(room["seconds"]),
        f"{room['participants']}{' (full)' if room['full'] else ''}",
        str(room["audio"]),
        str(room["cameras"]),
        str(room["screens"]),
        room["state"],
        bridge(room),
    )


BRIDGE_TROUBLES = {
    "deaf": "gets no media through",
    "draining": "is about to end",
    "full": "is full",
}
"""Why there is no bridge for a meeting, in words, where it is not that none answers."""


def bridge(room: Mapping[str, Any]) -> str:
    """Which bridge a meeting is on, in words."""
    if not room["bridge_available"]:
        return BRIDGE_TROUBLES.get(room["bridge_trouble"], "does not answer")
    return " ".join(filter(None, (room["bridge"], room["bridge_version"]))) or "-"


def question(settings: Settings, resource: str) -> Any:
    """What the running component answers to GET `resource`. Raises CommandError."""
    return _asked(settings, resource, None)


def act(settings: Settings, room: str, deed: str, body: Mapping[str, str]) -> None:
    """Have the running component do something in a room. Raises CommandError."""
    _asked(settings, room_path(room, deed), body)


def room_path(room: str, what: str) -> str:
    """Where the control API of the component has `what` of a room."""
    return f"/rooms/{quote(room, safe='@')}/{what}"


def _asked(settings: Settings, resource: str, body: Mapping[str, str] | None) -> Any:
    if not settings.focus.control:
        raise CommandError('the component has no control socket: focus.control is ""')
    try:
        status, text = asyncio.run(ask(settings.focus.control, resource, TIMEOUT_S, body=body))
    except ControlError as error:
        hint = _START if _may_open(settings.focus.control) else _OTHER_USER
        raise CommandError(f"the component does not answer ({error}): {hint}") from None
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or (status != 200 and not isinstance(answer.get("error"), str)):
        raise CommandError(
            f"what answers on {settings.focus.control} is no component of this version (status {status})"
        )
    if status != 200:
        raise CommandError(answer["error"])
    return answer


def _may_open(socket: str) -> bool:
    """Whether this user may open a control socket, or there is none."""
    try:
        Path(socket).stat()
    except OSError as error:
        return not isinstance(error, PermissionError)
    return os.access(socket, os.R_OK | os.W_OK)
