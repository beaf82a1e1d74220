"""Counters of the bridge for /metrics. Labels take only values that stand in this package's code.

What Jitsi Videobridge counts has its name, so that its dashboards work: here, and in bridge.jvb_metrics.
"""

from prometheus_client import Counter, Gauge

REJECTED = Counter(
    "carillon_bridge_rejected", "Input that was refused, by layer and reason", ["layer", "reason"]
)
"""Layers: ice, dtls, srtp, udp, tcp, rest, channel, router."""

ENDED = Counter("carillon_bridge_endpoints_ended", "Endpoints that ended, by reason", ["reason"])
"""Reasons: expired, consent, idle, closed, fingerprint, profile, handshake."""

CONNECTED = Counter("carillon_bridge_endpoints_connected", "Endpoints whose DTLS handshake was completed")

MESSAGES_RECEIVED = Counter(
    "jitsi_jvb_colibri_web_socket_messages_received", "Bridge channel messages of clients"
)
MESSAGES_SENT = Counter("jitsi_jvb_colibri_web_socket_messages_sent", "Bridge channel messages to clients")

ICE_RESTARTS = Counter("jitsi_jvb_ice_restarts_started", "ICE restarts that were begun")

SPEAKER_CHANGES = Counter(
    "jitsi_jvb_dominant_speaker_changes", "Changes of the dominant speaker of a conference"
)

KEY_FRAMES = Counter(
    "jitsi_jvb_keyframes_received", "Key frames received; each simulcast layer counts by itself"
)

TCP_CONNECTIONS = Gauge("carillon_bridge_tcp_connections", "Media connections over TCP that are open now")
