"""What the bridge tells an operator of a conference: where the media of each endpoint go."""

from __future__ import annotations

from bridge.statistics import Statistics
from tests.bridge.media_client import blind_registry
from tests.bridge.test_bridge_registry import A, joined


def test_an_endpoint_is_told_with_the_address_its_media_go_to() -> None:
    registry = blind_registry()
    conference, client = joined(registry)
    told = Statistics(registry).conference(conference, 1.0)["endpoints"]
    assert told["a"]["remote"] == {"protocol": "udp", "ip": A.ip, "port": A.port}
    assert told["a"]["connected"] and told["a"]["bytes_sent"] > 0
    client.endpoint.transport.lose(A, 1.0)
    assert Statistics(registry).conference(conference, 1.0)["endpoints"]["a"]["remote"] is None


def test_an_endpoint_that_has_not_been_heard_of_has_no_address() -> None:
    registry = blind_registry()
    conference = registry.create_conference("meeting", "", 0.0)
    registry.create_endpoint(conference, "a", (), controlling=True, now=0.0)
    assert Statistics(registry).conference(conference, 1.0)["endpoints"]["a"]["remote"] is None
