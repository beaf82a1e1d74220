"""Counters of the component link."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from component.stanza import Kind

UP = Gauge("carillon_component_up", "1 while there is a session with the XMPP server", ["host"])
LOSSES = Counter("carillon_component_losses", "Sessions and attempts that ended", ["reason"])
DISCONNECTS = Counter("jitsi_jicofo_xmpp_disconnects", "Sessions with the XMPP server that were lost")
"""Under Jicofo's name; attempts that came to nothing are not among them."""
REFUSED = Counter("carillon_component_refused", "Stanzas that broke a limit", ["limit"])
WAITED = Counter("carillon_component_waited", "Stanzas that waited because their sender asks much")
IGNORED = Counter("carillon_component_ignored", "Stanzas that nothing acted on", ["reason"])
DROPPED = Counter("carillon_component_dropped", "Stanzas of ours that were not sent", ["reason"])
FAILURES = Counter(
    "carillon_component_handler_failures", "Handlers that raised something unforeseen", ["kind"]
)

_received = Counter("carillon_component_received", "Stanzas received", ["kind"])
RECEIVED = {kind: _received.labels(kind.value) for kind in Kind}
"""Looked up once: a stanza costs a few microseconds in all."""
