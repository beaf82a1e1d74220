"""The client's consent to be sent to (RFC 7675 §5.1): when to ask for it again, and when it has expired."""

from __future__ import annotations

import random

INTERVAL_S = 5.0
"""Between consent checks, times 0.8 to 1.2."""


class Consent:
    """Of the selected pair: meaningless before there is one."""

    def __init__(self, timeout_s: float, random_source: random.Random) -> None:
        self.timeout_s = timeout_s
        """How long an answer counts."""
        self.due = 0.0
        """When the next consent check is to be sent."""
        self.expires = 0.0
        self._random = random_source

    def renew(self, now: float) -> None:
        """The client has answered."""
        self.expires = now + self.timeout_s

    def asked(self, now: float) -> None:
        """A check is sent now, or need not be."""
        self.due = now + INTERVAL_S * self._random.uniform(0.8, 1.2)
