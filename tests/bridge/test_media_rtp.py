"""RTP headers and header extensions."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media import rtp

IDS = st.integers(1, 14)


def test_a_packet_is_taken_apart() -> None:
    packet = rtp.parse(bytes.fromhex("90ef1234 00000064 00000001 bede0002 30ff51aa bb107f00 cafe"))
    assert (packet.payload_type, packet.marker, packet.sequence_number) == (0x6F, 0x80, 0x1234)
    assert (packet.timestamp, packet.ssrc) == (100, 1)
    assert packet.extensions == {3: b"\xff", 5: b"\xaa\xbb", 1: b"\x7f"}
    assert packet.payload == b"\xca\xfe"


def test_two_byte_elements_are_read_and_written() -> None:
    block = rtp.extension_block([(20, b"abc"), (1, b"")])
    assert block[:2] == b"\x10\x00"
    packet = rtp.parse(rtp.build(100, 1, 2, 3, b"x", extension=block))
    assert packet.extensions == {20: b"abc", 1: b""}


def test_csrcs_are_skipped_and_padding_is_cut_off() -> None:
    data = bytes.fromhex("a2640001 00000002 00000003 aaaaaaaa bbbbbbbb cafe 000003".replace(" ", ""))
    assert rtp.parse(data).payload == b"\xca\xfe"


def test_a_packet_of_padding_has_no_payload() -> None:
    assert rtp.parse(rtp.build(100, 1, 2, 3, b"", padding=255)).payload == b""


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("empty", ""),
        ("one octet", "80"),
        ("header cut off", "8064000100000002000000"),
        ("version 1", "406400010000000200000003"),
        ("CSRCs cut off", "8f6400010000000200000003"),
        ("extension header cut off", "906400010000000200000003bede"),
        ("huge extension", "906400010000000200000003bedeffff00"),
        ("element beyond the extension", "906400010000000200000003bede00013f000000"),
        ("padding longer than the packet", "a06400010000000200000003cafeff"),
        ("padding of nothing", "a06400010000000200000003cafe00"),
        ("padding without an octet", "a06400010000000200000003"),
    ],
)
def test_what_is_not_rtp_is_refused(what: str, data: str) -> None:
    with pytest.raises(rtp.RtpError):
        rtp.parse(bytes.fromhex(data))


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_packet_or_an_rtp_error(data: bytes, like_rtp: bool) -> None:
    if like_rtp and data:
        data = bytes((0x80 | data[0] & 0x3F,)) + data[1:]
    with contextlib.suppress(rtp.RtpError):
        rtp.parse(data)


@given(
    st.tuples(st.integers(0, 127), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)),
    st.binary(min_size=1, max_size=50),
    st.dictionaries(IDS, st.binary(min_size=1, max_size=16), max_size=5),
    st.integers(0, 255),
)
def test_what_is_built_is_parsed(
    header: tuple[int, int, int], payload: bytes, elements: dict[int, bytes], padding: int
) -> None:
    payload_type, number, timestamp = header
    block = rtp.extension_block(elements.items())
    data = rtp.build(*header, 7, payload, extension=block, padding=padding)
    packet = rtp.parse(data)
    assert packet.payload_type == payload_type
    assert (packet.sequence_number, packet.timestamp, packet.ssrc) == (number, timestamp, 7)
    assert packet.extensions == elements
    assert packet.payload == payload


@given(st.dictionaries(st.integers(1, 255), st.binary(max_size=255), max_size=4))
def test_any_elements_find_a_form(elements: dict[int, bytes]) -> None:
    packet = rtp.parse(rtp.build(1, 1, 1, 1, b"x", extension=rtp.extension_block(elements.items())))
    assert packet.extensions == elements
