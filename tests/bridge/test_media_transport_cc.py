"""transport-wide congestion control feedback, read back by a second decoder."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media.rtcp import RtcpError
from bridge.media.transport_cc import MAX_STATUSES, Arrivals, parse_feedback


def second_decoder(fci: bytes) -> list[tuple[int, float | None]]:
    """The draft's §3.1 once more, on a string of bits: shares nothing with the parser beside the builder."""
    bits = "".join(f"{octet:08b}" for octet in fci)
    base, count, reference = int(bits[:16], 2), int(bits[16:32], 2), int(bits[32:56], 2)
    at, symbols = 64, ""
    while len(symbols) < count:
        chunk, at = bits[at : at + 16], at + 16
        if chunk[0] == "0":
            symbols += str(int(chunk[1:3], 2)) * int(chunk[3:], 2)
        elif chunk[1] == "0":
            symbols += chunk[2:]
        else:
            symbols += "".join(str(int(chunk[index : index + 2], 2)) for index in range(2, 16, 2))
    clock = reference * 0.064
    told: list[tuple[int, float | None]] = []
    for offset, symbol in enumerate(symbols[:count]):
        number = (base + offset) % 65536
        if symbol == "0":
            told.append((number, None))
            continue
        width = 8 if symbol == "1" else 16
        delta, at = int(bits[at : at + width], 2), at + width
        if width == 16 and delta >= 1 << 15:
            delta -= 1 << 16
        clock += delta * 0.00025
        told.append((number, clock))
    assert len(fci) % 4 == 0
    assert len(bits) - at < 32
    assert set(bits[at:]) <= {"0"}
    return told


def feed_back(arrivals: Arrivals) -> dict[int, float | None]:
    told: dict[int, float | None] = {}
    for fci in arrivals.feedback():
        once = second_decoder(fci)
        again = parse_feedback(fci, once[0][0])
        assert [number & 0xFFFF for number, _ in again] == [number for number, _ in once]
        for (_, first), (_, second) in zip(once, again, strict=True):
            assert (first is None) == (second is None)
            assert first is None or second is None or abs(first - second) < 1e-6
        told.update(once)
    return told


def test_arrivals_losses_and_the_wrap() -> None:
    arrivals = Arrivals()
    for number, at in ((65533, 10.0), (65534, 10.001), (1, 10.1), (2, 10.2), (0, 10.21)):
        arrivals.add(number, at)
    told = feed_back(arrivals)
    assert told[65535] is None
    assert {number: at and round(at, 5) for number, at in told.items() if at} == {
        65533: 10.0,
        65534: 10.001,
        0: 10.21,
        1: 10.1,
        2: 10.2,
    }


def test_nothing_is_said_about_nothing() -> None:
    arrivals = Arrivals()
    assert arrivals.feedback() == []
    arrivals.add(5, 1.0)
    assert len(arrivals.feedback()) == 1
    assert arrivals.feedback() == []


def test_losses_between_two_feedbacks_are_told_in_the_second() -> None:
    arrivals = Arrivals()
    arrivals.add(10, 1.0)
    assert feed_back(arrivals) == {10: pytest.approx(1.0)}
    arrivals.add(13, 1.1)
    assert feed_back(arrivals) == {11: None, 12: None, 13: pytest.approx(1.1)}


def test_a_packet_reported_lost_is_reported_again_when_it_comes_late() -> None:
    arrivals = Arrivals()
    for number in (1, 2, 4):
        arrivals.add(number, 1.0)
    assert feed_back(arrivals)[3] is None
    arrivals.add(3, 1.05)
    arrivals.add(5, 1.06)
    told = feed_back(arrivals)
    assert told[3] == pytest.approx(1.05)
    assert told[5] == pytest.approx(1.06)


def test_a_long_pause_needs_a_new_reference_time() -> None:
    arrivals = Arrivals()
    arrivals.add(1, 1.0)
    arrivals.add(2, 100.0)
    blocks = arrivals.feedback()
    assert len(blocks) == 2
    assert [dict(second_decoder(block)) for block in blocks] == [
        {1: pytest.approx(1.0)},
        {2: pytest.approx(100.0)},
    ]
    assert [block[7] for block in blocks] == [0, 1]


def test_a_new_start_of_the_counter_is_no_loss_of_thousands() -> None:
    arrivals = Arrivals()
    arrivals.add(1, 1.0)
    arrivals.feedback()
    arrivals.add(20000, 1.1)
    (block,) = arrivals.feedback()
    assert dict(second_decoder(block)) == {20000: pytest.approx(1.1)}


def test_long_runs_are_short() -> None:
    arrivals = Arrivals()
    for number in range(400):
        arrivals.add(number, 1.0 + number * 0.001)
    (block,) = arrivals.feedback()
    assert len(block) == 8 + 2 + 400 + 2
    arrivals.add(800, 3.0)
    (block,) = arrivals.feedback()
    assert len(block) <= 16


def test_what_does_not_fit_one_packet_goes_into_several() -> None:
    arrivals = Arrivals()
    for number in range(0, 2000, 2):
        arrivals.add(number, 1.0 + number * 0.1)
    blocks = arrivals.feedback()
    assert len(blocks) > 1
    assert max(len(block) for block in blocks) < 1100
    told = [number for block in blocks for number, at in second_decoder(block) if at is not None]
    assert told == list(range(0, 2000, 2))


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(0, 40), st.floats(0, 0.3)), min_size=1, max_size=80),
    st.randoms(use_true_random=False),
)
def test_whatever_arrives_is_told(start: int, steps: list[tuple[int, float]], random) -> None:  # type: ignore[no-untyped-def]
    number, at = start, 500.0
    events: dict[int, float] = {}
    for skip, wait in steps:
        number += skip + 1
        at += wait
        events[number] = at - random.choice((0.0, 0.0, 0.0, 0.01, 0.4))
    arrivals = Arrivals()
    for one, when in events.items():
        arrivals.add(one & 0xFFFF, when)
    told = feed_back(arrivals)
    assert {one & 0xFFFF for one in events} == {one for one, when in told.items() if when is not None}
    for one, when in events.items():
        heard = told[one & 0xFFFF]
        assert heard is not None
        assert abs(heard - when) <= 0.00026


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=300))
def test_any_numbers_give_readable_feedback(numbers: list[int]) -> None:
    arrivals = Arrivals()
    for position, number in enumerate(numbers):
        arrivals.add(number, 10 + position * 0.003)
    for block in arrivals.feedback():
        assert len(second_decoder(block)) <= MAX_STATUSES
        assert len(block) < 1100


@given(st.binary(max_size=80))
def test_any_bytes_are_feedback_or_an_rtcp_error(data: bytes) -> None:
    with contextlib.suppress(RtcpError):
        parse_feedback(data)
