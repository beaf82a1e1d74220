"""The request window of BOSH: order, repeats, kept responses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bosh.bosh_body import Body
from bosh.request_window import KEPT_BYTES, Arrival, RequestWindow

NOTHING = Body({}, {}, [])


class Answered:
    """An exchange that keeps its response."""

    def __init__(self) -> None:
        self.body: bytes | None = None

    def respond(self, body: bytes) -> None:
        assert self.body is None, "one response a request"
        self.body = body


def window_after(*answers: bytes, size: int = 2) -> RequestWindow:
    """A window that began at 10 and has answered so many requests."""
    window = RequestWindow(10, size)
    for answer in answers:
        window.take(Answered(), 0.0)
        window.answer(answer)
    return window


def test_the_window_opens_with_each_request_taken() -> None:
    window = window_after()
    arrivals = [window.arrival(rid) for rid in range(9, 14)]
    assert arrivals == [
        Arrival.FORGOTTEN,
        Arrival.NEXT,
        Arrival.EARLY,
        Arrival.BEYOND,
        Arrival.BEYOND,
    ]
    window.take(Answered(), 0.0)
    assert window.arrival(10) is Arrival.UNANSWERED and window.arrival(11) is Arrival.NEXT


def test_the_latest_responses_are_kept_and_no_more() -> None:
    window = window_after(b"a", b"b", b"c")
    assert window.arrival(10) is Arrival.FORGOTTEN
    assert [window.kept(rid) for rid in (11, 12)] == [b"b", b"c"]


def test_long_responses_are_kept_one_by_one() -> None:
    window = window_after(b"a", b"b" * KEPT_BYTES)
    assert window.arrival(10) is Arrival.FORGOTTEN
    assert window.arrival(11) is Arrival.ANSWERED


def test_a_repeat_takes_the_place_of_the_first() -> None:
    window = window_after()
    first, second = Answered(), Answered()
    window.take(first, 0.0)
    assert window.replace(10, second) is first
    window.answer(b"a")
    assert (first.body, second.body) == (None, b"a")


def test_an_early_request_waits_for_those_before_it() -> None:
    window = window_after()
    early, again = Answered(), Answered()
    window.keep_early(11, NOTHING, early)
    assert window.next_early() is None and window.arrival(11) is Arrival.UNANSWERED
    assert window.replace(11, again) is early
    window.take(Answered(), 0.0)
    assert window.next_early() == (NOTHING, again)


def test_a_lost_connection_leaves_its_response_to_the_repeat() -> None:
    window = window_after()
    lost, early = Answered(), Answered()
    window.take(lost, 0.0)
    window.keep_early(11, NOTHING, early)
    assert window.attended
    window.detach(lost)
    window.detach(early)
    assert not window.attended and window.arrival(11) is Arrival.NEXT
    window.answer(b"a")
    assert lost.body is None and window.kept(10) == b"a"


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60), st.integers(1, 3))
def test_whatever_arrives_each_request_is_taken_once_and_in_order(
    arriving: list[tuple[int, bool]], size: int
) -> None:
    window = RequestWindow(1, size)
    taken: list[int] = []
    for rid, answers in arriving:
        match window.arrival(rid):
            case Arrival.NEXT:
                window.take(Answered(), 0.0)
                taken.append(rid)
                while window.next_early() is not None:
                    window.take(Answered(), 0.0)
                    taken.append(taken[-1] + 1)
            case Arrival.EARLY:
                window.keep_early(rid, NOTHING, Answered())
            case Arrival.UNANSWERED:
                window.replace(rid, Answered())
            case Arrival.ANSWERED:
                assert window.kept(rid) == b"%d" % rid
            case Arrival.FORGOTTEN:
                assert rid < len(taken) + 1
            case Arrival.BEYOND:
                assert rid > len(taken) + size
        if answers and window.waiting:
            window.answer(b"%d" % window.waiting[0].rid)
    assert taken == list(range(1, len(taken) + 1))
