"""Checkpoints of the journal's file: what is in its write-ahead log is carried over and gets to the disk.

That takes an fsync or three, each as long as the disk likes; so a thread does it, over a connection of its
own. Its own transaction after a checkpoint is the one that begins the log anew, which takes the last of them.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

LOOK_S: Final = 1.0
LOG_BYTES: Final = 1 << 20
"""From this size on the log is carried over at once: a component that starts reads all of it."""
MANY_LOG_BYTES: Final = 8 << 20
"""From this size on the writer may wait for the disk once: a log that is always written to does not end."""
IDLE_S: Final = 30.0
"""A smaller log is carried over after this time: a machine that loses power loses so much at most."""
_BUSY_S: Final = 1.0


class Checkpoints:
    """The thread. `failure` is why it could not do it the last time, in words."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.failure: str | None = None
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._max_bytes = max_bytes
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Have it end after what it is at; it closes its connection, and carries over what is left."""
        self._ends.set()

    def ended(self, within_s: float) -> bool:
        """Whether it has ended, as it was told."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def connect(self) -> sqlite3.Connection:
        """A connection for `carry_over`."""
        connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA journal_size_limit = 0")  # of a log that has begun anew
        return connection

    def _run(self) -> None:
        waited_s = 0.0
        try:
            with closing(self.connect()) as connection:
                while not self._ends.wait(LOOK_S):
                    waited_s += LOOK_S
                    size = self._log_bytes()
                    if size >= LOG_BYTES or (size and waited_s >= IDLE_S):
                        waited_s = 0.0
                        self.carry_over(connection)
        except sqlite3.Error as error:
            self.failure = f"the log cannot be carried over: {error}"

    def carry_over(self, connection: sqlite3.Connection) -> None:
        """Do one checkpoint."""
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if self._log_bytes() >= MANY_LOG_BYTES:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute(
                "INSERT INTO meta VALUES ('checkpoints', 1) ON CONFLICT DO UPDATE SET value = value + 1"
            )
            self.failure = None
        except (
            sqlite3.Error
        ) as error:  # the disk is full, or somebody reads for long: the log grows meanwhile
            if self._log_bytes() > self._max_bytes:
                self.failure = f"the log grows and cannot be carried over: {error}"

    def _log_bytes(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0
