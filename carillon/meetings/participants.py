"""`carillon participants`: shows who is in a meeting and how it goes for them; mutes and removes people."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from carillon.command_line import add_configuration, describe, settings_of
from carillon.meetings.rooms import act, bridge, question, room_path
from carillon.meetings.table import table
from carillon.meetings.words import duration, quality

MEDIA = ("audio", "video", "desktop")

_TITLES = ("NICK", "NAME", "JID", "FOR", "ROLE", "MEDIA", "SENDS", "MUTED")


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its command line."""
    describe(
        parser,
        """Show who is in a meeting: by which name, since when, what they send, and what the bridge measures
        of them. With mute, somebody's microphone (audio), camera (video) or shared screen (desktop) is
        switched off, which people may switch on again; with remove, somebody is removed from the room and
        shown the reason.

        ROOM is the room's address, or what stands before the @ in it; NICK is as in the table. --json prints
        what the control API of the component says.""",
        "carillon participants weekly",
        "carillon participants weekly mute 8f26c11d",
        "carillon participants weekly mute 8f26c11d desktop",
        'carillon participants weekly remove 8f26c11d --reason "Please mind the topic."',
    )
    add_configuration(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--reason", metavar="TEXT", help="with remove: what is shown to who is removed")
    parser.add_argument("room", metavar="ROOM", help="which meeting")
    parser.add_argument(
        "action",
        choices=("list", "mute", "remove"),
        nargs="?",
        default="list",
        help="what to do (default: list)",
    )
    parser.add_argument("nick", metavar="NICK", nargs="?", help="with mute and remove: whom")
    parser.add_argument("media", choices=MEDIA, nargs="?", help="with mute: what (default: audio)")
    parser.set_defaults(run=_run, parser=parser)


def _run(options: argparse.Namespace) -> int:
    if (wrong := _wrong(options)) is not None:
        options.parser.error(wrong)
    settings = settings_of(options)
    match options.action:
        case "mute":
            act(settings, options.room, "mute", {"nick": options.nick, "media": options.media or "audio"})
        case "remove":
            act(settings, options.room, "remove", {"nick": options.nick, "reason": options.reason or ""})
        case _:
            found = question(settings, room_path(options.room, "participants"))
            print(json.dumps(found, indent=2) if options.json else "\n".join(_lines(found)))
    return 0


def _wrong(options: argparse.Namespace) -> str | None:
    """What is missing, or has no meaning here."""
    if options.action != "list" and not options.nick:
        return f"{options.action}: say whom, by NICK"
    if options.nick and options.action == "list":
        return "list takes no NICK"
    if options.media and options.action != "mute":
        return f"{options.action} takes no {options.media}"
    if options.reason is not None and options.action != "remove":
        return "--reason is for remove"
    return None


def _lines(found: Mapping[str, Any]) -> list[str]:
    room, people = found["room"], found["participants"]
    full = ", which is full" if room["full"] else ""
    lines = [
        f"{room['room']} ({room['state']}{full}): {len(people)} here, for {duration(room['seconds'])},"
        f" on bridge {bridge(room)}"
    ]
    if found["direct"]:
        lines.append("Media go directly between the two, not through the bridge.")
    if people:
        rows, details = [_row(one) for one in people], [_detail(one) for one in people]
        lines += ["", *table(_TITLES, rows, details)]
    return lines


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        one["nick"],
        one["name"] or "-",
        one["jid"],
        duration(one["seconds"]),
        one["role"] if one["affiliation"] in ("none", "member") else one["affiliation"],
        one["session"],
        ", ".join(one["sends"]) or "-",
        ", ".join(one["muted"]) or "-",
    )


def _detail(one: Mapping[str, Any]) -> str:
    kind = "call" if one["kind"] == "call" else ""
    return ", ".join(filter(None, (kind, quality(one["quality"]))))
