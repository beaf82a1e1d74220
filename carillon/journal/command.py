"""`carillon journal`: shows what outlives the component, says whether it can, removes what is of no use."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace

from carillon.command_line import CommandError, add_configuration, describe, settings_of
from carillon.control import ControlError, ask
from carillon.journal.at_work import PRUNE
from carillon.journal.check import asked
from carillon.journal.inspect import inspection
from carillon.journal.row import Row
from carillon.journal.store import Inspection, StoreError
from carillon.journal.stores import store_of
from carillon.meetings.table import table
from carillon.meetings.words import duration
from carillon.settings import Settings

_TITLES = ("KIND", "ROOM", "KEY", "BYTES")


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its command line."""
    describe(
        parser,
        """Show the journal, from which a component goes on after it was killed: `show` lists its rows,
        `check` says whether it works, `prune` removes rows that are of no use: of a component that runs,
        those that nobody answers for (it does that by itself, too); without one, what is too old to go on
        from, and with --all everything: the next component then begins with no meeting.

        With --values, `show` prints what the rows hold: the keys of people's connections are among it.""",
        "carillon journal show",
        "carillon journal check",
        "carillon journal show --room weekly@conference.example.org --json",
        "carillon journal prune --all",
    )
    add_configuration(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--room", metavar="JID", help="with show: only the rows of this room")
    parser.add_argument("--values", action="store_true", help="with show: print what the rows hold")
    parser.add_argument("--all", action="store_true", help="with prune: remove every row")
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    if not settings.journal.store:
        raise CommandError('there is no journal: journal.store is ""')
    return _ACTIONS[options.action](settings, options)


def _show(settings: Settings, options: argparse.Namespace) -> int:
    rows = [row for row in _inspected(settings).rows if options.room in (None, row.scope)]
    if options.json:
        print(json.dumps({"rows": [_as_json(row, values=options.values) for row in rows]}, indent=2))
        return 0
    if not rows:
        print("The journal is empty." if options.room is None else f"Nothing is known of {options.room}.")
        return 0
    details = [(row.value or b"").decode(errors="replace") if options.values else "" for row in rows]
    cells = [(row.kind, row.scope or "-", row.key or "-", str(len(row.value or b""))) for row in rows]
    lines = table(_TITLES, cells)
    print(lines[0])
    for line, detail in zip(lines[1:], details, strict=True):
        print(line, *([f"    {detail}"] if detail else []), sep="\n")
    return 0


def _check(settings: Settings, options: argparse.Namespace) -> int:
    trouble, runs = asyncio.run(asked(settings))
    seen = Inspection(exists=False)
    try:
        seen = inspection(settings)
    except StoreError as error:
        trouble = trouble or str(error)
    age_s = None if seen.attended_at is None else max(0.0, time.time() - seen.attended_at)
    if options.json:
        found = {"trouble": trouble, "component": runs, "rows": len(seen.rows), "bytes": seen.bytes}
        print(json.dumps({**found, "age_s": age_s}, indent=2))
    else:
        print(trouble or _in_words(seen, age_s, runs, settings.journal.stale_s))
    return 1 if trouble else 0


def _in_words(seen: Inspection, age_s: float | None, runs: bool, stale_s: float) -> str:
    if not seen.exists or age_s is None:
        return "There is no journal yet: the component begins one with its first meeting."
    size = f"{len(seen.rows)} rows" + (f", {-(-seen.bytes // 1024)} KiB" if seen.bytes else "")
    if runs:
        return f"The component has a journal that works: {size}."
    if age_s > stale_s:
        return f"The journal works ({size}), but is {duration(age_s)} old: a component would begin anew."
    return f"The journal works ({size}) and is {duration(age_s)} old: a component would go on from it."


def _prune(settings: Settings, options: argparse.Namespace) -> int:
    _, runs = asyncio.run(asked(settings))
    if runs and options.all:
        raise CommandError("the component runs, and needs its journal: end meetings with carillon rooms end")
    gone = _pruned_there(settings) if runs else _pruned_here(settings, everything=options.all)
    words = f"{gone or 'no'} row{'' if gone == 1 else 's'} removed"
    print(json.dumps({"rows": gone}) if options.json else words)
    return 0


def _pruned_there(settings: Settings) -> int:
    """Have the running component remove rows, and give their number."""
    try:
        _, text = asyncio.run(ask(settings.focus.control, PRUNE, body={}))
        return int(json.loads(text)["rows"])
    except (ControlError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"the component has not pruned its journal: {error}") from None


def _pruned_here(settings: Settings, *, everything: bool) -> int:
    """Remove rows when no component runs, and give their number."""
    seen = _inspected(settings)
    now = time.time()
    stale = seen.attended_at is not None and now - seen.attended_at > settings.journal.stale_s
    store = store_of(settings)
    if not seen.rows or not (stale or everything) or store is None:
        return 0
    try:
        store.open()
        rows: Sequence[Row] = store.load()
        store.write([replace(row, value=None) for row in rows], now)
    except StoreError as error:
        raise CommandError(str(error)) from None
    finally:
        store.close()
    return len(rows)


def _inspected(settings: Settings) -> Inspection:
    try:
        return inspection(settings)
    except StoreError as error:
        raise CommandError(str(error)) from None


def _as_json(row: Row, *, values: bool) -> dict[str, object]:
    value = row.value or b""
    told: dict[str, object] = {"kind": row.kind, "scope": row.scope, "key": row.key, "bytes": len(value)}
    if values:
        try:
            told["value"] = json.loads(value)
        except ValueError:
            told["value"] = value.decode(errors="replace")
    return told


_ACTIONS = {"show": _show, "check": _check, "prune": _prune}
