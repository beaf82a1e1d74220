"""The health of one bridge: what its answers and silences make of it, whatever their order."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.focus.bridge_health import (
    DEAF_S,
    HEALTH_TABLE,
    MUTE_PACKETS,
    MUTE_S,
    BridgeHealth,
    Health,
    Sign,
)
from component.focus.bridge_report import BridgeReport, read_report

WELL = BridgeReport(instance="a", created=5, connected=3, received=100, sent=100, unanswered_s=0.2)


def health(*reports: BridgeReport) -> BridgeHealth:
    one = BridgeHealth()
    for second, report in enumerate(reports):
        one.answered(report, float(second))
    return one


def test_every_state_has_an_answer_to_every_sign() -> None:
    assert HEALTH_TABLE.keys() == set(product(Health, Sign))


def test_a_bridge_that_answers_is_up() -> None:
    assert health(WELL).state is Health.UP


def test_one_silence_is_a_doubt() -> None:
    one = health(WELL)
    one.failed(Sign.SILENT)
    assert (one.state, one.epoch) == (Health.DOUBTED, 0)
    one.answered(WELL, 2.0)
    assert (one.state, one.epoch) == (Health.UP, 0)


@pytest.mark.parametrize("sign", [Sign.SILENT, Sign.SICK])
def test_two_bad_signs_in_a_row_make_it_dead(sign: Sign) -> None:
    one = health(WELL)
    one.failed(sign)
    assert one.failed(sign) is True
    assert one.state is Health.DOWN


def test_where_nobody_listens_there_is_no_bridge() -> None:
    one = health(WELL)
    assert one.failed(Sign.REFUSED) is True
    assert one.state is Health.DOWN


def test_a_bridge_that_comes_back_may_have_forgotten_everything() -> None:
    one = health(WELL)
    one.failed(Sign.REFUSED)
    assert one.answered(WELL, 2.0) is True
    assert (one.state, one.epoch) == (Health.UP, 1)


@pytest.mark.parametrize(
    "later",
    [
        replace(WELL, instance="b"),
        replace(WELL, instance="", created=4),
    ],
    ids=["another instance", "counts from the beginning"],
)
def test_a_restart_between_two_questions_is_noticed(later: BridgeReport) -> None:
    one = health(WELL)
    assert one.answered(later, 1.0) is True
    assert (one.state, one.epoch) == (Health.UP, 1)


def test_a_bridge_that_leaves_drains_and_may_think_better_of_it() -> None:
    one = health(WELL)
    assert one.answered(replace(WELL, leaving=True), 1.0) is True
    assert one.state is Health.DRAINING
    assert one.answered(WELL, 2.0) is True
    assert (one.state, one.epoch) == (Health.UP, 0)


def test_a_bridge_that_calls_itself_unhealthy_is_believed_at_the_second_time() -> None:
    sick = replace(WELL, healthy=False)
    assert health(WELL, sick).state is Health.DOUBTED
    assert health(WELL, sick, sick).state is Health.DOWN


# Traffic


def test_a_bridge_that_no_client_answers_is_deaf() -> None:
    one = health(WELL, replace(WELL, unanswered_s=DEAF_S))
    assert (one.state, one.sign, one.deaf_at) == (Health.DOWN, Sign.DEAF, 1.0)
    assert one.answered(WELL, 2.0) is True
    assert one.state is Health.UP


@pytest.mark.parametrize("connected", [0, 1])
def test_the_silence_of_one_alone_says_nothing_of_the_bridge(connected: int) -> None:
    assert health(WELL, replace(WELL, connected=connected, unanswered_s=60.0)).state is Health.UP


def test_a_bridge_that_receives_and_sends_nothing_is_deaf_too() -> None:
    jvb = replace(WELL, unanswered_s=None)
    one = health(jvb)
    later = replace(jvb, received=jvb.received + MUTE_PACKETS)
    one.answered(later, MUTE_S / 2)
    assert one.state is Health.UP
    one.answered(later, MUTE_S)
    assert (one.state, one.sign) == (Health.DOWN, Sign.DEAF)


def test_where_everybody_is_muted_nothing_is_received_or_sent_and_nothing_is_wrong() -> None:
    assert health(*[replace(WELL, unanswered_s=1.5)] * 60).state is Health.UP


def test_traffic_is_not_counted_over_a_silence_of_the_statistics() -> None:
    jvb = replace(WELL, unanswered_s=None)
    one = health(jvb)
    one.failed(Sign.SILENT)
    one.answered(replace(jvb, received=jvb.received + 10 * MUTE_PACKETS), 10.0)
    assert one.state is Health.UP


# Whatever comes

_reports = st.builds(
    BridgeReport,
    instance=st.sampled_from(["", "a", "b"]),
    healthy=st.booleans(),
    leaving=st.booleans(),
    connected=st.integers(0, 3),
    created=st.integers(0, 3),
    received=st.integers(0, 300),
    sent=st.integers(0, 3),
    unanswered_s=st.none() | st.floats(0, 10),
)
_silences = st.sampled_from([Sign.SILENT, Sign.SICK, Sign.REFUSED])


@given(st.lists(st.tuples(_reports | _silences, st.floats(0, 2)), max_size=40))
def test_whatever_comes_conferences_hear_of_what_concerns_them(events: list[tuple[Any, float]]) -> None:
    one, now = BridgeHealth(), 0.0
    for event, passed in events:
        now += passed
        before, epoch, known = one.state, one.epoch, one.report
        changed = one.failed(event) if isinstance(event, Sign) else one.answered(event, now)
        assert changed == (before is not one.state or one.epoch != epoch)
        if before is Health.DOWN and one.state is not Health.DOWN:
            assert one.epoch > epoch
        if isinstance(event, BridgeReport) and known is not None and event.is_another_instance(known):
            assert one.epoch > epoch
        assert one.epoch >= epoch


@given(st.lists(_silences, min_size=2, max_size=10))
def test_nothing_but_bad_signs_leaves_no_bridge_up(signs: list[Sign]) -> None:
    one = health(WELL)
    for sign in signs:
        one.failed(sign)
    assert one.state is Health.DOWN


# What it says

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_KEYS = ["instance", "healthy", "drain", "stress_level", "endpoints", "total_packets_sent", "unanswered_s"]


@given(JSON | st.dictionaries(st.sampled_from(_KEYS), JSON))
def test_any_json_is_a_report_or_none(body: Any) -> None:
    report = read_report(body)
    assert (report is None) == (not isinstance(body, dict))
    if report is not None:
        health(report, report)


def test_a_jvb_is_read_as_its_statistics_are() -> None:
    body = {
        "stress_level": 0.25,
        "endpoints": 7,
        "local_active_endpoints": 6,
        "graceful_shutdown": True,
        "total_conferences_created": 3,
        "total_packets_received": 10,
        "total_packets_sent": 20,
        "version": "2.3",
        "healthy": True,
    }
    assert read_report(body) == BridgeReport(
        version="2.3",
        leaving=True,
        stress=0.25,
        endpoints=7,
        connected=6,
        created=3,
        received=10,
        sent=20,
    )
