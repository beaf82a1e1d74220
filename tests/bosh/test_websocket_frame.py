"""WebSocket framing, the server's side."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bosh.websocket_frame import (
    Close,
    CloseCode,
    Event,
    FrameReceiver,
    Opcode,
    Ping,
    Pong,
    Text,
    WebSocketError,
    close_frame,
    frame,
    unmask,
)
from tests.bosh.raw_client import masked

LIMIT = 70_000


TEXT = 0x80 | Opcode.TEXT
CONTINUATION = 0x80 | Opcode.CONTINUATION


def received(*chunks: bytes, limit: int = LIMIT) -> list[Event]:
    receiver = FrameReceiver(limit)
    return [event for chunk in chunks for event in receiver.receive(chunk)]


MESSAGES = st.builds(Text, st.text(max_size=200).map(str.encode))
CONTROLS: st.SearchStrategy[Ping | Pong] = st.builds(Ping, st.binary(max_size=125)) | st.builds(
    Pong, st.binary(max_size=125)
)


@given(st.lists(MESSAGES | CONTROLS, max_size=6), st.binary(min_size=4, max_size=4), st.data())
def test_what_is_sent_is_received_however_it_is_fragmented_and_cut(
    events: list[Text | Ping | Pong], mask: bytes, data: st.DataObject
) -> None:
    wire = b""
    for event in events:
        if isinstance(event, Text):
            half = data.draw(st.integers(0, len(event.data)))
            wire += masked(Opcode.TEXT, event.data[:half], mask)
            wire += masked(0x80 | Opcode.PING, b"between", mask) + masked(
                CONTINUATION, event.data[half:], mask
            )
        else:
            opcode = Opcode.PING if isinstance(event, Ping) else Opcode.PONG
            wire += masked(0x80 | opcode, event.data, mask)
    cut = data.draw(st.integers(0, len(wire)))
    found = [event for event in received(wire[:cut], wire[cut:]) if event != Ping(b"between")]
    assert found == [event for event in events if event != Ping(b"between")]
    assert received(*(bytes((byte,)) for byte in wire)) == received(wire)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_nothing_but_websocket_errors_leaves_the_receiver(chunks: list[bytes]) -> None:
    try:
        received(*chunks)
    except WebSocketError as error:
        assert error.code in CloseCode


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_unmasking_is_xor(payload: bytes, mask: bytes) -> None:
    assert unmask(payload, mask) == bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_lengths_have_their_shortest_form(size: int) -> None:
    payload = b"x" * size
    sent = frame(Opcode.TEXT, payload)
    assert sent[0] == TEXT and sent.endswith(payload)
    assert len(sent) - size == (2 if size < 126 else 4 if size < 65536 else 10)
    assert received(masked(TEXT, payload)) == [Text(payload)]


def test_a_long_close_reason_is_cut_between_characters() -> None:
    sent = close_frame(CloseCode.POLICY_VIOLATION, "ü" * 100)
    assert sent[:4] == bytes((0x88, 124)) + struct.pack("!H", 1008)
    assert sent[4:].decode() == "ü" * 61


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        (masked(0x88), Close(None, "")),
        (masked(0x88, struct.pack("!H", 1000) + "größe".encode()), Close(1000, "größe")),
        (masked(0x88, struct.pack("!H", 4999)), Close(4999, "")),
    ],
)
def test_a_close_is_the_last_that_is_heard(wire: bytes, event: Event) -> None:
    assert received(wire + masked(TEXT, b"x"), masked(0xFF)) == [event]


NOT_SHORTEST = struct.pack("!BBH", TEXT, 0x80 | 126, 5) + b"\0\0\0\0" + b"abcde"
HUGE = struct.pack("!BBQ", TEXT, 0x80 | 127, 1 << 40)


@pytest.mark.parametrize(
    ("good", "bad", "code"),
    [
        (masked(TEXT, b"x"), frame(Opcode.TEXT, b"x"), 1002),
        (masked(TEXT, b"x"), masked(TEXT | 0x40, b"x"), 1002),
        (masked(TEXT, b"x"), masked(TEXT | 0x20, b"x"), 1002),
        (masked(TEXT, b"x"), masked(TEXT | 0x10, b"x"), 1002),
        (masked(TEXT, b"x"), masked(0x83, b"x"), 1002),
        (masked(0x8A, b"x"), masked(0x8B, b"x"), 1002),
        (masked(0x89, b"x" * 125), masked(0x89, b"x" * 126), 1002),
        (masked(0x89, b"x"), masked(0x09, b"x"), 1002),
        (masked(0x01, b"x") + masked(CONTINUATION), masked(CONTINUATION, b"x"), 1002),
        (masked(0x01, b"x") + masked(CONTINUATION), masked(0x01, b"x") + masked(TEXT, b"x"), 1002),
        (masked(TEXT, b"abcde"), NOT_SHORTEST, 1002),
        (masked(0x88, b"\x03\xe8"), masked(0x88, b"\x03"), 1002),
        (masked(0x88, b"\x03\xe8"), masked(0x88, struct.pack("!H", 1005)), 1002),
        (masked(0x88, b"\x03\xe8"), masked(0x88, struct.pack("!H", 1006)), 1002),
        (masked(0x88, b"\x03\xe8"), masked(0x88, struct.pack("!H", 999)), 1002),
        (masked(0x88, b"\x03\xe8"), masked(0x88, struct.pack("!H", 5000)), 1002),
        (masked(0x88, b"\x03\xe8ok"), masked(0x88, b"\x03\xe8\xff"), 1007),
        (masked(TEXT, b"x"), masked(0x82, b"x"), 1003),
        (masked(TEXT, "ü".encode()), masked(TEXT, "ü".encode()[:1]), 1007),
        (masked(TEXT, "\ud7ff".encode()), masked(TEXT, b"\xed\xa0\x80"), 1007),
        (masked(TEXT, b"\xf0\x90\x80\x80"), masked(TEXT, b"\xc0\x80"), 1007),
        (masked(TEXT, b"x" * LIMIT), masked(TEXT, b"x" * (LIMIT + 1)), 1009),
        (masked(TEXT, b"x"), HUGE, 1009),
        (
            masked(0x01, b"x" * LIMIT) + masked(CONTINUATION),
            masked(0x01, b"x" * LIMIT) + masked(CONTINUATION, b"x"),
            1009,
        ),
    ],
)
def test_what_the_rfc_forbids_is_refused_with_its_code(good: bytes, bad: bytes, code: int) -> None:
    assert received(good)
    receiver = FrameReceiver(LIMIT)
    with pytest.raises(WebSocketError) as refused:
        receiver.receive(bad)
    assert refused.value.code == code
    assert receiver.receive(masked(TEXT, b"x")) == []


def test_a_huge_length_is_refused_before_any_payload() -> None:
    with pytest.raises(WebSocketError):
        FrameReceiver(LIMIT).receive(HUGE)


def test_many_fragments_cost_no_more_than_their_bytes() -> None:
    wire = masked(0x01) + masked(0x00, b"x") * 20_000 + masked(CONTINUATION)
    assert received(*(wire[i : i + 1000] for i in range(0, len(wire), 1000))) == [Text(b"x" * 20_000)]
