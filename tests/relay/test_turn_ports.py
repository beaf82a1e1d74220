"""relay.turn.ports."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from relay.turn.ports import MAX_ATTEMPTS, PortPool


def test_ports_are_taken_at_random_and_come_back() -> None:
    pool = PortPool(6000, 6099, {6050}, Random(1))
    ports = [pool.take(lambda port: True) for _ in range(99)]
    assert sorted(port for port in ports if port) == [port for port in range(6000, 6100) if port != 6050]
    steps = [abs(b - a) for a, b in pairwise(ports) if a and b]
    assert sum(steps) / len(steps) > 10
    assert pool.take(lambda port: True) is None
    pool.give_back(6007)
    assert pool.take(lambda port: True) == 6007


def test_ports_that_others_hold_are_tried_later() -> None:
    pool = PortPool(6000, 6001, (), Random(1))
    assert pool.take(lambda port: port == 6001) == 6001
    assert pool.take(lambda port: False) is None
    assert pool.take(lambda port: True) == 6000


def test_a_request_tries_a_bounded_number_of_ports() -> None:
    tried: list[int] = []
    pool = PortPool(6000, 6999, (), Random(1))
    assert pool.take(lambda port: bool(tried.append(port))) is None  # type: ignore[func-returns-value]
    assert len(set(tried)) == len(tried) == MAX_ATTEMPTS
    assert len(pool) == 1000


@given(st.lists(st.booleans(), max_size=60))
def test_no_port_is_lost_or_doubled(steps: list[bool]) -> None:
    pool, taken = PortPool(1, 10, (), Random(2)), set()
    for take in steps:
        if take and (port := pool.take(lambda port: port % 3 != 0)):
            assert port not in taken
            taken.add(port)
        elif taken:
            pool.give_back(taken.pop())
        assert len(pool) + len(taken) == 10
