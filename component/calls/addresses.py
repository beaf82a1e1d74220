"""Who can be called: `echo@` and `ROOM@` the calls domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from component.stanza import bare, local, resource

RESOURCE: Final = "bridge"
"""The resource under which a callee shows itself."""
ECHO: Final = "echo"
MAX_NAME_BYTES: Final = 63


@dataclass(frozen=True)
class Callee:
    """Somebody who can be called; `jid` is bare."""

    jid: str

    @property
    def name(self) -> str:
        """The name of the room, or "echo"."""
        return local(self.jid)

    @property
    def is_echo(self) -> bool:
        """Whether this is the echo test."""
        return self.name == ECHO

    @property
    def full(self) -> str:
        """The JID that has presence and answers."""
        return f"{self.jid}/{RESOURCE}"


def callee(to: str) -> Callee | None:
    """Who is addressed; None for the domain itself and for a name that no room here has."""
    name = local(to)
    if not name or len(name.encode()) > MAX_NAME_BYTES:
        return None
    return Callee(bare(to))


def speaks_for(to: str) -> bool:
    """Whether an address is one that calls are made to: a bare JID, or the resource shown in presence."""
    return resource(to) in ("", RESOURCE)
