"""A BOSH session that is asked too often or told too much."""

from __future__ import annotations

from bosh.bosh_session import State
from bosh.outbox import QUEUE_BYTES, RESPONSE_BYTES
from bosh.overactivity import BURST
from tests.bosh.session_bench import (
    MESSAGE,
    ended,
    logged_in,
    text,
)


def test_asking_for_nothing_again_and_again_ends_the_session() -> None:
    bench = logged_in()
    answers = [bench.post() for _ in range(BURST + 2)]
    assert ended(answers[-1]) == "policy-violation"
    assert all(ended(one) is None for one in answers[:BURST])


def test_polling_as_often_as_agreed_is_no_violation() -> None:
    bench = logged_in(hold=0)
    for _ in range(50):
        assert ended(bench.post()) is None
        bench.wait(5)


def test_polling_too_often_ends_the_session() -> None:
    bench = logged_in(wait=0)
    answers = []
    while bench.session.state is State.OPEN:
        answers.append(bench.post())
        bench.wait(1)
        assert len(answers) < 50
    assert ended(answers[-1]) == "policy-violation" and len(answers) > BURST


def test_talking_is_never_too_often() -> None:
    bench = logged_in()
    for _ in range(500):
        bench.post(MESSAGE)
        bench.wait(0.01)
    assert bench.session.state is State.OPEN


def test_a_client_that_does_not_ask_slows_the_server_down() -> None:
    bench = logged_in()
    stanza = f"<message>{'x' * 1000}</message>"
    while ("read", False) not in bench.done:
        bench.serve(stanza)
        assert len(bench.done) < 1000
    bench.done.clear()
    assert len(text(bench.post())) < QUEUE_BYTES + 2000
    assert bench.done == [("read", True)]


def test_a_response_is_bounded_and_the_rest_comes_with_the_next() -> None:
    bench = logged_in()
    for _ in range(10):
        bench.serve(f"<message>{'x' * 40_000}</message>")
    sizes: list[int] = []
    while sum(sizes) < 400_000:
        sizes.append(len(text(bench.post())))
    assert max(sizes) <= RESPONSE_BYTES + 1000 and len(sizes) == 4


def test_a_server_that_does_not_read_slows_the_client_down() -> None:
    bench = logged_in()
    bench.session.server_full(True, bench.now)
    first, second = bench.post(MESSAGE), bench.post(MESSAGE)
    assert first.body is None and second.body is None
    bench.session.server_full(False, bench.now)
    assert first.body is not None and second.body is None
