"""Figures of the bridge that Jitsi Videobridge has too, under its names, for /metrics.

Only those are here whose meaning and unit are the same. Rates cover the time since somebody last looked, at
`/colibri/stats` or here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from bridge.registry import Registry
from bridge.statistics import Statistics

LARGEST_BUCKET = 20
"""JVB's histogram of conference sizes has a bucket for every size up to this one."""


class JvbCollector(Collector):
    """Reads registry and statistics when somebody looks: nothing is added to the way of a packet."""

    def __init__(
        self,
        registry: Registry,
        statistics: Statistics,
        *,
        healthy: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._statistics = statistics
        self._healthy = healthy
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Claim no names: tests have two bridges in one process."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; none has labels."""
        yield from self._gauges()
        yield from self._counters()
        sizes = sorted(self._statistics.sizes)
        buckets = [(f"{size}.0", bisect_right(sizes, size)) for size in range(LARGEST_BUCKET + 1)]
        yield HistogramMetricFamily(
            "jitsi_jvb_conferences_by_size",
            "Conferences now, by number of endpoints",
            buckets=[*buckets, ("+Inf", len(sizes))],
            sum_value=sum(sizes),
        )

    def _gauges(self) -> Iterator[Metric]:
        registry, statistics = self._registry, self._statistics
        rates = statistics.rates(self._clock())
        for name, text, value in (
            ("conferences", "Conferences now", len(registry.conferences)),
            ("current_endpoints", "Endpoints now", len(registry.endpoints)),
            ("local_endpoints", "Endpoints now: all are local", len(registry.endpoints)),
            ("largest_conference", "Endpoints of the largest conference", max(statistics.sizes, default=0)),
            ("incoming_bitrate", "RTP and RTCP received, in bit/s", rates["bytes_received"] * 8),
            ("outgoing_bitrate", "RTP and RTCP sent, in bit/s", rates["bytes_sent"] * 8),
            ("incoming_packet_rate", "RTP and RTCP packets received per second", rates["packets_received"]),
            ("outgoing_packet_rate", "RTP and RTCP packets sent per second", rates["packets_sent"]),
            ("stress", "Endpoints now, as a part of the most that are allowed (0 to 1)", statistics.stress),
            ("drain_mode", "1 while no new conference is accepted", registry.draining),
            ("healthy", "1 while the bridge does its work", self._healthy()),
        ):
            yield GaugeMetricFamily(f"jitsi_jvb_{name}", text, value=value)

    def _counters(self) -> Iterator[Metric]:
        totals, traffic = self._registry.totals, self._statistics.traffic
        for name, text, value in (
            ("conferences_created", "Conferences created", totals.conferences_created),
            ("conferences_completed", "Conferences that are over", totals.conferences_completed),
            ("conference_seconds", "Duration of the conferences that are over", totals.conference_seconds),
            ("endpoints", "Endpoints created", totals.endpoints),
            ("ice_succeeded", "Endpoints that ICE found a way to", self._statistics.ice_succeeded),
            ("endpoints_ice_failed", "Endpoints that ICE found no way to", totals.ice_failed),
            ("endpoints_dtls_failed", "Endpoints with ICE that ended without DTLS", totals.dtls_failed),
            ("packets_received", "RTP and RTCP packets received", traffic["packets_received"]),
            ("packets_sent", "RTP and RTCP packets sent", traffic["packets_sent"]),
            ("bytes_received", "Bytes received in RTP and RTCP packets", traffic["bytes_received"]),
            ("bytes_sent", "Bytes sent in RTP and RTCP packets", traffic["bytes_sent"]),
        ):
            yield CounterMetricFamily(f"jitsi_jvb_{name}", text, value=value)
