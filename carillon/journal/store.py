"""What the journal wants of the place where it keeps its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from carillon.journal.row import Row


class StoreError(Exception):
    """The store cannot do it now: the text says why, and what to do."""


class Superseded(StoreError):
    """Another component has opened the store since: it is the one that writes now."""


@dataclass(frozen=True)
class Inspection:
    """What somebody sees who looks at a journal without opening it for a component."""

    rows: Sequence[Row] = ()
    attended_at: float | None = None
    """See Store.attended_at."""
    exists: bool = True
    """Whether there is a journal yet."""
    bytes: int = 0
    """What its files take; 0 where it has none."""


class Store(Protocol):
    """Keeps rows. Everything raises StoreError and nothing else; after it, nothing works until `open`."""

    def open(self) -> None:
        """Make ready to read and write, and be the only one to write from now on.

        What cannot be read as a journal is set aside, never thrown away. Opened again after an error, a store
        that somebody else has opened meanwhile raises Superseded.
        """

    def load(self) -> list[Row]:
        """Every row there is."""

    def attended_at(self) -> float | None:
        """When a component last wrote, or said that it is there (UNIX time, seconds); None when never."""

    def write(self, rows: Sequence[Row], now: float) -> None:
        """Do all of it or nothing; `now` is UNIX time (seconds)."""

    def attend(self, now: float) -> None:
        """Say that somebody is there, for `attended_at`."""

    def close(self) -> None:
        """Let go of everything; idempotent."""
