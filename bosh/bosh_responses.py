"""The responses of one BOSH session: when its requests are answered, and with what (XEP-0124 §8). No I/O.

The numbers of the requests and the responses that are kept for repeats belong to `RequestWindow`.
"""

from __future__ import annotations

from collections.abc import Callable

from bosh.bosh_body import Condition, encode_body, terminal_body
from bosh.outbox import Outbox
from bosh.overactivity import Overactivity
from bosh.request_window import RequestWindow
from bosh.session_terms import Terms

GRACE_S = 0.01
"""How long a waiting request is kept although another one came, when that one asks the server something: the
answer leaves on it, and one exchange per question is enough instead of two."""


class Responses:
    """What the server says to the client, given to the requests that wait for it. Times are seconds."""

    __slots__ = (
        "_outbox", "_overactivity", "_read_upstream", "_sid", "_surplus_at", "_terms", "_window", "created",
        "held_up", "quiet_since", "server_attributes",
    )  # fmt: skip

    def __init__(
        self,
        sid: str,
        terms: Terms,
        window: RequestWindow,
        overactivity: Overactivity,
        read_upstream: Callable[[bool], None],
        *,
        now: float,
    ) -> None:
        """`window` has the requests; `read_upstream` is told when the server may be read again."""
        self._sid = sid
        self._terms = terms
        self._window = window
        self._overactivity = overactivity
        self._read_upstream = read_upstream
        self._outbox = Outbox()
        self._surplus_at: float | None = None
        self.created = False
        """Whether the client was told the terms."""
        self.server_attributes: dict[str, str] = {}
        """Those of the server's stream header, once it is there."""
        self.held_up = False
        """Whether the server takes no more bytes: till it does the client's requests wait."""
        self.quiet_since = now
        """When the client was last heard, or last given something: inactivity (§10) is counted from it."""

    @property
    def full(self) -> bool:
        """Whether the server should not be read for now."""
        return self._outbox.full

    def put(self, element: bytes) -> None:
        """Keep an element for the next response."""
        self._outbox.put(element)

    def expect(self, asks: bool, now: float) -> None:
        """A request was taken; `asks` says whether the server will answer it soon."""
        self._surplus_at = now + GRACE_S if asks else None

    def due(self) -> list[float]:
        """When something is to be answered though nothing happens."""
        times = []
        if self._window.waiting:
            times.append(self._window.waiting[0].answer_by)
        if self._surplus_at is not None:
            times.append(self._surplus_at)
        return times

    def settle(self, now: float) -> None:
        """Answer the requests whose time has come."""
        while self._outbox and self._window.attended:
            self._answer(now)
        allowed = 1  # the first one waits for the features
        if self.created:
            allowed = 0 if self._terms.polls else self._terms.hold
        if len(self._window.waiting) <= allowed:
            self._surplus_at = None
        elif not self.held_up and (self._surplus_at is None or now >= self._surplus_at):
            self.answer_beyond(allowed, now)

    def answer_overdue(self, now: float) -> None:
        """Answer the requests that have waited as long as they may."""
        waiting = self._window.waiting
        while waiting and waiting[0].answer_by <= now:
            self._answer(now)

    def answer_beyond(self, allowed: int, now: float) -> None:
        """Answer the oldest requests, so that `allowed` go on waiting."""
        while len(self._window.waiting) > allowed:
            self._answer(now)

    def answer_last(self, condition: Condition | None) -> None:
        """Answer the oldest request with all that is left, and with the end (XEP-0124 §13)."""
        self._window.answer(terminal_body(condition, self._outbox.take_all()))

    def tell_end(self, condition: Condition | None, now: float) -> None:
        """The oldest request that is heard gets what is left, all get the end; one at least is heard."""
        while self._window.waiting[0].exchange is None:
            self._answer(now)
        self.answer_last(condition)
        while self._window.waiting:
            self._window.answer(terminal_body(condition))
        self._window.dismiss(terminal_body(condition))
        self.quiet_since = now

    def _answer(self, now: float) -> None:
        """Answer the oldest request with what there is for the client, if it hears it."""
        attributes: dict[str, str] = {}
        if not self.created:
            self.created = True
            attributes = self._terms.attributes(self._sid, self.server_attributes)
        payload = b""
        if self._window.waiting[0].exchange is not None:
            self.quiet_since = now
            was_full = self._outbox.full
            payload = self._outbox.take()
            if was_full and not self._outbox.full:
                self._read_upstream(True)
        self._overactivity.answered(not payload)
        self._window.answer(encode_body(attributes, payload))
