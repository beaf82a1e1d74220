"""The codec of the mixer: libopus, and levels with and without it."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media import codec, opus
from bridge.media.codec import FRAME_SAMPLES, RATE, AudioCodec, CodecError, LevelMeter, Samples


def tone(frequency: float, frames: int = 1, volume: float = 0.25, start: int = 0) -> Samples:
    return array(
        "f",
        (
            volume * math.sin(2 * math.pi * frequency * number / RATE)
            for number in range(start * FRAME_SAMPLES, (start + frames) * FRAME_SAMPLES)
        ),
    )


@pytest.fixture(scope="module")
def library() -> AudioCodec:
    loaded = opus.load()
    assert loaded is not None
    return loaded


def test_a_tone_survives_encoding_and_decoding(library: AudioCodec) -> None:
    encoder, decoder = library.encoder(), library.decoder()
    for number in range(20):
        payload = encoder.encode(tone(440, start=number))
        assert 3 < len(payload) < 200
        assert codec.duration_s(payload) == 0.020
        decoded = decoder.decode(payload)
        assert len(decoded) == FRAME_SAMPLES
    assert abs(codec.level(decoded) - 15) <= 1
    assert len(decoder.conceal()) == FRAME_SAMPLES


def test_what_cannot_be_coded_is_an_error(library: AudioCodec) -> None:
    with pytest.raises(CodecError):
        library.encoder().encode(array("f", [0.0] * 7))
    with pytest.raises(CodecError):
        library.decoder().decode(b"\xff\xff")


@given(st.binary(max_size=100))
def test_no_payload_does_harm(payload: bytes) -> None:
    loaded = opus.load()
    assert loaded is not None
    assert 0 <= LevelMeter(loaded).level(payload) <= 127
    assert 0 <= LevelMeter(None).level(payload) <= 127
    assert 0 < codec.duration_s(payload) < 8


def test_levels() -> None:
    assert codec.level(array("f", [0.0] * FRAME_SAMPLES)) == 127
    assert codec.level(array("f", [1.0] * FRAME_SAMPLES)) == 0
    assert codec.level(array("f")) == 127
    assert codec.level(tone(440, volume=0.1)) == 23


def test_levels_by_size_alone_tell_speech_from_silence() -> None:
    head = b"\x78"  # CELT, fullband, 20 ms
    assert codec.guessed_level(head + bytes(2)) == 127
    assert codec.guessed_level(head + bytes(20)) > 50
    assert codec.guessed_level(head + bytes(90)) == 25
