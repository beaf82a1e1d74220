"""What all connections of one front share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from bosh.connection_limits import ConnectionLimits
from bosh.cross_origin import Origins
from bosh.forwarded_for import TrustedProxies
from bosh.http_bind import HttpBind
from bosh.pages import Site
from carillon.settings import Settings


class Live(Protocol):
    """A connection that is open: HTTP, XMPP or bridge channel."""

    def shut_down(self) -> None:
        """The front stops: say so and close."""


@dataclass
class Context:
    """Settings and shared state."""

    settings: Settings
    site: Site
    limits: ConnectionLimits
    origins: Origins
    bosh: HttpBind
    proxies: TrustedProxies
    leaving: bool = False
    """Whether another process answers new connections: clients are to use those."""
    draining: bool = False
    """Whether there are no new XMPP streams any more."""
    live: set[Live] = field(default_factory=set)
    """Every open connection."""
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nothing is open."""

    def add(self, connection: Live) -> None:
        """A connection is open."""
        self.live.add(connection)
        self.empty.clear()

    def discard(self, connection: Live) -> None:
        """A connection has ended."""
        self.live.discard(connection)
        if not self.live:
            self.empty.set()
