"""Whether media get through the bridge: how long no client has answered it, although it asks."""

from __future__ import annotations

import pytest

from bridge.registry import PROOF_S, SWEEP_S, Registry
from tests.bridge.media_client import blind_registry
from tests.bridge.test_bridge_registry import joined


@pytest.fixture
def registry() -> Registry:
    return blind_registry()


def test_a_client_that_answers_is_asked_so_often_that_the_bridge_is_sure(registry: Registry) -> None:
    _, client = joined(registry)
    for second in range(1, 60):
        client.run(float(second), second + 1.0)
        assert registry.unanswered_s(second + 1.0) < PROOF_S + 2 * SWEEP_S


def test_when_nothing_gets_through_the_time_grows_and_questions_are_asked(registry: Registry) -> None:
    _, client = joined(registry)
    client.silent = True
    client.received.clear()
    client.run(1.0, 5.0)
    assert registry.unanswered_s(5.0) >= 3.0
    assert len([data for data in client.received if data[0] < 4]) >= 3
    client.silent = False
    client.run(5.0, 7.0)
    assert registry.unanswered_s(7.0) < PROOF_S + 2 * SWEEP_S


def test_where_nobody_is_connected_nobody_is_missed(registry: Registry) -> None:
    registry.create_conference("meeting", "", 0.0)
    assert registry.unanswered_s(100.0) == 0.0
    conference, _ = joined(blind_registry())
    conference.remove("a", "expired", 2.0)
    assert registry.unanswered_s(100.0) == 0.0
