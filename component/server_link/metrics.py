"""Counters of the link."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

UP = Gauge("carillon_link_up", "1 while there is a session with the XMPP server", ["host"])
LOSSES = Counter("carillon_link_losses", "Sessions and attempts that ended", ["reason"])
PASSED = Counter("carillon_link_passed", "Stanzas passed on", ["to"])
REFUSED = Counter("carillon_link_refused", "Stanzas that broke a limit", ["limit"])
INSTANCES = Gauge("carillon_link_instances", "Component processes that are attached, active or standing by")
TAKEOVERS = Counter("carillon_link_takeovers", "Component processes that became the active one")
BUFFERED = Gauge("carillon_link_buffered_bytes", "What waits for a component")
UNACKNOWLEDGED = Gauge("carillon_link_unacknowledged", "Stanzas that the component has not acknowledged")
REPEATED = Counter("carillon_link_repeated", "Stanzas given again because nobody had acknowledged them")
DROPPED = Counter("carillon_link_dropped", "Stanzas that gave way while no component was there", ["sort"])
TRY_AGAIN = Counter(
    "carillon_link_try_again", "Requests whose sender was told that there is no component", ["reason"]
)
PRESENCES = Gauge("carillon_link_presences", "Addresses that the component is available to")

TO_COMPONENT, TO_SERVER = PASSED.labels("component"), PASSED.labels("server")
"""Looked up once: a stanza costs a few microseconds in all."""
