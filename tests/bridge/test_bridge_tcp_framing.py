"""RFC 4571 framing: whatever the pieces, the same datagrams; and no more memory than a datagram."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.tcp_framing import HEADER_BYTES, Framing, FramingError, frame

MAX = 100


@given(st.lists(st.binary(max_size=MAX), max_size=20), st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_datagrams_come_out_as_they_went_in_however_the_stream_is_cut(
    datagrams: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(map(frame, datagrams))
    framing, found = Framing(MAX), []
    position = number = 0
    while position < len(stream):
        piece = cuts[number % len(cuts)]
        found += framing.feed(stream[position : position + piece])
        assert len(framing._buffer) < MAX + HEADER_BYTES
        position, number = position + piece, number + 1
    assert found == [datagram for datagram in datagrams if datagram]


@given(st.lists(st.binary(max_size=3 * MAX), max_size=10))
def test_any_stream_is_cut_or_refused(pieces: list[bytes]) -> None:
    framing = Framing(MAX)
    try:
        for piece in pieces:
            assert all(len(datagram) <= MAX for datagram in framing.feed(piece))
    except FramingError:
        pass


def test_a_length_beyond_the_limit_is_refused_before_the_datagram_has_come() -> None:
    assert Framing(MAX).feed(frame(bytes(MAX))) == [bytes(MAX)]
    with pytest.raises(FramingError):
        Framing(MAX).feed(b"\x00\x65")
