"""Writes a journal until it is killed: `python journal_writer.py PATH`. It says each number that is written.

Each transaction writes its number into every one of three rows, and one row more that the next one deletes.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from carillon.journal import Row
from carillon.journal.sqlite_store import SqliteStore

ROWS = ("a", "b", "c")


def transaction(number: int) -> list[Row]:
    value = str(number).encode() + b" " * (number * 37 % 5000)
    return [
        *(Row("kind", "room@host", key, value) for key in ROWS),
        Row("passing", "", str(number), value),
        Row("passing", "", str(number - 1), None),
    ]


def number_in(rows: list[Row]) -> int:
    """The transaction whose work this is; 0 = none. Fails for what no transaction has left."""
    if not rows:
        return 0
    numbers = {int(row.value or b"") for row in rows}
    assert len(numbers) == 1
    (number,) = numbers
    assert [row.name for row in sorted(rows, key=lambda row: row.name)] == [
        *(("kind", "room@host", key) for key in ROWS),
        ("passing", "", str(number)),
    ]
    return number


def main() -> None:
    store = SqliteStore(Path(sys.argv[1]), 1 << 24)
    store.open()
    for number in count(number_in(store.load()) + 1):
        store.write(transaction(number), float(number))
        print(number, flush=True)


if __name__ == "__main__":
    main()
