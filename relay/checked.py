"""What fields of a state may hold, for the states of TURN and of bytestreams. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

MAX_ROWS: Final = 1 << 17
"""Of a table: more than any limit of the configuration comes to."""

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Number = Annotated[int, msgspec.Meta(ge=0)]
"""Of a socket of the hand-over, or a total."""
Time = Annotated[float, msgspec.Meta(ge=0.0, le=1e12)]
"""Seconds of CLOCK_MONOTONIC."""
Ip = Annotated[str, msgspec.Meta(max_length=64)]


def refuse_repeated(what: str, values: Iterable[object]) -> None:
    """Raise ValueError when one of the values is there twice."""
    entries = tuple(values)
    if len(set(entries)) != len(entries):
        raise ValueError(f"the same {what} twice")
