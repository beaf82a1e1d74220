"""Counters and gauges of the front, in the registry that the control API shows."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

CONNECTIONS = Gauge("carillon_front_connections", "Open client connections")
SESSIONS = Gauge("carillon_front_sessions", "Open WebSockets and BOSH sessions, by kind", ["kind"])
RESPONSES = Counter("carillon_front_responses_total", "HTTP responses, upgrades included", ["status"])
REFUSED = Counter(
    "carillon_front_refused_total",
    "What was refused: HTTP status, WebSocket close code, condition of XMPP or BOSH, limit",
    ["protocol", "reason"],
)
MESSAGES = Counter(
    "carillon_front_messages_total",
    "Frames sent to clients, elements and stream tags sent to the server",
    ["direction"],
)
