"""Which bridge a conference goes to, and why there is none."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from component.focus.bridge_health import Health, Sign
from component.focus.bridge_pool import DISTRUST_S, MAX_OWED, BridgePool, Trouble
from component.focus.bridge_report import BridgeReport

A, B, C = "http://a", "http://b", "http://c"
IDLE = BridgeReport(instance="1", connected=2, unanswered_s=0.0)


def pool(**stress: float) -> BridgePool:
    """Bridges that are up, by name, and as loaded as that."""
    made = BridgePool({f"http://{name}": name for name in stress})
    for name, one in stress.items():
        made.answered(f"http://{name}", replace(IDLE, stress=one), 0.0)
    return made


def test_the_least_loaded_bridge_is_chosen() -> None:
    assert {pool(a=0.5, b=0.2).choose(f"room{number}", "") for number in range(20)} == {B}


def test_rooms_are_spread_over_bridges_of_equal_load() -> None:
    chosen = [pool(a=0.01, b=0.0).choose(f"room{number}", "") for number in range(100)]
    assert 20 < chosen.count(A) < 80


def test_a_room_goes_where_it_was_unless_that_is_more_loaded() -> None:
    for last in (A, B):
        assert pool(a=0.01, b=0.0).choose("room", last) == last
    assert pool(a=0.5, b=0.0).choose("room", A) == B


def test_a_room_goes_to_the_same_bridge_whoever_asks() -> None:
    assert pool(a=0, b=0).choose("room", "") == pool(b=0, a=0).choose("room", "")


def test_what_was_never_asked_is_better_than_nothing_and_worse_than_what_answers() -> None:
    bridges = BridgePool({A: "a", B: "b"})
    assert bridges.choose("room", "") in (A, B)
    bridges.answered(B, replace(IDLE, stress=0.9), 0.0)
    assert bridges.choose("room", "") == B


def test_a_bridge_that_is_doubted_is_the_last_choice() -> None:
    bridges = pool(a=0.0, b=0.9)
    bridges.failed(A, Sign.SILENT)
    assert bridges.choose("room", A) == B
    bridges.failed(B, Sign.SILENT)
    assert bridges.choose("room", A) == A


def test_a_bridge_that_drains_or_is_down_is_not_chosen() -> None:
    bridges = pool(a=0, b=0, c=0)
    bridges.failed(A, Sign.REFUSED)
    bridges.answered(B, replace(IDLE, leaving=True), 1.0)
    assert bridges.choose("room", A) == C
    bridges.failed(C, Sign.REFUSED)
    assert bridges.choose("room", "") is None


def test_why_there_is_none_is_known() -> None:
    bridges = pool(a=0, b=0)
    bridges.failed(A, Sign.REFUSED)
    bridges.failed(B, Sign.REFUSED)
    assert bridges.trouble("") is Trouble.DOWN
    bridges.answered(B, replace(IDLE, leaving=True), 1.0)
    assert (bridges.trouble(""), bridges.trouble(A)) == (Trouble.DRAINING, Trouble.DOWN)
    bridges.answered(B, replace(IDLE, unanswered_s=9.0), 2.0)
    assert (bridges.trouble(""), bridges.trouble(B)) == (Trouble.DEAF, Trouble.DEAF)


def test_a_bridge_that_was_deaf_is_the_last_choice_for_a_while() -> None:
    bridges = pool(a=0.0, b=0.9)
    bridges.answered(A, replace(IDLE, unanswered_s=9.0), 1.0)
    bridges.answered(A, replace(IDLE, connected=0), 2.0)
    assert bridges.choose("room", "") == B
    bridges.failed(B, Sign.REFUSED)
    assert bridges.choose("room", "") == A
    bridges.answered(B, replace(IDLE, stress=0.9), 3.0)
    bridges.answered(A, replace(IDLE, connected=0), 1.0 + DISTRUST_S)
    assert bridges.choose("room", "") == A


def test_a_bridge_that_is_not_configured_any_more_is_down() -> None:
    bridges = pool(a=0)
    assert (bridges.health("http://gone"), bridges.epoch("http://gone")) == (Health.DOWN, 0)
    assert bridges.name("http://gone") == "http://gone" and bridges.report("http://gone") is None
    bridges.owe("http://gone", "m")


# What is left behind


def test_a_bridge_that_hung_is_told_what_is_over_when_it_answers_again() -> None:
    bridges = pool(a=0)
    bridges.failed(A, Sign.REFUSED)
    bridges.owe(A, "m1")
    bridges.owe(A, "m2")
    assert bridges.settle(A) == ()
    bridges.answered(A, IDLE, 1.0)
    assert bridges.settle(A) == ["m1", "m2"]
    assert bridges.settle(A) == []


def test_a_bridge_that_was_restarted_has_nothing_to_be_told() -> None:
    bridges = pool(a=0)
    bridges.failed(A, Sign.REFUSED)
    bridges.owe(A, "m1")
    bridges.answered(A, replace(IDLE, instance="2"), 1.0)
    assert bridges.settle(A) == []


def test_what_a_bridge_is_owed_has_a_limit() -> None:
    bridges = pool(a=0)
    for number in range(MAX_OWED + 5):
        bridges.owe(A, f"m{number}")
    assert len(list(bridges.settle(A))) == MAX_OWED


@given(
    st.lists(
        st.tuples(
            st.sampled_from([A, B, C]),
            st.sampled_from([Sign.SILENT, Sign.SICK, Sign.REFUSED])
            | st.builds(
                BridgeReport,
                stress=st.floats(0, 2),
                leaving=st.booleans(),
                connected=st.integers(0, 3),
                unanswered_s=st.floats(0, 6),
            ),
        ),
        max_size=30,
    )
)
def test_what_is_chosen_can_take_conferences(events: list[tuple[str, Sign | BridgeReport]]) -> None:
    bridges = BridgePool({A: "a", B: "b", C: "c"})
    for number, (url, event) in enumerate(events):
        if isinstance(event, Sign):
            bridges.failed(url, event)
        else:
            bridges.answered(url, event, float(number))
        chosen = bridges.choose("room", A)
        able = {one for one in (A, B, C) if bridges.health(one) not in (Health.DOWN, Health.DRAINING)}
        assert (chosen in able) if able else chosen is None
