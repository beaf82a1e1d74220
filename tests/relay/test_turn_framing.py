"""relay.turn.framing: messages in a stream, however it is cut."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.stun import MessageClass, Method, build
from relay.turn import channel_data
from relay.turn.framing import Framing, FramingError

MAX_BYTES = 2048
stun_messages = st.binary(max_size=200).map(
    lambda value: build(Method.SEND, MessageClass.INDICATION, bytes(12), [(0x0013, value)])
)
channel_messages = st.binary(max_size=200).map(lambda value: channel_data.build(0x4001, value, padded=True))


@given(st.lists(stun_messages | channel_messages, max_size=8), st.data())
def test_messages_come_out_however_the_stream_is_cut(messages: list[bytes], draw: st.DataObject) -> None:
    stream = b"".join(messages)
    framing, found, start = Framing(MAX_BYTES), [], 0
    while start < len(stream):
        end = draw.draw(st.integers(start + 1, len(stream)))
        found += framing.feed(stream[start:end])
        start = end
    assert found == messages


def test_one_byte_at_a_time_gives_the_same() -> None:
    stream = channel_data.build(0x4FFF, b"abcde", padded=True) + build(1, MessageClass.REQUEST, bytes(12), [])
    framing = Framing(MAX_BYTES)
    found = [message for byte in stream for message in framing.feed(bytes([byte]))]
    assert b"".join(found) == stream
    assert len(found) == 2


@given(st.binary(max_size=300))
def test_any_bytes_give_messages_or_framing_errors(data: bytes) -> None:
    with contextlib.suppress(FramingError):
        for message in Framing(MAX_BYTES).feed(data):
            assert len(message) <= MAX_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",  # TLS
        b"\x50\x00\x00\x00",
        b"\x80\x00\x00\x00",
        b"\x00\x01\x00\x00\x00",  # no magic cookie (RFC 3489)
        b"\x00\x01\x00\x02",  # length not a multiple of four
        b"\x00\x03\xff\xfc\x21\x12\xa4\x42",  # too long
        b"\x40\x00\xff\xff",
    ],
)
def test_other_streams_are_refused_as_soon_as_they_are_seen(data: bytes) -> None:
    with pytest.raises(FramingError):
        Framing(MAX_BYTES).feed(data)
