"""The relay's state as another process takes it over, to JSON and back. No I/O.

Times are those of CLOCK_MONOTONIC, which all processes of one boot share: the wall clock may jump meanwhile.
Sockets are numbers of `carillon.handover.Handover`. What comes in is checked as if it came from a stranger,
so that a fault of another version ends its take-over and not the calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from relay.checked import Number
from relay.socks5.state import Socks5State
from relay.turn.state import TurnState


class StateError(ValueError):
    """The state is none that this version can go on with; the text says what is wrong with it."""


@dataclass(frozen=True)
class RelayState:
    """All that is handed over."""

    turn: TurnState
    listeners: Annotated[tuple[Number, ...], msgspec.Meta(max_length=256)] = ()
    """Sockets; what each is for follows from its kind and address, and from the successor's configuration."""
    socks5: Socks5State | None = None
    """None: there is no bytestream proxy."""


def encoded(state: RelayState) -> dict[str, Any]:
    """The state as a JSON object; bytes as Base64."""
    built: dict[str, Any] = msgspec.to_builtins(state)
    return built


def decoded(data: object) -> RelayState:
    """The state of that object; keys that are not known are ignored. Raises StateError."""
    try:
        return msgspec.convert(data, RelayState)
    except (ValueError, RecursionError) as error:
        raise StateError(f"the state of the relay is not usable: {error}") from None
