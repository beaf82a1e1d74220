"""Counters of the focus. Those that Jicofo has carry its names, so that its dashboards go on working."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

HEALTHY = Gauge("jitsi_jicofo_healthy", "1 while there is a session with the XMPP server")
CONFERENCES = Gauge("jitsi_jicofo_conferences", "Running conferences")
CONFERENCES_CREATED = Counter("jitsi_jicofo_conferences_created", "Conferences created")
CONFERENCES_SECONDS = Gauge("jitsi_jicofo_conferences_seconds", "Duration of the conferences that are over")
LARGEST_CONFERENCE = Gauge("jitsi_jicofo_largest_conference", "Participants of the largest conference now")
CONFERENCE_REQUESTS = Counter("jitsi_jicofo_conference_requests", "Conference requests")
CONFERENCE_REQUESTS_NEW = Counter(
    "jitsi_jicofo_conference_requests_new", "Conference requests for a new room"
)
PARTICIPANTS = Counter("jitsi_jicofo_participants", "Participants that have joined")
PARTICIPANTS_CURRENT = Gauge("jitsi_jicofo_participants_current", "Participants now")
PARTICIPANT_PAIRS = Gauge("jitsi_jicofo_participants_pairs", "Sum of n * (n - 1) over all conferences now")
ENDPOINT_SECONDS = Gauge(
    "jitsi_jicofo_endpoint_seconds", "Time that participants who have left spent in conferences"
)
PARTICIPANTS_MOVED = Counter(
    "jitsi_jicofo_participants_moved", "Participants invited again after the bridge failed"
)
ICE_FAILED = Counter("jitsi_jicofo_participants_ice_failed", "Participants that reported a failure of ICE")
RESTARTS = Counter("jitsi_jicofo_participants_restart_requested", "Requests for a new session")
ICE_RESTARTS = Counter("jitsi_jicofo_ice_restarts_requested", "Requests to restart ICE in place")
ICE_RESTARTS_RELAYED = Counter(
    "jitsi_jicofo_ice_restarts_relayed", "New transports of the bridge that participants were told"
)
ICE_RESTARTS_FAILED = Counter(
    "jitsi_jicofo_ice_restarts_failed", "Requests that the bridge did not carry out"
)
BRIDGES_REMOVED = Counter("jitsi_jicofo_bridges_removed", "Conferences that lost their bridge")

REFUSED = Counter(
    "carillon_focus_refused", "Requests to the focus that were refused", ["request", "condition"]
)
BRIDGE_ERRORS = Counter(
    "carillon_focus_bridge_errors", "Requests that the bridge refused or missed", ["reason"]
)
INVITE_SECONDS = Gauge(
    "carillon_focus_invite_seconds", "Last time from the bridge being asked to session-initiate"
)
ORDERS = Counter("carillon_focus_orders", "What administrators did in meetings", ["deed"])
"""Deeds: mute, remove, end."""
