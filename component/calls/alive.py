"""Whether the caller is still there, by pings of its session: an empty session-info (XEP-0166 §6.8)."""

from __future__ import annotations

from typing import Final

from component.focus.effects import PeerAnswer
from component.stanza_error import StanzaError

PING_INTERVAL_S: Final = 30.0
"""A caller that is gone without a word is noticed after this time."""
MAX_UNANSWERED: Final = 2
"""Pings in a row without any answer: one alone may be a machine that sleeps for a moment."""
_ALIVE: Final = frozenset(
    {"bad-request", "feature-not-implemented", "resource-constraint", "unexpected-request"}
)
"""Errors by which the caller shows that it has the session, or at least that it is there."""


class Alive:
    """The pings of one call."""

    def __init__(self) -> None:
        self.due: float | None = None
        """When to ping next."""
        self._unanswered = 0

    def ping(self, now: float) -> None:
        """One is sent now, or there was a sign of life."""
        self.due = now + PING_INTERVAL_S

    def gone(self, answer: PeerAnswer) -> bool:
        """Whether an answer, or the lack of one, means that the caller is there no more."""
        if isinstance(answer, StanzaError) and answer.condition not in _ALIVE and answer.type != "wait":
            return True
        # What a server says of a connection to another one may be over in a moment: it is no answer.
        silent = answer is None or (isinstance(answer, StanzaError) and answer.condition not in _ALIVE)
        self._unanswered = self._unanswered + 1 if silent else 0
        return self._unanswered >= MAX_UNANSWERED
