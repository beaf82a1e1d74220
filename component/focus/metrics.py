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

BRIDGE_COUNT = Gauge("jitsi_jicofo_bridge_selector_bridge_count", "Bridges that are configured")
BRIDGES_OPERATIONAL = Gauge(
    "jitsi_jicofo_bridge_selector_bridge_count_operational", "Bridges that take conferences"
)
BRIDGES_IN_SHUTDOWN = Gauge(
    "jitsi_jicofo_bridge_selector_bridge_count_in_shutdown", "Bridges that carry what they have and no more"
)
BRIDGES_LOST = Counter(
    "jitsi_jicofo_bridge_selector_lost_bridges", "How often a bridge was found to do its work no more"
)

BRIDGE_UP = Gauge("carillon_focus_bridge_up", "1 while the bridge does its work", ["bridge"])
"""Bridges by name: only those of the configuration; so below."""
BRIDGE_STRESS = Gauge(
    "carillon_focus_bridge_stress",
    "How loaded the bridge calls itself (1 = as much as it should)",
    ["bridge"],
)
BRIDGE_CONFERENCES = Gauge("carillon_focus_bridge_conferences", "Conferences on the bridge now", ["bridge"])
BRIDGE_FAILURES = Counter(
    "carillon_focus_bridge_failures",
    "How often the bridge was found to do its work no more",
    ["bridge", "sign"],
)
"""Signs: silent, sick, refused, deaf."""
RECOVERED = Counter(
    "carillon_focus_recovered", "Conferences that the journal knew of when the component began", ["outcome"]
)
"""Outcomes: continued, over (only the farewells were missing), damaged (a row could not be read), failed."""

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
