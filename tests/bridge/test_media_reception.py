"""What reports say about a received stream."""

import pytest

from bridge.media.reception import Reception
from bridge.media.rtcp import SenderReport


def receive(reception: Reception, numbers: list[int], *, start: float = 10.0, step: float = 0.02) -> None:
    for position, number in enumerate(numbers):
        reception.count(reception.index(number & 0xFFFF), position * 1800, 100, start + position * step)


def test_loss_is_counted_over_the_wrap() -> None:
    reception = Reception(7, 90000)
    receive(reception, [number for number in range(65530, 65546) if number not in (65534, 65540)])
    block = reception.report_block(20.0)
    assert block.cumulative_lost == 2
    assert block.fraction_lost == 2 * 256 // 16
    assert block.highest_sequence & 0xFFFF == 9
    assert block.highest_sequence >> 16 == 2  # it began in the first cycle of 65536
    assert reception.report_block(21.0).fraction_lost == 0


def test_reordering_is_not_loss_and_duplicates_make_it_negative() -> None:
    reception = Reception(7, 90000)
    receive(reception, [1, 3, 2, 4, 4, 4])
    assert reception.report_block(20.0).cumulative_lost == -2


def test_a_new_numbering_is_not_loss() -> None:
    reception = Reception(7, 90000)
    receive(reception, [1, 2, 3])
    index = reception.index(30000)
    reception.jump(index)
    receive(reception, [30000, 30001])
    assert reception.report_block(20.0).cumulative_lost == 0
    assert reception.lost == 0


def test_jitter_settles_at_the_mean_deviation() -> None:
    reception = Reception(7, 90000)
    for number in range(400):
        late = 0.010 if number % 2 else 0.0
        reception.count(reception.index(number), number * 1800, 100, 10 + number * 0.02 + late)
    assert reception.jitter_s == pytest.approx(0.010, rel=0.05)
    assert reception.report_block(20.0).jitter == pytest.approx(900, rel=0.05)


def test_a_wrap_of_the_timestamp_is_no_jitter() -> None:
    reception = Reception(7, 90000)
    for number in range(100):
        timestamp = (0xFFFFFFFF - 50 * 1800 + number * 1800) & 0xFFFFFFFF
        reception.count(reception.index(number), timestamp, 100, 10 + number * 0.02)
    assert reception.jitter_s < 0.001


def test_lsr_and_dlsr_lead_back_to_the_senders_report() -> None:
    reception = Reception(7, 90000)
    receive(reception, [1])
    assert reception.report_block(11.0).last_sr == 0
    reception.sender_report(SenderReport(7, 0x0123456789ABCDEF, 1000, 1, 1), 12.0)
    block = reception.report_block(12.5)
    assert block.last_sr == 0x456789AB
    assert block.delay_since_last_sr == 32768


def test_the_senders_clock_works_across_the_timestamp_wrap() -> None:
    reception = Reception(7, 90000)
    assert reception.sender_time(5) is None
    reception.sender_report(SenderReport(7, 1000 << 32, 0xFFFFFFFF - 44999, 1, 1), 12.0)
    assert reception.sender_time(45000) == pytest.approx(1001.0)
    assert reception.timestamp_at(1001.0) == 45000
    assert reception.sender_time(0xFFFFFFFF - 89999) == pytest.approx(999.5)


def test_rates_are_those_of_the_interval() -> None:
    reception = Reception(7, 90000)
    receive(reception, [1, 2, 3])
    reception.measure(2.0)
    assert reception.rate_bps == 1200
    reception.measure(2.0)
    assert reception.rate_bps == 0
