"""Counters of the calls."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

CALLS = Gauge("carillon_calls", "Calls now")
CALLS_BEGUN = Counter("carillon_calls_begun", "Calls that were taken", ["kind"])
CALLS_ENDED = Counter("carillon_calls_ended", "Calls that ended, by the reason given or received", ["reason"])
REFUSED = Counter("carillon_calls_refused", "Requests of callers that were refused", ["request", "condition"])
PROPOSALS = Counter("carillon_calls_proposals", "Calls proposed by message", ["outcome"])
CHAT = Counter("carillon_calls_chat", "Messages between callers and their rooms", ["direction", "outcome"])
RECOVERED = Counter(
    "carillon_calls_recovered", "Calls that another process has left, by what became of them", ["outcome"]
)
SECONDS = Gauge("carillon_calls_setup_seconds", "Last time from a session-initiate to the session-accept")

REASONS = frozenset(
    {
        "busy",
        "cancel",
        "connectivity-error",
        "decline",
        "expired",
        "failed-application",
        "failed-transport",
        "general-error",
        "gone",
        "media-error",
        "security-error",
        "success",
        "timeout",
        "unsupported-applications",
        "unsupported-transports",
    }
)
"""Reasons of XEP-0166 §7.4 that are counted by name."""


def ended(reason: str) -> None:
    """A call has ended."""
    CALLS_ENDED.labels(reason if reason in REASONS else "other").inc()
