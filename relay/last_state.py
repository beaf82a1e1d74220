"""What a relay leaves for the next one, should it be killed: a file that tells of its UDP clients.

Their way to the relay is no connection: when the next process opens the same relay ports, they notice a pause
of a second and nothing else. The file is written at most twice a second, is read once, and goes when the
relay ends in order. It holds keys of clients, as the relay's memory does.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog

from relay.checked import Port
from relay.turn.state import TurnState

MAX_BYTES: Final = 64 << 20
"""Far more than the largest number of allocations takes."""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

log = structlog.get_logger()


@dataclass(frozen=True)
class _Content:
    boot: Annotated[str, msgspec.Meta(max_length=64)]
    """Times of another boot mean nothing."""
    address: Annotated[str, msgspec.Meta(max_length=64)]
    udp_port: Port
    """Where the clients' packets go to."""
    turn: TurnState


class LastState:
    """The file; with path "" there is none."""

    def __init__(self, path: str, address: str, udp_port: int) -> None:
        self._path = Path(path) if path else None
        self._address = address
        self._udp_port = udp_port
        self._boot = _BOOT_ID.read_text().strip()
        self._fails = False

    def take(self) -> TurnState | None:
        """What another process has left, if it is of use; the file is gone then, whatever comes of it."""
        if not self._path:
            return None
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES)
            self._path.unlink()
            content = msgspec.json.decode(data, type=_Content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning(
                "what the last relay has left is of no use: its UDP clients begin anew", reason=str(error)
            )
            return None
        of_here = (content.boot, content.address, content.udp_port)
        return content.turn if of_here == (self._boot, self._address, self._udp_port) else None

    def write(self, state: TurnState) -> None:
        """Leave this; of the state only the UDP clients are of use to anybody. Never raises."""
        if not self._path:
            return
        clients = tuple(one for one in state.allocations if one.transport == "udp")
        left = replace(state, allocations=clients, connections=(), kept=())
        temporary = self._path.with_suffix(".state~")
        try:
            temporary.touch(mode=0o600)
            # No fsync: it is for the death of this process alone, and packets would wait for the disk.
            content = _Content(self._boot, self._address, self._udp_port, left)
            temporary.write_bytes(msgspec.json.encode(content))
            temporary.replace(self._path)
        except OSError as error:
            if not self._fails:
                log.warning(
                    "nothing can be left for the next relay: if this one is killed, UDP clients begin anew",
                    path=str(self._path),
                    reason=error.strerror,
                )
            self._fails = True
        else:
            self._fails = False

    def remove(self) -> None:
        """Leave nothing."""
        if self._path:
            with suppress(OSError):  # there is none, or none that this process may remove
                self._path.unlink()
