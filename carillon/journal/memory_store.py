"""A store that lives as long as its object: what tests restart a component with."""

from __future__ import annotations

from collections.abc import Sequence

from carillon.journal.row import Row
from carillon.journal.store import StoreError


class MemoryStore:
    """Keeps rows in a dictionary; several journals may have it one after another, as they have a file."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], bytes] = {}
        self.fails: str | None = None
        """What every request fails with, None when none does."""
        self.attended: float | None = None

    def open(self) -> None:
        """See Store.open."""
        self._fail()

    def load(self) -> list[Row]:
        """See Store.load."""
        self._fail()
        return [Row(*name, value) for name, value in self.rows.items()]

    def attended_at(self) -> float | None:
        """See Store.attended_at."""
        self._fail()
        return self.attended

    def write(self, rows: Sequence[Row], now: float) -> None:
        """See Store.write."""
        self._fail()
        for row in rows:
            if row.value is None:
                self.rows.pop(row.name, None)
            else:
                self.rows[row.name] = row.value
        self.attended = now

    def attend(self, now: float) -> None:
        """See Store.attend."""
        self._fail()
        self.attended = now

    def close(self) -> None:
        """See Store.close."""

    def _fail(self) -> None:
        if self.fails is not None:
            raise StoreError(self.fails)
