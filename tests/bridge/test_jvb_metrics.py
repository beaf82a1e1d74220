"""The bridge's figures under JVB's names."""

from __future__ import annotations

import pytest

from bridge.jvb_metrics import JvbCollector
from bridge.registry import Registry
from bridge.statistics import Statistics
from tests.bridge.media_client import BlindRouter


class Bridge:
    """A registry, its collector, and the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.healthy = True
        self.registry = Registry(BlindRouter, 4, 30.0)
        statistics = Statistics(self.registry)
        self.collector = JvbCollector(
            self.registry, statistics, healthy=lambda: self.healthy, clock=lambda: self.now
        )

    def conference(self, meeting: str, *endpoints: str) -> None:
        conference = self.registry.create_conference(meeting, "", self.now)
        for endpoint in endpoints:
            self.registry.create_endpoint(conference, endpoint, (), controlling=True, now=self.now)

    def told(self) -> dict[str, float]:
        samples = (sample for metric in self.collector.collect() for sample in metric.samples)
        return {
            sample.name.removeprefix("jitsi_jvb_") + sample.labels.get("le", ""): sample.value
            for sample in samples
        }


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


def test_what_is_there_now(bridge: Bridge) -> None:
    bridge.conference("one", "a", "b")
    bridge.conference("two", "c")
    told = bridge.told()
    assert (told["conferences"], told["local_endpoints"], told["current_endpoints"]) == (2, 3, 3)
    assert (told["largest_conference"], told["stress"], told["healthy"], told["drain_mode"]) == (
        2,
        0.75,
        1,
        0,
    )
    assert [told[f"conferences_by_size_bucket{size}"] for size in ("0.0", "1.0", "2.0", "+Inf")] == [
        0,
        1,
        2,
        2,
    ]
    assert (told["conferences_by_size_count"], told["conferences_by_size_sum"]) == (2, 3)


def test_a_conference_that_is_over_is_counted_with_its_duration(bridge: Bridge) -> None:
    bridge.conference("one", "a", "b")
    bridge.now += 90.0
    bridge.registry.expire_conference(bridge.registry.conferences["one"], "expired", bridge.now)
    told = bridge.told()
    assert (told["conferences"], told["conferences_created_total"], told["endpoints_total"]) == (0, 1, 2)
    assert (told["conferences_completed_total"], told["conference_seconds_total"]) == (1, 90.0)


def test_who_leaves_before_ice_is_done_has_not_failed_and_who_never_gets_there_has(bridge: Bridge) -> None:
    bridge.conference("one", "a", "b")
    conference = bridge.registry.conferences["one"]
    conference.remove("a", "expired", bridge.now)
    assert bridge.told()["endpoints_ice_failed_total"] == 0
    conference.remove("b", "idle", bridge.now)
    assert bridge.told()["endpoints_ice_failed_total"] == 1


def test_an_endpoint_with_ice_and_without_dtls_has_failed(bridge: Bridge) -> None:
    bridge.conference("one", "a")
    conference = bridge.registry.conferences["one"]
    conference.endpoints["a"].transport.ice_succeeded = True
    conference.remove("a", "idle", bridge.now)
    told = bridge.told()
    assert (told["endpoints_dtls_failed_total"], told["endpoints_ice_failed_total"]) == (1, 0)
    assert told["ice_succeeded_total"] == 1


def test_rates_are_in_bits_and_cover_the_time_since_the_last_look(bridge: Bridge) -> None:
    bridge.conference("one", "a")
    transport = bridge.registry.conferences["one"].endpoints["a"].transport
    bridge.told()
    transport.packets_received, transport.bytes_received = 50, 5000
    transport.packets_sent, transport.bytes_sent = 100, 10000
    bridge.now += 10.0
    told = bridge.told()
    assert (told["incoming_packet_rate"], told["outgoing_packet_rate"]) == (5, 10)
    assert (told["incoming_bitrate"], told["outgoing_bitrate"]) == (4000, 8000)
    assert (told["packets_received_total"], told["bytes_sent_total"]) == (50, 10000)


def test_draining_and_trouble_show(bridge: Bridge) -> None:
    bridge.registry.draining, bridge.healthy = True, False
    told = bridge.told()
    assert (told["drain_mode"], told["healthy"]) == (1, 0)
