"""The numbers of a BOSH session's requests (XEP-0124 §9, §14): order, repeats, kept responses. No I/O.

Requests may arrive on several HTTP connections in any order and more than once. They are taken in the order
of their numbers and answered in that order; the latest responses are kept, byte for byte, for clients that
never got them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from bosh.bosh_body import Body

KEPT_BYTES = 524288
"""What the responses kept for repeats may take together; the latest is kept however long it is."""


class Exchange(Protocol):
    """One HTTP request, which waits for its response."""

    def respond(self, body: bytes) -> None:
        """Answer; nothing happens when the client has gone."""


class Arrival(Enum):
    """What a request's number says."""

    NEXT = auto()
    """the one that is expected"""
    EARLY = auto()
    """inside the window; one before it is missing"""
    UNANSWERED = auto()
    """a repeat of one whose response is still due"""
    ANSWERED = auto()
    """a repeat of one whose response is kept"""
    FORGOTTEN = auto()
    """a repeat of one whose response is not kept any more"""
    BEYOND = auto()
    """above the window"""


@dataclass(slots=True)
class Request:
    """A request that has been taken and not been answered."""

    rid: int
    exchange: Exchange | None
    """None once its connection is lost: what is answered then is kept for a repeat, nothing more."""
    answer_by: float


class RequestWindow:
    """The window of one session. `size` requests may be without a response at a time."""

    __slots__ = ("_early", "_kept", "_kept_bytes", "_latest", "_size", "waiting")

    def __init__(self, first_rid: int, size: int) -> None:
        """`first_rid` is the number of the request that is taken first."""
        self._latest = first_rid - 1
        """Highest number taken: all before it are taken."""
        self._size = size
        self._early: dict[int, tuple[Body, Exchange]] = {}
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self.waiting: deque[Request] = deque()
        """Requests whose response is due, in order."""

    @property
    def used_up(self) -> bool:
        """Whether the client must wait for a response before it may send."""
        return len(self.waiting) >= self._size

    def arrival(self, rid: int) -> Arrival:
        """What the number of a request says."""
        if rid > self._latest:
            if rid > self._latest + self._size:
                return Arrival.BEYOND
            if rid in self._early:
                return Arrival.UNANSWERED
            return Arrival.NEXT if rid == self._latest + 1 else Arrival.EARLY
        if self.waiting and rid >= self.waiting[0].rid:
            return Arrival.UNANSWERED
        return Arrival.ANSWERED if rid in self._kept else Arrival.FORGOTTEN

    def keep_early(self, rid: int, body: Body, exchange: Exchange) -> None:
        """Keep a request until those before it have come."""
        self._early[rid] = body, exchange

    def take(self, exchange: Exchange, answer_by: float) -> None:
        """The next request is taken; its response is due."""
        self._latest += 1
        self.waiting.append(Request(self._latest, exchange, answer_by))

    def next_early(self) -> tuple[Body, Exchange] | None:
        """The next request, when it came before its time."""
        return self._early.pop(self._latest + 1, None)

    def replace(self, rid: int, exchange: Exchange) -> Exchange | None:
        """A repeat waits from now on; the exchange that has waited, if its connection was not lost."""
        if rid in self._early:
            body, before = self._early[rid]
            self._early[rid] = body, exchange
            return before
        request = self.waiting[rid - self.waiting[0].rid]
        lost, request.exchange = request.exchange, exchange
        return lost

    def answer(self, body: bytes) -> None:
        """Answer the oldest request, and keep the response."""
        request = self.waiting.popleft()
        self._kept[request.rid] = body
        self._kept_bytes += len(body)
        while len(self._kept) > self._size or (self._kept_bytes > KEPT_BYTES and len(self._kept) > 1):
            self._kept_bytes -= len(self._kept.pop(next(iter(self._kept))))
        if request.exchange is not None:
            request.exchange.respond(body)

    def kept(self, rid: int) -> bytes:
        """The response to an answered request."""
        return self._kept[rid]

    def detach(self, exchange: Exchange) -> None:
        """The connection of a request is lost."""
        for request in self.waiting:
            if request.exchange is exchange:
                request.exchange = None
        for rid, (_, early) in list(self._early.items()):
            if early is exchange:
                del self._early[rid]  # nothing of it was taken: the client sends it again

    def dismiss(self, body: bytes) -> None:
        """Answer all that is open with the same, and keep nothing of it."""
        exchanges = [request.exchange for request in self.waiting]
        exchanges += [exchange for _, exchange in self._early.values()]
        self.waiting.clear()
        self._early.clear()
        for exchange in exchanges:
            if exchange is not None:
                exchange.respond(body)

    @property
    def attended(self) -> bool:
        """Whether the client has a request open that can be answered."""
        return any(request.exchange is not None for request in self.waiting)
