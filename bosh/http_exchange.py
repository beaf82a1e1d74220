"""A request of a connection and its response, which may come later but leaves in its turn."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from bosh.http import Request, Response, encode
from bosh.metrics import RESPONSES


class After(Enum):
    """What happens to the connection after a response."""

    KEEP = auto()
    CLOSE = auto()
    REFUSE = auto()
    """close it while the client may still be sending"""


class HttpExchange:
    """One request that was taken."""

    __slots__ = ("_answered", "after", "data", "head_only", "on_lost")

    def __init__(self, request: Request | None, answered: Callable[[], None]) -> None:
        """`answered` is called once, when the response is there. None is a request that nobody could read."""
        self._answered = answered
        self.head_only = request is not None and request.method == "HEAD"
        self.after = After.REFUSE
        if request is not None:
            self.after = After.KEEP if request.keep_alive else After.CLOSE
        self.data: bytes | None = None
        """The response, once it is there."""
        self.on_lost: Callable[[], None] | None = None
        """Called when the connection is lost before the response was sent."""

    def last(self) -> None:
        """The connection is closed after this one."""
        if self.after is After.KEEP:
            self.after = After.CLOSE

    def respond(self, response: Response) -> None:
        """Answer; the first answer counts."""
        if self.data is None:
            RESPONSES.labels(str(response.status)).inc()
            self.data = encode(response, head_only=self.head_only, keep_alive=self.after is After.KEEP)
            self.on_lost = None
            self._answered()
