"""Acknowledgements between link and component, and how far a component is with what it got."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.link.progress import PATIENCE_S, Progress
from component.server_link.buffer import Buffer
from component.server_link.delivery import CountError, Delivery
from tests.component.server_link_stanzas import message, numbers

BUFFER = Buffer(0, 0)


def given_out(delivery: Delivery, *which: int) -> None:
    for number in which:
        delivery.give(BUFFER.number(message(number), 0))


def left(delivery: Delivery) -> list[int]:
    return numbers([kept.stanza for kept in delivery.pending])


def test_what_is_acknowledged_is_forgotten() -> None:
    delivery = Delivery()
    given_out(delivery, 1, 2, 3)
    delivery.acknowledge("2")
    assert left(delivery) == [3]
    delivery.acknowledge("3")
    assert (left(delivery), delivery.bytes) == ([], 0)


def test_one_question_is_under_way_at_a_time_and_none_about_nothing() -> None:
    delivery = Delivery()
    assert delivery.question() == b""
    given_out(delivery, 1)
    assert b"<r " in delivery.question()
    given_out(delivery, 2)
    assert delivery.question() == b""
    delivery.acknowledge("1")
    assert b"<r " in delivery.question()


def test_the_count_begins_anew_behind_its_largest_value() -> None:
    delivery = Delivery(acknowledged=2**32 - 1)
    given_out(delivery, 1, 2)
    delivery.acknowledge("1")
    assert left(delivery) == []


@pytest.mark.parametrize("h", ["2", "-1", "", "x", "1.0", "\u0661", "9" * 5000, "4294967295"])
def test_a_count_of_what_was_never_given_is_an_error(h: str) -> None:
    delivery = Delivery()
    given_out(delivery, 1)
    with pytest.raises(CountError):
        delivery.acknowledge(h)
    assert left(delivery) == [1]


def test_what_is_handled_counts_up_to_the_first_that_is_not() -> None:
    progress = Progress()
    first, second, third = (progress.begin(0.0) for _ in range(3))
    assert progress.handled(0.0) == 0
    progress.done(second)
    assert progress.handled(0.0) == 0
    progress.done(first)
    assert progress.handled(0.0) == 2
    progress.done(third)
    assert progress.handled(0.0) == 3


def test_who_takes_too_long_is_not_waited_for() -> None:
    progress = Progress()
    slow, quick = progress.begin(0.0), progress.begin(0.0)
    progress.done(quick)
    assert progress.handled(PATIENCE_S) == 0
    assert progress.handled(PATIENCE_S + 0.1) == 2
    progress.done(slow)
    assert progress.handled(PATIENCE_S + 0.1) == 2


@given(st.permutations(range(12)), st.integers(0, 12))
def test_whatever_the_order_of_the_ends_the_count_has_no_gap(order: list[int], ended: int) -> None:
    progress = Progress()
    for _ in order:
        progress.begin(0.0)
    for number in order[:ended]:
        progress.done(number)
    done = set(order[:ended])
    assert progress.handled(0.0) == next((n for n in range(12) if n not in done), 12)
