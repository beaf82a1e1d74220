"""The versions of the journal's schema, and what leads from one to the next.

The version says how rows are named and what their values are; each store also knows its own layout, whose
steps stand there. A later version only ever has a step more: a journal of any older one can be gone on from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from carillon import __version__
from carillon.journal.row import Row
from carillon.journal.store import StoreError


@dataclass(frozen=True)
class Step:
    """From one version to the next."""

    reason: str
    layout: tuple[str, ...] = ()
    """SQL that a file needs before its rows are read."""
    row: Callable[[Row], Row | None] = lambda row: row
    """What becomes of each row; None when it is left behind."""


STEPS: Final[Sequence[Step]] = ()
"""The first leads from version 1 to version 2, and so on."""


class Newer(StoreError):
    """The journal has been written by a newer carillon."""


def version_of(steps: Sequence[Step]) -> int:
    """The version that these steps lead to."""
    return 1 + len(steps)


def steps_from(version: int, steps: Sequence[Step]) -> Sequence[Step]:
    """What is to be done with a journal of `version`. Raises Newer."""
    if version > version_of(steps):
        raise Newer(
            f"the journal has version {version}, and carillon {__version__} knows those up to"
            f" {version_of(steps)}: run the newer one that wrote it, or have another journal.store"
        )
    return steps[version - 1 :]


def migrated(rows: Iterable[Row], steps: Iterable[Step]) -> list[Row]:
    """The rows after these steps."""
    found = list(rows)
    for step in steps:
        found = [new for row in found if (new := step.row(row)) is not None]
    return found
