"""The journal: what must outlive a process, written before the outside is told of it.

It stands between the services and a store that may fail at any moment. Nothing here raises: a meeting goes on
without protection, and that is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from carillon.journal import metrics
from carillon.journal.row import MAX_NAME_BYTES, MAX_ROWS, MAX_VALUE_BYTES, Row
from carillon.journal.store import Store, StoreError, Superseded

Name = tuple[str, str, str]
"""Kind, scope and key of a row."""
Snapshot = Callable[[], Iterable[Row]]
"""Everything of one kind, as it is now."""

RETRY_S: Final = 5.0
"""How often a store that has failed is tried again."""
SWEEP_S: Final = 600.0
"""How often is looked for rows that nobody answers for; what has been one at two looks is deleted."""
ATTEND_S: Final = 20.0
"""How often the store is told that somebody is there, when nothing is written."""

_log = structlog.get_logger()


class Journal:
    """The rows of one component. Not thread-safe: it belongs to the event loop, and answers at once."""

    def __init__(
        self, store: Store | None, stale_s: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`store` None is no journal. What nobody has attended to for `stale_s` is not given back."""
        self._store = store
        self._stale_s = stale_s
        self._clock = clock
        self._snapshots: dict[str, Snapshot] = {}
        self._names: set[Name] = set()
        self._left: dict[str, list[Row]] = {}
        """What the last component has left, by kind, until it is loaded."""
        self._refused: set[Name] = set()
        """Rows beyond a limit, whose things are not protected."""
        self._orphans: set[Name] = set()
        self._open = False
        self._failure: str | None = None
        self._failed_at = self._retry_at = 0.0
        self._sweep_at = self._attend_at = 0.0
        self._now = 0.0
        metrics.PROTECTED.set(0)

    # The interface

    def load(self, kind: str) -> list[Row]:
        """The rows of one kind as the last component left them; [] when there are none or none can be read.

        The first call, or the first `write`, opens the store: whoever opens it last is the only one to write.
        """
        if not self._ready() or self._store is None:
            return []
        if kind in self._left:
            return self._left.pop(kind)
        try:
            return [row for row in self._store.load() if row.kind == kind]
        except StoreError as error:
            self._fail("load", error)
            return []

    def write(self, rows: Iterable[Row]) -> bool:
        """Do all of it in one transaction. False: what these rows say would not survive a restart.

        Whoever writes rows of a kind also attaches a snapshot of it: rows that are in none are deleted.
        """
        wanted = list(rows)
        if not self._ready() or self._store is None:
            return False
        bounded = self._bounded(wanted)
        began = time.perf_counter()
        try:
            self._store.write(bounded, self._clock())
        except StoreError as error:
            self._fail("write", error)
            return False
        metrics.WRITES.inc()
        metrics.WRITE_SECONDS.inc(time.perf_counter() - began)
        self._has(bounded)
        return self._refused.isdisjoint(row.name for row in wanted)

    def attach(self, kind: str, snapshot: Snapshot) -> None:
        """Have `snapshot` asked for every row of the kind when a store that had failed works again."""
        self._snapshots[kind] = snapshot

    def trouble(self) -> str | None:
        """Why a restart would end what runs, and what to do; None when all is well, or no journal wanted."""
        if self._failure is not None:
            return f"meetings are not protected from a restart of the component: {self._failure}"
        if self._refused:
            kind, scope, _ = min(self._refused)
            more = f" and {len(self._refused) - 1} more" if len(self._refused) > 1 else ""
            return (
                f"the {kind} of {scope or 'no room'}{more} would not survive a restart of the component: the"
                " journal refuses what is so large"
            )
        return None

    def tick(self, now: float) -> None:
        """Do what time brings: try again, prune. `now` is monotonic (seconds); once a second will do."""
        self._now = now
        if self._store is None or (not self._open and self._failure is None):
            return
        if self._failure is not None:
            if now >= self._retry_at:
                self._retry(self._store)
            return
        if now >= self._attend_at:
            self._attend_at = now + ATTEND_S
            self._attend(self._store)
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            self._sweep()

    def prune(self) -> int:
        """Delete at once the rows that nobody answers for; gives their number."""
        if not self._ready():
            return 0
        orphans = self._found_orphans()
        return self._prune(orphans)

    def close(self) -> None:
        """Write nothing from now on, as a component that has been replaced must not; idempotent."""
        if self._store is not None:
            self._store.close()
        self._store = None
        self._failure = None
        self._refused.clear()
        metrics.PROTECTED.set(0)

    # Opening, failing, and working again

    def _ready(self) -> bool:
        if self._store is None or self._failure is not None:
            return False
        if self._open:
            return True
        try:
            self._begin(self._store)
        except StoreError as error:
            self._fail("open", error)
            return False
        self._open = True
        self._show()
        return True

    def _begin(self, store: Store) -> None:
        """Open the store for the first time."""
        store.open()
        rows, now = store.load(), self._clock()
        attended_at = store.attended_at()
        if rows and attended_at is not None and now - attended_at > self._stale_s:
            age_s = round(now - attended_at)
            _log.info("the journal is too old to go on from it: it begins anew", age_s=age_s, rows=len(rows))
            store.write([replace(row, value=None) for row in rows], now)
            metrics.PRUNED.inc(len(rows))
            rows = []
        for row in rows:
            self._left.setdefault(row.kind, []).append(row)
        self._names = {row.name for row in rows}

    def _fail(self, request: str, error: StoreError) -> None:
        """Have no store for a while: this is what keeps one that hangs from holding up everything else."""
        if isinstance(error, Superseded):
            _log.warning("another component has taken over the journal: this one writes it no more")
            self.close()
            return
        metrics.FAILURES.labels(request).inc()
        if self._failure is None:
            self._failed_at = self._now
            _log.error("meetings go on without protection: the journal does not work", reason=str(error))
        self._failure = str(error)
        self._retry_at = self._now + RETRY_S
        if self._store is not None:
            self._store.close()
        self._show()

    def _retry(self, store: Store) -> None:
        """Write everything anew: what was not written meanwhile is missing in the store, or wrong."""
        found = self._found()
        try:
            store.open()
            self._names = {row.name for row in store.load()}
            self._refused.clear()
            rows = self._bounded([row for rows in found.values() for row in rows])
            kept = {row.name for row in rows}
            rows += [Row(*name, None) for name in self._names if name[0] in found and name not in kept]
            store.write(rows, self._clock())
        except StoreError as error:
            self._fail("open", error)
            return
        self._open, self._failure = True, None
        self._has(rows)
        seconds = round(self._now - self._failed_at)
        _log.info("meetings are protected again: the journal works", without_s=seconds, rows=len(self._names))

    def _attend(self, store: Store) -> None:
        try:
            store.attend(self._clock())
        except StoreError as error:
            self._fail("attend", error)

    def _found(self) -> dict[str, list[Row]]:
        """What the snapshots say, by kind; a service that fails to say it is left as it was."""
        found = {}
        for kind, snapshot in self._snapshots.items():
            try:
                found[kind] = [row for row in snapshot() if row.value is not None]
            except Exception:
                _log.exception("failed while taking a snapshot for the journal", kind=kind)
        return found

    # Limits and what nobody answers for

    def _bounded(self, rows: Sequence[Row]) -> list[Row]:
        """`rows` with those beyond a limit as deletions: an old value would be taken for the present one."""
        names = set(self._names)
        bounded = []
        for row in rows:
            limit = None if row.value is None else _limit(row)
            if limit is None and row.value is not None and row.name not in names and len(names) >= MAX_ROWS:
                limit = "rows"
            if limit is not None:
                self._refuse(row, limit)
                bounded.append(replace(row, value=None))
                continue
            self._refused.discard(row.name)
            bounded.append(row)
            (names.discard if row.value is None else names.add)(row.name)
        return bounded

    def _refuse(self, row: Row, limit: str) -> None:
        metrics.REFUSED.labels(limit).inc()
        if row.name not in self._refused:
            _log.error("the journal refuses what is too large", kind=row.kind, scope=row.scope, limit=limit)
        self._refused.add(row.name)

    def _has(self, rows: Iterable[Row]) -> None:
        for row in rows:
            (self._names.discard if row.value is None else self._names.add)(row.name)
        self._show()

    def _sweep(self) -> None:
        orphans = self._found_orphans()
        self._prune(orphans & self._orphans)
        self._orphans = orphans

    def _found_orphans(self) -> set[Name]:
        found = self._found()
        kept = {row.name for rows in found.values() for row in rows}
        silent = self._snapshots.keys() - found.keys()
        return {name for name in self._names if name not in kept and name[0] not in silent}

    def _prune(self, orphans: set[Name]) -> int:
        if not orphans or not self.write(Row(*name, None) for name in sorted(orphans)):
            return 0
        metrics.PRUNED.inc(len(orphans))
        _log.warning("rows of the journal that nobody answers for are deleted", rows=len(orphans))
        return len(orphans)

    def _show(self) -> None:
        metrics.ROWS.set(len(self._names))
        metrics.PROTECTED.set(self._open and self.trouble() is None)


def _limit(row: Row) -> str | None:
    """Which limit a row is beyond."""
    if len(row.value or b"") > MAX_VALUE_BYTES:
        return "value"
    if any(len(text.encode()) > MAX_NAME_BYTES for text in row.name):
        return "name"
    return None
