"""Counters and gauges of the streams, in the registry that the control API shows."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

KEPT = Gauge(
    "carillon_streams_open", "Streams of clients: open, and held while the client is away", ["state"]
)
KEPT_EVENTS = Counter(
    "carillon_streams_events_total",
    "Guests' streams resumed, and ended while they were held: expired, overflow; resumptions refused",
    ["event"],
)
