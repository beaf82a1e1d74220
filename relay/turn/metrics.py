"""The server's counters as prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from relay.turn.server import Server


class TurnCollector(Collector):
    """Reads the counters when they are asked for: nothing is added to the path of a packet."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; labels are methods, codes and reasons known to the code."""
        counters = self._server.counters
        yield GaugeMetricFamily(
            "turn_allocations", "Allocations now", value=len(self._server.allocations.by_client)
        )
        requests = CounterMetricFamily(
            "turn_requests", "Answered requests; code 0 is success", labels=("method", "code")
        )
        for (method, code), number in counters.requests.items():
            requests.add_metric((method, str(code)), number)
        yield requests
        dropped = CounterMetricFamily("turn_dropped", "Packets and connections dropped", labels=("reason",))
        for reason, number in counters.dropped.items():
            dropped.add_metric((reason,), number)
        yield dropped
        packets = CounterMetricFamily("turn_relayed_packets", "Packets relayed", labels=("direction",))
        packets.add_metric(("to_peers",), counters.packets_to_peers)
        packets.add_metric(("to_clients",), counters.packets_to_clients)
        yield packets
        octets = CounterMetricFamily("turn_relayed_bytes", "Application data relayed", labels=("direction",))
        octets.add_metric(("to_peers",), counters.bytes_to_peers)
        octets.add_metric(("to_clients",), counters.bytes_to_clients)
        yield octets
