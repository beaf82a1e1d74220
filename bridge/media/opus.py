"""libopus, as the mixer's codec: the seven functions of its C interface (opus.h) that are used.

The library is the system's (Debian: libopus0). Without it nothing is mixed: the loudest is forwarded.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from array import array
from functools import cache

from bridge.media.codec import FRAME_SAMPLES, RATE, AudioCodec, CodecError, Decoder, Encoder, Samples

BITRATE = 32_000
COMPLEXITY = 5
"""Of 0–10: 9 takes twice the time for a difference hardly anybody hears in speech."""
EXPECTED_LOSS_PERCENT = 10

_MAX_PACKET = 1275
_MAX_SAMPLES = 6 * FRAME_SAMPLES
"""120 ms: the longest packet."""
_APPLICATION_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS = 4002, 4010, 4012, 4014


class _Decoder:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._state = library.opus_decoder_create(RATE, 1, None)
        if not self._state:
            raise MemoryError("no opus decoder")
        self._buffer = (ctypes.c_float * _MAX_SAMPLES)()

    def __del__(self) -> None:
        self._library.opus_decoder_destroy(self._state)

    def decode(self, payload: bytes) -> Samples:
        return self._run(payload, len(payload), _MAX_SAMPLES)

    def conceal(self) -> Samples:
        return self._run(None, 0, FRAME_SAMPLES)

    def _run(self, payload: bytes | None, size: int, samples: int) -> Samples:
        count = self._library.opus_decode_float(self._state, payload, size, self._buffer, samples, 0)
        if count < 0:
            raise CodecError(f"opus error {count}")
        made: Samples = array("f")
        made.frombytes(memoryview(self._buffer).cast("B")[: 4 * count])
        return made


class _Encoder:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._state = library.opus_encoder_create(RATE, 1, _APPLICATION_VOIP, None)
        if not self._state:
            raise MemoryError("no opus encoder")
        for request, value in (
            (_SET_BITRATE, BITRATE),
            (_SET_COMPLEXITY, COMPLEXITY),
            (_SET_INBAND_FEC, 1),
            (_SET_PACKET_LOSS, EXPECTED_LOSS_PERCENT),
        ):
            library.opus_encoder_ctl(self._state, request, ctypes.c_int(value))
        self._packet = ctypes.create_string_buffer(_MAX_PACKET)

    def __del__(self) -> None:
        self._library.opus_encoder_destroy(self._state)

    def encode(self, samples: Samples) -> bytes:
        if len(samples) != FRAME_SAMPLES:
            raise CodecError("not a frame of 20 ms")
        frame = (ctypes.c_float * FRAME_SAMPLES).from_buffer(samples)
        size = self._library.opus_encode_float(self._state, frame, FRAME_SAMPLES, self._packet, _MAX_PACKET)
        if size < 0:
            raise CodecError(f"opus error {size}")
        return self._packet.raw[:size]


class Opus:
    """Makes decoders and encoders of libopus."""

    def __init__(self, library: ctypes.CDLL) -> None:
        pointer, integer, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
        samples = ctypes.POINTER(ctypes.c_float)
        signatures: dict[str, tuple[object, tuple[object, ...]]] = {
            "opus_decoder_create": (pointer, (integer, integer, pointer)),
            "opus_decoder_destroy": (None, (pointer,)),
            "opus_decode_float": (integer, (pointer, text, integer, samples, integer, integer)),
            "opus_encoder_create": (pointer, (integer, integer, integer, pointer)),
            "opus_encoder_destroy": (None, (pointer,)),
            "opus_encode_float": (integer, (pointer, samples, integer, text, integer)),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        library.opus_encoder_ctl.argtypes = (pointer, integer)  # variadic: what follows is given as c_int
        self._library = library

    def decoder(self) -> Decoder:
        """A new decoder."""
        return _Decoder(self._library)

    def encoder(self) -> Encoder:
        """A new encoder."""
        return _Encoder(self._library)


@cache
def load() -> AudioCodec | None:
    """The codec, or None where the library is not installed."""
    for name in ("libopus.so.0", ctypes.util.find_library("opus")):
        try:
            if name is not None:
                return Opus(ctypes.CDLL(name))
        except OSError:
            continue
    return None
