"""What `carillon check` says of the journal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from carillon.check.finding import Finding, error, ok
from carillon.control import ControlError, ask
from carillon.journal.at_work import RESOURCE
from carillon.journal.inspect import inspection, unwritable
from carillon.journal.store import StoreError
from carillon.settings import Settings

PART = "component"
SUBJECT = "journal"
_MEANWHILE = "until then every meeting ends when the component is killed or crashes (journal.store)"


async def look(settings: Settings) -> Iterable[Finding]:
    """What the running component says of its journal; where none runs, whether one could use it."""
    if not settings.journal.store:
        return [ok(PART, SUBJECT, 'not wanted: journal.store is ""')]
    said, answered = await asked(settings)
    if not answered:
        said = _seen(settings)
    if said is not None:
        return [error(PART, SUBJECT, said, _MEANWHILE)]
    return [ok(PART, SUBJECT, "meetings go on when the component is killed or crashes")]


async def asked(settings: Settings) -> tuple[str | None, bool]:
    """The trouble that the running component has with its journal, and whether one has answered."""
    if not settings.focus.control:
        return None, False
    try:
        status, text = await ask(settings.focus.control, RESOURCE)
        trouble = json.loads(text)["trouble"]
    except (ControlError, ValueError, KeyError, TypeError):
        return None, False
    return (trouble, True) if status == 200 else (None, False)


def _seen(settings: Settings) -> str | None:
    journal = settings.journal
    try:
        inspection(settings)
    except StoreError as trouble:
        return str(trouble)
    return unwritable(Path(journal.store)) if journal.is_file else None
