"""The journal in a file: SQLite with a write-ahead log.

What is committed is the system's to write (synchronous=NORMAL): a killed process loses nothing; when the
machine loses power the file stays whole, and the last moments may be missing. What waits for the disk (fsync)
is done by a thread, see `checkpoint`.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from carillon.journal.checkpoint import Checkpoints
from carillon.journal.row import Row
from carillon.journal.schema import STEPS, Step, migrated, steps_from, version_of
from carillon.journal.store import StoreError, Superseded
from carillon.unreadable import reason

APPLICATION_ID: Final = 0x6361726A
"""What marks a file as a journal of carillon ("carj"), in the header that SQLite has for it."""
BUSY_S: Final = 0.25
"""How long a write may wait for another process, such as `carillon journal prune`, or for a checkpoint."""
OPEN_BUSY_S: Final = 2.0
"""The same when a component starts: nothing else runs then."""
PAGE_BYTES: Final = 4096
MAX_SET_ASIDE: Final = 5
"""Broken files that are kept; with more the disk is to be looked at, not filled."""

_LAYOUT: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE rows (kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
    " written REAL NOT NULL, UNIQUE (kind, scope, key))",
)
_WRITE: Final = (
    "INSERT INTO rows VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value,"
    " written = excluded.written"
)
_DELETE: Final = "DELETE FROM rows WHERE kind = ? AND scope = ? AND key = ?"
_SET: Final = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"

_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MEND: Final = {
    sqlite3.SQLITE_FULL: "its disk is full, or the file has the size of journal.max_bytes: make room",
    sqlite3.SQLITE_READONLY: "it cannot be written: give it, and its directory, to the user of carillon",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: is its directory there, and may the user of carillon write"
    " in it?",
    sqlite3.SQLITE_BUSY: "another process holds it: `fuser` says which",
    sqlite3.SQLITE_IOERR: "its disk fails or is full: the log of the system may say why",
}
"""What is wrong, and what to do, by SQLite's primary result code."""

_log = structlog.get_logger()


