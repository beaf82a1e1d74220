"""Counters of the journal."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

PROTECTED = Gauge("carillon_journal_protected", "1 while what restarts would find everything in the journal")
ROWS = Gauge("carillon_journal_rows", "Rows of the journal now")
WRITES = Counter("carillon_journal_writes", "Transactions that the journal has carried out")
WRITE_SECONDS = Counter("carillon_journal_write_seconds", "Time that these transactions have taken")
FAILURES = Counter("carillon_journal_failures", "Requests that the store did not carry out", ["request"])
"""Requests: open, load, write, attend."""
REFUSED = Counter("carillon_journal_refused", "Rows that were beyond a limit", ["limit"])
"""Limits: value, name, rows."""
PRUNED = Counter("carillon_journal_pruned", "Rows that were deleted because nobody answers for them")
