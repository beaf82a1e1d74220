"""When to ask the sender of one SSRC for a key frame: many receivers' wishes become few requests."""

from __future__ import annotations

MIN_INTERVAL_S = 0.5
BURST = 3
"""Requests that may follow each other MIN_INTERVAL_S apart; in the long run there is one per second."""


class KeyFrameRequests:
    """The wish for a key frame of one SSRC and the limit on asking for it."""

    __slots__ = ("_credit", "_last", "requested", "sent")

    def __init__(self) -> None:
        self.requested = False
        self.sent = 0
        """Requests sent so far; the low 8 bits are FIR's command sequence number."""
        self._last = float("-inf")
        self._credit = float(BURST)

    def request(self) -> None:
        """Somebody needs a key frame; take() says when to ask for it."""
        self.requested = True

    def key_frame(self) -> None:
        """One begins: whoever wanted it gets it."""
        self.requested = False

    def take(self, now: float) -> bool:
        """Whether to send a request now (and count it as sent)."""
        if not self.requested or now - self._last < MIN_INTERVAL_S:
            return False
        credit = min(float(BURST), self._credit + now - self._last)
        if credit < 1:
            return False
        self._credit = credit - 1
        self._last = now
        self.requested = False
        self.sent += 1
        return True
