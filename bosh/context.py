"""What all connections of one front share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from bosh.connection_limits import ConnectionLimits
from bosh.http import HttpError, Request
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

    def check_origin(self, request: Request) -> None:
        """Refuse a WebSocket that a foreign page opens (RFC 6455 §10.2). Raises HttpError 403.

        Only browsers send Origin, and they always do; others cannot be made to connect by a page. Our own
        page is always allowed.
        """
        front = self.settings.front
        origin = request.headers.get("origin")
        if not front.origins or origin is None:
            return
        own = urlsplit(front.public_url)
        if origin.lower() not in {
            f"{own.scheme}://{own.netloc}".lower(),
            *(name.lower() for name in front.origins),
        }:
            raise HttpError(403, "pages of this origin may not connect here")
