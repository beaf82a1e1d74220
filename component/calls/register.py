"""The rows of the calls in the journal: what has changed is written before anybody is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from carillon.journal import Journal, Row

_Record = TypeVar("_Record")
_encode = msgspec.json.Encoder(order="deterministic").encode
_log = structlog.get_logger()


class Register:
    """See the module. It keeps what it has written: whoever asks for everything gets that."""

    def __init__(self, journal: Journal, *kinds: str) -> None:
        self._journal = journal
        self._values: dict[str, dict[str, bytes]] = {kind: {} for kind in kinds}
        self._changed: dict[tuple[str, str], Row] = {}
        for kind in kinds:
            journal.attach(kind, partial(self._rows, kind))

    def load(self, kind: str, type: type[_Record]) -> Iterator[tuple[str, _Record]]:
        """What the process before this one has left: key and record. What cannot be read is deleted."""
        for row in self._journal.load(kind):
            self._values[kind][row.key] = row.value or b""
            try:
                record = msgspec.json.decode(row.value or b"", type=type)
            except (msgspec.MsgspecError, ValueError) as error:
                _log.error("a row of the journal cannot be read", kind=kind, error=str(error))
                self.note(kind, row.key, None)
                continue
            yield row.key, record

    def note(self, kind: str, key: str, record: object) -> None:
        """The record of something is this from now on; None = it is no more."""
        value = _encode(record) if record is not None else None
        known = self._values[kind]
        if known.get(key) == value:
            return
        self._changed[kind, key] = Row(kind, "", key, value)
        if value is None:
            del known[key]
        else:
            known[key] = value

    def write(self) -> None:
        """Write what has changed; where that fails, calls go on without protection."""
        if self._changed:
            self._journal.write(self._changed.values())
            self._changed.clear()

    def _rows(self, kind: str) -> list[Row]:
        return [Row(kind, "", key, value) for key, value in self._values[kind].items()]
