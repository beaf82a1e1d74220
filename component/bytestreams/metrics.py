"""Counters of the bytestream proxy's XMPP face."""

from __future__ import annotations

from prometheus_client import Counter

ADDRESS_QUERIES = Counter("carillon_bytestreams_address_queries", "Times that clients were told the address")
ACTIVATED = Counter("carillon_bytestreams_activated", "Streams that were activated")
REFUSED = Counter("carillon_bytestreams_refused", "Requests that were refused", ["request", "condition"])
