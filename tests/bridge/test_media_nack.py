"""Gaps, retransmissions and key-frame requests: what is asked for, how often, and what is answered."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media import rtp, rtx
from bridge.media.key_frames import KeyFrameRequests
from bridge.media.nack import MAX_MISSING, MAX_TRIES, MissingPackets


def test_a_missing_packet_is_asked_for_once_per_round_trip() -> None:
    missing = MissingPackets()
    assert missing.gap([5, 7], 10.0)
    assert missing.due(10.005, 0.1) == []  # it may only be late
    assert missing.due(10.011, 0.1) == [5, 7]
    assert missing.due(10.100, 0.1) == []
    missing.received(5)
    assert missing.next_due == pytest.approx(10.111)
    assert missing.due(10.112, 0.1) == [7]


def test_it_is_given_up_after_some_tries_or_a_second() -> None:
    missing = MissingPackets()
    missing.gap([1], 10.0)
    asked = sum(bool(missing.due(10 + step * 0.021, 0.0)) for step in range(1, 40))
    assert asked == MAX_TRIES
    assert len(missing) == 0
    missing.gap([2], 20.0)
    assert missing.due(21.5, 0.1) == []
    assert len(missing) == 0


def test_a_long_gap_is_not_repaired() -> None:
    missing = MissingPackets()
    assert missing.gap(list(range(MAX_MISSING)), 10.0)
    assert not missing.gap([MAX_MISSING], 10.0)
    assert len(missing) == 0


def test_nothing_before_a_key_frame_is_needed() -> None:
    missing = MissingPackets()
    missing.gap([1, 2, 3], 10.0)
    missing.forget_before(3)
    assert missing.due(10.1, 0.1) == [3]


def test_key_frame_requests_are_spaced_and_sparse_in_the_long_run() -> None:
    requests = KeyFrameRequests()
    sent = []
    for step in range(1000):
        requests.request()
        if requests.take(100 + step * 0.01):
            sent.append(step * 0.01)
    assert min(second - first for first, second in itertools.pairwise(sent)) >= 0.5
    assert len(sent) <= 10 + 3
    assert requests.sent == len(sent)


def test_a_key_frame_fulfils_the_wish() -> None:
    requests = KeyFrameRequests()
    requests.request()
    assert requests.take(1.0)
    requests.request()
    requests.key_frame()
    assert not requests.take(9.0)


def test_a_retransmission_is_restored() -> None:
    original = rtp.build(
        100, 65535, 1234, 5, b"payload", marker=0x80, extension=rtp.extension_block([(3, b"x")])
    )
    header = 12 + 8
    packet = rtp.parse(rtx.encapsulate(original, header, 96, 0x10007, 6))
    assert (packet.payload_type, packet.sequence_number, packet.ssrc) == (96, 7, 6)
    assert packet.extensions == {3: b"x"}
    restored = rtx.restore(packet, 100, 5)
    assert restored is not None
    assert (restored.sequence_number, restored.timestamp, restored.ssrc) == (65535, 1234, 5)
    assert (restored.payload, restored.marker) == (b"payload", 0x80)


@pytest.mark.parametrize(("payload", "error"), [(b"", False), (b"\x01", True)])
def test_a_retransmission_of_nothing(payload: bytes, error: bool) -> None:
    packet = rtp.parse(rtp.build(96, 1, 2, 3, payload, padding=0 if payload else 4))
    if error:
        with pytest.raises(rtp.RtpError):
            rtx.restore(packet, 100, 5)
    else:
        assert rtx.restore(packet, 100, 5) is None


def test_resends_are_limited_per_packet_and_round_trip() -> None:
    limits = rtx.ResendLimits()
    allowed = [limits.allow(1, 50, 10 + step * 0.06, 0.1) for step in range(40)]
    assert sum(allowed) == rtx.MAX_RESENDS
    assert allowed[:3] == [True, False, True]
    assert limits.allow(1, 51, 12.0, 0.1)
    assert limits.allow(2, 50, 12.0, 0.1)


def test_resends_are_limited_in_all() -> None:
    limits = rtx.ResendLimits()
    allowed = sum(limits.allow(1, index, 10.0 + index * 0.0001, 0.01) for index in range(10_000))
    assert allowed <= 2 * rtx.RESENDS_PER_SECOND + 1
    assert limits.refused == 10_000 - allowed


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0, 0.2)), max_size=60))
def test_no_history_of_gaps_breaks_the_tracker(steps: list[tuple[int, float]]) -> None:
    missing = MissingPackets()
    index, now = 0, 10.0
    for skip, wait in steps:
        missing.gap(list(range(index, index + skip - 1)), now)
        index += skip
        now += wait
        due = missing.due(now, 0.05)
        assert due == sorted(set(due))
        assert len(missing) <= MAX_MISSING
