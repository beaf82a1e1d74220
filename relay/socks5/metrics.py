"""The proxy's counters as prometheus metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from relay.socks5.proxy import Proxy
from relay.socks5.streams import Stage


class Socks5Collector(Collector):
    """Reads the counters when they are asked for: nothing is added to the path of the bytes."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; labels are stages, reasons and conditions known to the code."""
        counters = self._proxy.counters
        stages = Counter(stream.stage for stream in self._proxy.streams.by_digest.values())
        streams = GaugeMetricFamily("socks5_streams", "Bytestreams now", labels=("stage",))
        for stage in Stage:
            streams.add_metric((stage.value,), stages[stage])
        yield streams
        yield _counted("socks5_refused", "Connections that came to nothing", "reason", counters.refused)
        yield _counted(
            "socks5_activations", "Activations; no condition is success", "condition", counters.activations
        )
        yield _counted("socks5_ended", "Active streams that are over", "reason", counters.ended)
        yield CounterMetricFamily(
            "socks5_moved_bytes", "Bytes moved between clients", value=self._proxy.mover.moved
        )


def _counted(name: str, text: str, label: str, numbers: Counter[str]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, number in numbers.items():
        family.add_metric((value,), number)
    return family
