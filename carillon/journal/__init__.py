"""The journal: what must outlive a process (see docs/journal.md)."""

from carillon.journal.journal import Journal
from carillon.journal.row import Row

__all__ = ["Journal", "Row"]
