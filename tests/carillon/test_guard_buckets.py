"""carillon.guard.buckets."""

from hypothesis import given
from hypothesis import strategies as st

from carillon.guard.buckets import Buckets


def test_a_burst_and_then_the_rate() -> None:
    buckets = Buckets(10.0, 5)
    assert [buckets.take("a", 0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert not buckets.take("a", 0.09)
    assert buckets.take("a", 0.11)
    assert not buckets.take("a", 0.11)
    assert sum(buckets.take("a", 1000.0) for _ in range(20)) == 5


def test_keys_do_not_share_tokens() -> None:
    buckets = Buckets(1.0, 1)
    assert buckets.take("a", 0.0)
    assert not buckets.take("a", 0.0)
    assert buckets.take("b", 0.0)


def test_the_table_is_bounded_and_forgets_the_oldest() -> None:
    buckets = Buckets(1.0, 1, max_keys=3)
    for key in "abc":
        assert buckets.take(key, 0.0)
    assert not buckets.take("a", 0.1)
    assert buckets.take("d", 0.1)
    assert len(buckets) == 3
    assert buckets.take("a", 0.1)
    assert not buckets.take("d", 0.1)


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=300),
)
def test_never_more_than_burst_and_rate(rate: float, burst: int, steps: list[float]) -> None:
    buckets, now, taken = Buckets(rate, burst), 0.0, 0
    for step in steps:
        now += step
        taken += buckets.take("key", now)
        assert taken <= burst + rate * now + 1e-6 * len(steps) + 1e-3
