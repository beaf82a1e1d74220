"""What is kept for a component that is not there, and what gives way to what."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.server_link.buffer import POLICIES, STANZA_BYTES, Buffer, Sort, sort_of
from component.server_link.framer import Stanza
from tests.component.server_link_stanzas import framed, message, numbers, presence, request

SIZE = STANZA_BYTES + 120
"""More than one of the small stanzas takes, and less than two."""


Make = Callable[[int], Stanza]


def answer(number: int) -> Stanza:
    return request(number, "result")


MAKES: st.SearchStrategy[Make] = st.sampled_from([message, presence, request, answer])


def taken(buffer: Buffer) -> list[int]:
    return numbers([kept.stanza for kept in buffer.take()])


@pytest.mark.parametrize(
    ("stanza", "sort"),
    [
        (request(1), Sort.REQUEST),
        (request(1, "set"), Sort.REQUEST),
        (request(1, "result"), Sort.ANSWER),
        (request(1, "error"), Sort.ANSWER),
        (request(1, "fetch"), Sort.REQUEST),
        (presence(1), Sort.PRESENCE),
        (message(1), Sort.MESSAGE),
        (framed("<message xmlns='jabber:client' type='error'/>"), Sort.MESSAGE),
    ],
    ids=["get", "set", "result", "error", "no legal type", "presence", "message", "error message"],
)
def test_each_stanza_has_its_sort(stanza: Stanza, sort: Sort) -> None:
    assert sort_of(stanza) is sort


def test_what_was_kept_comes_in_its_order() -> None:
    buffer = Buffer(100_000, 10)
    makes: tuple[Make, ...] = (message, request, presence, message, request, message)
    for number, make in enumerate(makes):
        assert buffer.put(make(number), number) is None
    assert taken(buffer) == [0, 1, 2, 3, 4, 5]
    assert (len(buffer), buffer.bytes) == (0, 0)


def test_answers_give_way_first_then_the_oldest_presence() -> None:
    buffer = Buffer(3 * SIZE, 10)
    buffer.put(presence(0), 0)
    buffer.put(request(1, "result"), 0)
    buffer.put(presence(2), 0)
    buffer.put(message(3), 0)
    assert buffer.dropped[Sort.ANSWER] == 1
    buffer.put(message(4), 0)
    assert buffer.dropped[Sort.PRESENCE] == 1
    assert taken(buffer) == [2, 3, 4]


def test_presence_displaces_no_message() -> None:
    buffer = Buffer(2 * SIZE, 10)
    buffer.put(message(0), 0)
    buffer.put(message(1), 0)
    assert buffer.put(presence(2), 0) is None
    assert buffer.dropped[Sort.PRESENCE] == 1
    assert taken(buffer) == [0, 1]


def test_a_request_without_room_is_given_back() -> None:
    buffer = Buffer(2 * SIZE, 10)
    buffer.put(message(0), 0)
    buffer.put(request(1), 0)
    assert buffer.put(request(2), 0) == request(2)
    assert sum(buffer.dropped.values()) == 0
    assert taken(buffer) == [0, 1]


def test_the_oldest_message_gives_way_to_a_new_one_when_nothing_else_does() -> None:
    buffer = Buffer(2 * SIZE, 10)
    for number in range(4):
        buffer.put(message(number), 0)
    assert taken(buffer) == [2, 3]


def test_requests_wait_so_long_and_no_longer() -> None:
    buffer = Buffer(100_000, 10)
    buffer.put(request(0), 0)
    buffer.put(message(1), 0)
    buffer.put(request(2), 5)
    assert buffer.expired(10) == []
    assert numbers(buffer.expired(10.1)) == [0]
    assert taken(buffer) == [1, 2]


def test_what_was_not_acknowledged_comes_before_what_came_later() -> None:
    buffer = Buffer(100_000, 10)
    buffer.put(message(0), 0)
    buffer.put(request(1), 0)
    given_out = buffer.take()
    buffer.put(message(2), 1)
    buffer.put_back(given_out)
    assert taken(buffer) == [0, 1, 2]


def test_a_buffer_that_becomes_smaller_keeps_to_it() -> None:
    buffer = Buffer(100_000, 10)
    for number in range(9):
        buffer.put(message(number), 0)
    buffer.max_bytes = 3 * SIZE
    buffer.put(message(9), 0)
    assert taken(buffer) == [7, 8, 9]


@given(st.lists(st.tuples(MAKES, st.booleans())), st.integers(0, 8))
def test_order_holds_and_memory_too_whatever_comes(steps: list[tuple[Make, bool]], room: int) -> None:
    buffer, refused = Buffer(room * SIZE, 3), 0
    for number, (make, puts_back) in enumerate(steps):
        if puts_back:
            buffer.put_back(buffer.take())
        refused += buffer.put(make(number), float(number)) is not None
        refused += len(buffer.expired(float(number)))
        assert buffer.bytes <= room * SIZE
    kept = len(buffer)
    found = taken(buffer)
    assert found == sorted(found)
    assert len(found) == kept == len(steps) - refused - sum(buffer.dropped.values())
    assert buffer.bytes == 0


def test_no_sort_displaces_one_that_matters_more() -> None:
    order = list(Sort)
    for sort, policy in POLICIES.items():
        assert all(order.index(victim) <= order.index(sort) for victim in policy.displaces)
