"""VP8 payload descriptors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media import vp8
from bridge.media.rtp import RtpError
from tests.bridge.media_packets import descriptor, key_frame_header


@pytest.mark.parametrize(
    ("payload", "counters", "size", "starts"),
    [
        ("10 00", (-1, 0, -1), 1, True),
        ("00 00", (-1, 0, -1), 1, False),
        ("11 00", (-1, 0, -1), 1, False),  # a later partition begins, not a frame
        ("90 00 01", (-1, 0, -1), 2, True),
        ("90 80 11 01", (0x11, 7, -1), 3, True),
        ("90 80 81 11 01", (0x111, 15, -1), 4, True),
        ("90 e0 81 11 22 40 01", (0x111, 15, 0x22), 6, True),
        ("80 f0 ff ff 22 45 01", (0x7FFF, 15, 0x22), 6, False),
        ("90 10 05 01", (-1, 0, -1), 3, True),
    ],
)
def test_descriptors(payload: str, counters: tuple[int, int, int], size: int, starts: bool) -> None:
    parsed = vp8.parse_descriptor(bytes.fromhex(payload))
    assert (parsed.picture_id, parsed.picture_id_bits, parsed.tl0picidx) == counters
    assert (parsed.size, parsed.starts_frame) == (size, starts)


@pytest.mark.parametrize("payload", ["", "90", "90 80", "90 80 80", "90 c0 11", "10", "90 e0 81 11 22 40"])
def test_what_is_cut_off_is_refused(payload: str) -> None:
    with pytest.raises(RtpError):
        vp8.parse_descriptor(bytes.fromhex(payload))


def test_key_frames_and_their_size() -> None:
    start = descriptor(5, 6, start=True)
    payload = start + key_frame_header(360) + bytes(20)
    parsed = vp8.parse_descriptor(payload)
    assert vp8.starts_key_frame(payload, parsed)
    assert vp8.key_frame_size(payload, parsed) == (640, 360)
    assert vp8.key_frame_size(payload[:14], parsed) is None
    later = descriptor(5, 6, start=False) + b"\x10" + bytes(20)
    assert not vp8.starts_key_frame(later, vp8.parse_descriptor(later))
    inter = start + b"\x11" + bytes(20)
    assert not vp8.starts_key_frame(inter, vp8.parse_descriptor(inter))


@given(
    st.sampled_from((0, 7, 15)), st.integers(0, 0x7FFF), st.integers(0, 255), st.integers(0), st.integers(0)
)
def test_rewriting_moves_the_counters_and_nothing_else(
    bits: int, picture: int, tl0: int, by: int, tl0_by: int
) -> None:
    payload = descriptor(picture & (1 << max(bits, 1)) - 1, tl0, start=True, tid=2, bits=bits) + b"\x10rest"
    parsed = vp8.parse_descriptor(payload)
    start = vp8.rewrite(
        parsed.head,
        parsed.picture_id,
        parsed.picture_id_bits,
        parsed.tl0picidx,
        picture_offset=by,
        tl0_offset=tl0_by,
    )
    moved = vp8.parse_descriptor(start + payload[parsed.tail_start :])
    assert moved.size == parsed.size
    assert moved.picture_id_bits == bits
    if bits:
        assert moved.picture_id == (parsed.picture_id + by) % (1 << bits)
        assert moved.tl0picidx == (parsed.tl0picidx + tl0_by) % 256
    assert payload.endswith(b"\x10rest")


@given(st.binary(max_size=30))
def test_any_bytes_are_a_descriptor_or_an_rtp_error(payload: bytes) -> None:
    try:
        parsed = vp8.parse_descriptor(payload)
    except RtpError:
        return
    vp8.starts_key_frame(payload, parsed)
    vp8.key_frame_size(payload, parsed)
