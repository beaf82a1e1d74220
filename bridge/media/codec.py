"""What the mixer needs of an audio codec, and the level of decoded audio (RFC 6464)."""

from __future__ import annotations

import math
from array import array
from operator import mul
from typing import Protocol, TypeAlias

RATE = 24_000
"""Samples per second while mixing, mono: speech has nothing above 12 kHz, and it costs half of 48 000."""
FRAME_S = 0.020
FRAME_SAMPLES = 480
"""Of a frame of 20 ms."""
OPUS = ("opus", 48000)
SILENCE = 127
"""The audio level of digital silence."""
LEVEL_STEP = 4
"""Every so manieth sample is enough to tell how loud a frame is."""

Samples: TypeAlias = "array[float]"
"""Of type "f"; 1.0 is full scale."""


class CodecError(Exception):
    """A payload that cannot be decoded, or samples that cannot be encoded."""


class Decoder(Protocol):
    """Decodes one stream."""

    def decode(self, payload: bytes) -> Samples:
        """The samples of a packet, of whatever duration it has. Raises CodecError."""

    def conceal(self) -> Samples:
        """20 ms in place of a packet that was lost."""


class Encoder(Protocol):
    """Encodes one stream."""

    def encode(self, samples: Samples) -> bytes:
        """The payload for 20 ms. Raises CodecError."""


class AudioCodec(Protocol):
    """Makes decoders and encoders."""

    def decoder(self) -> Decoder:
        """A new decoder."""

    def encoder(self) -> Encoder:
        """A new encoder."""


def level(samples: Samples) -> int:
    """How loud samples are, as RFC 6464 has it: 0 = full scale … 127 = silence."""
    some = samples[::LEVEL_STEP]
    power = sum(map(mul, some, some)) / max(1, len(some))
    return min(SILENCE, max(0, round(-10 * math.log10(power)))) if power > 0 else SILENCE


class LevelMeter:
    """The level of a track whose sender does not tell it: of the decoded audio, else guessed from the size of
    the packets."""

    def __init__(self, codec: AudioCodec | None) -> None:
        self._decoder = codec.decoder() if codec is not None else None

    def level(self, payload: bytes) -> int:
        """The level of an opus packet."""
        if self._decoder is None:
            return guessed_level(payload)
        try:
            return level(self._decoder.decode(payload))
        except CodecError:
            return SILENCE


def guessed_level(payload: bytes) -> int:
    """A level by size alone: at variable bitrate speech takes more octets than noise or silence."""
    octets = len(payload) * 0.020 / duration_s(payload)
    return SILENCE if octets < 8 else max(25, 70 - round(octets * 0.6))


_CONFIG_MS = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (2.5, 5, 10, 20) * 4


def duration_s(payload: bytes) -> float:
    """The duration of an opus packet by its first octets (RFC 6716 §3.1, 3.2)."""
    if not payload:
        return FRAME_S
    code = payload[0] & 3
    frames = 1 if code == 0 else 2 if code < 3 else payload[1] & 0x3F if len(payload) > 1 else 1
    return _CONFIG_MS[payload[0] >> 3] * max(1, frames) / 1000
