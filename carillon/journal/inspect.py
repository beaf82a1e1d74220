"""A look at the journal that changes nothing, beside a running component or without one."""

from __future__ import annotations

import importlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from carillon.journal.row import Row
from carillon.journal.schema import STEPS, steps_from
from carillon.journal.sqlite_store import APPLICATION_ID, BUSY_S, attended_at, in_words
from carillon.journal.store import Inspection, StoreError
from carillon.settings import Settings
from carillon.unreadable import reason


def inspection(settings: Settings) -> Inspection:
    """What is in the journal that the configuration names. Raises StoreError."""
    journal = settings.journal
    if not journal.store:
        return Inspection(exists=False)
    if journal.is_redis:
        store = importlib.import_module("carillon.journal.redis_store")
        found: Inspection = store.RedisStore(journal.store, settings.focus.domain).inspect()
        return found
    return of_file(Path(journal.store))


def of_file(path: Path) -> Inspection:
    """What is in the journal in a file. Raises StoreError."""
    try:
        if not path.exists():
            return Inspection(exists=False)
        with path.open("rb"):
            pass
        taken = sum(one.stat().st_size for one in (path, Path(f"{path}-wal")) if one.exists())
    except OSError as error:
        raise StoreError(f"{path}: {reason(error)}") from None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", timeout=BUSY_S, uri=True)) as file:
            file.execute("BEGIN")
            return Inspection(_rows(file, path), attended_at(file), bytes=taken)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {in_words(error)}") from None


def _rows(file: sqlite3.Connection, path: Path) -> list[Row]:
    tables = file.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not tables:
        return []
    if file.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(f"{path} is the database of another program: mend journal.store")
    steps_from(file.execute("PRAGMA user_version").fetchone()[0], STEPS)
    if file.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise StoreError(f"{path} is broken: the component sets it aside when it starts")
    found = file.execute("SELECT kind, scope, key, value FROM rows ORDER BY kind, scope, key")
    return [Row(*row) for row in found]


def unwritable(path: Path) -> str | None:
    """Why this user could not write a journal there, and what to do; None when it could."""
    if path.exists():
        beside = path.parent
        if os.access(path, os.R_OK | os.W_OK) and os.access(beside, os.W_OK | os.X_OK):
            return None
    else:  # what is missing is made
        beside = next(parent for parent in path.parents if parent.exists())
        if beside.is_dir() and os.access(beside, os.W_OK | os.X_OK):
            return None
    return f"{path} cannot be written: give it, and the directory {beside}, to the user of carillon"
