"""How long the link waits after each kind of failure."""

import random

import pytest

from component.loss import STEADY_S, Backoff, LossKind

SLOW = (LossKind.NOT_AUTHORIZED, LossKind.HOST_UNKNOWN)


@pytest.mark.parametrize("kind", LossKind)
def test_failures_in_a_row_are_spread_and_never_hurried(kind: LossKind) -> None:
    backoff = Backoff(random.Random(1))
    delays = [backoff.delay_s(kind, 0.0) for _ in range(200)]
    assert min(delays) >= (5.0 if kind in SLOW else 0.05)
    assert len(set(delays)) == len(delays)
    assert max(delays) <= 30.0
    if kind is LossKind.REFUSED:
        assert max(delays) <= 2.05  # a server that is back has us back within seconds


def test_only_a_session_that_lasted_starts_the_delays_anew() -> None:
    class Longest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    backoff = Backoff(Longest())
    first = backoff.delay_s(LossKind.CLOSED, 0.0)
    assert [backoff.delay_s(LossKind.CLOSED, 0.1) > first for _ in range(3)] == [True] * 3
    assert backoff.delay_s(LossKind.CLOSED, STEADY_S) == first


def test_a_long_outage_overflows_nothing() -> None:
    backoff = Backoff(random.Random(1))
    assert all(backoff.delay_s(LossKind.REFUSED, 0.0) <= 2.05 for _ in range(3000))
