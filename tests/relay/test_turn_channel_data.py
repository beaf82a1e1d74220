"""relay.turn.channel_data."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.turn.channel_data import ChannelDataError, build, parse


@given(st.integers(0x4000, 0x4FFF), st.binary(max_size=100), st.booleans())
def test_what_is_built_is_read_back(number: int, data: bytes, padded: bool) -> None:
    message = build(number, data, padded=padded)
    assert parse(message) == (number, data)
    assert not padded or len(message) % 4 == 0


@given(st.binary(max_size=40))
def test_any_bytes_parse_or_raise_channel_data_error(message: bytes) -> None:
    with contextlib.suppress(ChannelDataError):
        number, data = parse(message)
        assert 0x4000 <= number <= 0x4FFF
        assert len(data) <= len(message) - 4


@pytest.mark.parametrize("message", ["", "400000", "3fff0000", "50000000", "40000001", "4000ffff00"])
def test_malformed_messages_are_refused(message: str) -> None:
    with pytest.raises(ChannelDataError):
        parse(bytes.fromhex(message))
