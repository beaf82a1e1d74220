"""One row of the journal, and how large it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_VALUE_BYTES: Final = 1 << 20
"""Of one value: a conference of fifty with every source they may signal takes a quarter of it."""
MAX_ROWS: Final = 100_000
"""More than all conferences, calls and streams that one component can have; what is beyond is a mistake."""
MAX_NAME_BYTES: Final = 3072
"""Of kind, scope and key each: a full JID has at most 3071 bytes (RFC 7622 §3.1)."""


@dataclass(frozen=True)
class Row:
    """What the journal knows of one thing; `kind`, `scope` and `key` together name it."""

    kind: str
    """What it is, for example "conference"; its owner is the one service that loads this kind."""
    scope: str
    """The JID of the room it belongs to, or ""."""
    key: str
    """What tells it from the others of the same kind and scope; "" where there is only one."""
    value: bytes | None
    """JSON. None deletes the row."""

    @property
    def name(self) -> tuple[str, str, str]:
        """Kind, scope and key."""
        return self.kind, self.scope, self.key
