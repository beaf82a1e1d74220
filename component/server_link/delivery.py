"""What a component has been given and has not acknowledged (XEP-0198 §4), so that the next one can have it.

Of XEP-0198 only this is here: `<enable/>`, `<r/>` and `<a/>`, from link to component. No I/O.
"""

from __future__ import annotations

from collections import deque

from component.server_link.buffer import Kept

SM_NS = "urn:xmpp:sm:3"
ENABLE, ASK, ACKNOWLEDGE = (f"{{{SM_NS}}}{name}" for name in ("enable", "r", "a"))
ENABLED_BYTES = f"<enabled xmlns='{SM_NS}'/>".encode()
ASK_BYTES = f"<r xmlns='{SM_NS}'/>".encode()
_MODULUS = 2**32


class CountError(Exception):
    """The peer acknowledges what it was never given (XEP-0198 §4)."""


class Delivery:
    """The stanzas under way to one component on one stream."""

    def __init__(self, *, acknowledged: int = 0) -> None:
        """`acknowledged` is how many this stream has had acknowledged before."""
        self.acknowledged = acknowledged
        """How many were acknowledged so far."""
        self.pending: deque[Kept] = deque()
        """Those that were not, oldest first."""
        self.bytes = 0
        """What these take."""
        self.asked = False
        """Whether a question is under way."""

    def give(self, kept: Kept) -> None:
        """A stanza goes out."""
        self.pending.append(kept)
        self.bytes += kept.size

    def question(self) -> bytes:
        """What to send behind some stanzas: `<r/>`, unless one is under way."""
        if self.asked or not self.pending:
            return b""
        self.asked = True
        return ASK_BYTES

    def acknowledge(self, h: str) -> None:
        """An `<a h=…/>` has come. Raises CountError."""
        if not h.isascii() or not h.isdecimal() or len(h) > 10:
            raise CountError
        count = (int(h) - self.acknowledged) % _MODULUS
        if count > len(self.pending):
            raise CountError
        self.asked = False
        self.acknowledged = int(h) % _MODULUS
        for _ in range(count):
            self.bytes -= self.pending.popleft().size
