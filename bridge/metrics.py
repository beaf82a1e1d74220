"""Counters of the bridge for /metrics. Labels take only values that stand in this package's code."""

from prometheus_client import Counter, Gauge

REJECTED = Counter(
    "carillon_bridge_rejected", "Input that was refused, by layer and reason", ["layer", "reason"]
)
"""Layers: ice, dtls, srtp, udp, tcp, rest, channel, router."""

ENDED = Counter("carillon_bridge_endpoints_ended", "Endpoints that ended, by reason", ["reason"])
"""Reasons: expired, consent, idle, closed, fingerprint, profile, handshake."""

CONNECTED = Counter("carillon_bridge_endpoints_connected", "Endpoints whose DTLS handshake was completed")

MESSAGES = Counter("carillon_bridge_channel_messages", "Bridge channel messages, by direction", ["direction"])

ENDPOINTS = Gauge("carillon_bridge_endpoints", "Endpoints that exist now")

CONFERENCES = Gauge("carillon_bridge_conferences", "Conferences that exist now")

TCP_CONNECTIONS = Gauge("carillon_bridge_tcp_connections", "Media connections over TCP that are open now")