class SqliteStore:
    """One file, and the two that SQLite has beside it."""

    def __init__(self, path: Path, max_bytes: int, steps: Sequence[Step] = STEPS) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._steps = steps
        self._connection: sqlite3.Connection | None = None
        self._checkpoints: Checkpoints | None = None
        self._owner = ""
        """What says in the file that this is who writes it."""
        self._file: tuple[int, int] | None = None

    def open(self) -> None:
        """See Store.open. The directory is made; the file is for its owner only."""
        try:
            if self._checkpoints is not None and not self._checkpoints.ended(BUSY_S):
                raise StoreError(f"{self._path}: its disk does not answer")
            self._open()
        except OSError as error:
            raise StoreError(
                f"{self._path}: {reason(error)}: the user of carillon must be able to write there"
            ) from None
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def load(self) -> list[Row]:
        """See Store.load."""
        try:
            found = self._live.execute("SELECT kind, scope, key, value FROM rows ORDER BY rowid")
            return [Row(kind, scope, key, value) for kind, scope, key, value in found]
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def attended_at(self) -> float | None:
        """See Store.attended_at."""
        return attended_at(self._live)

    def write(self, rows: Sequence[Row], now: float) -> None:
        """See Store.write."""
        written = [(*row.name, row.value, now) for row in rows if row.value is not None]
        deleted = [row.name for row in rows if row.value is None]
        try:
            self._begin()
            if deleted:
                self._live.executemany(_DELETE, deleted)
            if written:
                self._live.executemany(_WRITE, written)
            self._live.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._failed(error) from None

    def attend(self, now: float) -> None:
        """See Store.attend. Notices, too, that the file is no longer what its name leads to."""
        if self._checkpoints is not None and self._checkpoints.failure is not None:
            raise StoreError(f"{self._path}: {self._checkpoints.failure}")
        with suppress(OSError):
            if self._identity() == self._file:
                return self._attend(now)
        raise StoreError(f"{self._path} was removed or replaced: what was in it is written anew")

    def close(self) -> None:
        """See Store.close. The thread closes last: what then waits for the disk holds nobody up."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        if self._checkpoints is not None:
            self._checkpoints.stop()

    # Opening

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_private()
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if _code(error) & 0xFF not in _BROKEN:
                raise
            self.close()
            self._set_aside(str(error))
            self._make_private()
            self._connect()
        self._file = self._identity()
        self._checkpoints = Checkpoints(self._path, self._max_bytes)
        self._checkpoints.start()
        self._live.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")

    def _make_private(self) -> None:
        """Have a file that only its owner can read; SQLite gives the two beside it the same mode."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise StoreError(f"{self._path} is no file: mend journal.store")
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    def _connect(self) -> None:
        self._connection = sqlite3.connect(
            self._path, timeout=OPEN_BUSY_S, isolation_level=None, cached_statements=16
        )
        live = self._live
        tables = live.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        application = live.execute("PRAGMA application_id").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise StoreError(f"{self._path} is the database of another program: mend journal.store")
        if live.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise _broken("its pages contradict each other")
        if live.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreError(f"{self._path}: its file system cannot hold a journal: have it on a local disk")
        live.execute("PRAGMA synchronous = NORMAL")
        live.execute("PRAGMA wal_autocheckpoint = 0")
        live.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // PAGE_BYTES)}")
        live.execute("BEGIN IMMEDIATE")
        try:
            self._lay_out(new=not tables)
            self._own()
            live.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _lay_out(self, *, new: bool) -> None:
        if new:
            live = self._live
            for statement in (*_LAYOUT, *(sql for step in self._steps for sql in step.layout)):
                live.execute(statement)
            live.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        else:
            steps = steps_from(self._live.execute("PRAGMA user_version").fetchone()[0], self._steps)
            if steps:
                self._migrate(steps)
        self._live.execute(f"PRAGMA user_version = {version_of(self._steps)}")

    def _migrate(self, steps: Sequence[Step]) -> None:
        for statement in (sql for step in steps for sql in step.layout):
            self._live.execute(statement)
        rows = migrated(self.load(), steps)
        self._live.execute("DELETE FROM rows")
        self._live.executemany(_WRITE, [(*row.name, row.value, time.time()) for row in rows])
        _log.info("the journal is one of this version now", rows=len(rows), steps=len(steps))

    def _own(self) -> None:
        """Write in the file who writes it. Raises Superseded when that was us and is somebody else now."""
        found = self._owner_in_file()
        if self._owner and found not in ("", self._owner):
            raise Superseded("another component writes the journal")
        self._owner = self._owner or secrets.token_hex(8)
        self._live.execute(_SET, ("owner", self._owner))

    def _set_aside(self, why: str) -> None:
        """Rename a file that is broken; a journal begins anew in its place."""
        before = len(list(self._path.parent.glob(f"{self._path.name}.broken-*")))
        if before >= MAX_SET_ASIDE:
            raise StoreError(
                f"{self._path} is broken ({why}), as it was {before} times before: see whether its disk is"
                f" good, and remove {self._path}.broken-*"
            )
        aside = self._path.with_name(f"{self._path.name}.broken-{time.time_ns()}")
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            beside = self._path.with_name(self._path.name + suffix)
            with suppress(FileNotFoundError):
                beside.rename(aside.with_name(aside.name + suffix))
        _log.error("the journal is broken: it is set aside and begins anew", reason=why, kept=str(aside))

    # Writing

    @property
    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self._path} is not open")
        return self._connection

    def _begin(self) -> None:
        """Begin a transaction that only who opened the file last can begin."""
        self._live.execute("BEGIN IMMEDIATE")
        if self._owner_in_file() != self._owner:
            raise Superseded("another component writes the journal")

    def _attend(self, now: float) -> None:
        try:
            self._begin()
            self._live.execute(_SET, ("attended", now))
            self._live.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._failed(error) from None

    def _owner_in_file(self) -> str:
        found = self._live.execute("SELECT value FROM meta WHERE name = 'owner'").fetchone()
        return found[0] if found else ""

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _identity(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino

    def _failed(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"{self._path}: {in_words(error)}")


def attended_at(connection: sqlite3.Connection) -> float | None:
    """When somebody last wrote in a journal, or said that they are there; None when never."""
    try:
        found = connection.execute(
            "SELECT max(seen) FROM (SELECT value AS seen FROM meta WHERE name = 'attended'"
            " UNION ALL SELECT max(written) FROM rows)"
        ).fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(in_words(error)) from None
    return None if found is None else float(found)


def in_words(error: sqlite3.Error) -> str:
    """What is wrong with a file, and what to do."""
    return _MEND.get(_code(error) & 0xFF, str(error))


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) or 0


def _broken(why: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
