"""What of the conferences is written to the journal, and when: the shell around recording and recovery.

What somebody is told must have been written before; so must what the link is told to be handled. Everything
else waits a moment for what comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from carillon.journal import Journal, Row
from component.focus import records, recovery
from component.focus.features import FeatureCache
from component.focus.recording import Recorder

WRITE_S = 0.1
"""What changes and is not told to anybody is written after this time at the latest."""


class Protection:
    """Writes to the journal what the recorders of all conferences have found; it works without one, too."""

    def __init__(
        self, journal: Journal, features: FeatureCache, recorders: Callable[[], Iterable[Recorder]]
    ) -> None:
        """`recorders` gives those of all conferences that are in the journal."""
        self._journal = journal
        self._features = features
        self._recorders = recorders
        self._unwritten: set[Recorder] = set()
        self._timer: asyncio.TimerHandle | None = None
        for kind in (*records.KINDS, records.FEATURES):
            journal.attach(kind, partial(self._snapshot, kind))

    def load(self) -> list[recovery.Restored]:
        """The conferences of the process before this one. What it knew of features is known again."""
        for row in self._journal.load(records.FEATURES):
            try:
                self._features.restore(*recovery.features(row))
            except ValueError:
                continue  # it is asked for again
        return recovery.read(row for kind in records.KINDS for row in self._journal.load(kind))

    def write(self, *recorders: Recorder) -> None:
        """Write what has changed, before somebody is told of it."""
        self._unwritten.difference_update(recorders)
        rows = [row for recorder in recorders for row in recorder.changes()]
        rows += (recovery.features_row(caps, known) for caps, known in self._features.changes())
        if rows:
            self._journal.write(rows)

    def write_soon(self, recorder: Recorder) -> None:
        """Write what has changed, which nobody is told of."""
        self._unwritten.add(recorder)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_S, self.write_all)

    def write_all(self) -> None:
        """Write now what was to be written soon."""
        self._stop_timer()
        if self._unwritten:
            self.write(*self._unwritten)

    def forget(self, recorder: Recorder, *, rows: bool) -> None:
        """A conference is over; its `rows` may belong to the next one in the same room."""
        self._unwritten.discard(recorder)
        if rows:
            self._journal.write(recorder.end())

    def delete(self, rows: Iterable[Row]) -> None:
        """Give up rows that nobody can go on from."""
        self._journal.write(Row(row.kind, row.scope, row.key, None) for row in rows)

    def abandon(self) -> None:
        """Write nothing any more."""
        self._stop_timer()
        self._unwritten.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _snapshot(self, kind: str) -> list[Row]:
        """All rows of a kind."""
        if kind == records.FEATURES:
            return [recovery.features_row(*one) for one in self._features.known.items()]
        return [row for one in self._recorders() for row in one.everything() if row.kind == kind]
