"""Mixes voices for those who can take only one audio stream, while several speak at the same time.

Each voice is decoded once; listeners who hear the same voices share one mix, so that the work is bounded by
who speaks, not by who listens.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from operator import add

from bridge.media.codec import FRAME_S, FRAME_SAMPLES, AudioCodec, CodecError, Encoder, Samples
from bridge.media.incoming import AudioTrack

MAX_VOICES = 3
"""In one mix: nobody follows more."""
PREBUFFER_FRAMES = 2
"""A voice begins with so many frames in hand: packets come unevenly."""
MAX_FRAMES = 8
"""More is delay that never goes away: it is cut back."""
MAX_CONCEALED = 3
"""A longer gap is silence."""
MAX_LATE_FRAMES = 10
"""Frames that could not be made in time are left out beyond this number."""

Voices = frozenset[AudioTrack]


class Voice:
    """One track, decoded and waiting to be mixed."""

    __slots__ = ("_decoder", "_index", "_playing", "_samples")

    def __init__(self, codec: AudioCodec) -> None:
        self._decoder = codec.decoder()
        self._index = -1
        self._samples: Samples = array("f")
        self._playing = False

    def receive(self, payload: bytes, index: int) -> None:
        """A packet; what comes late is left out, what is missing concealed. Raises CodecError."""
        missing = index - self._index - 1 if self._index >= 0 else 0
        if missing < 0:
            return
        self._index = index
        if missing <= MAX_CONCEALED:
            for _ in range(missing):
                self._samples.extend(self._decoder.conceal())
        self._samples.extend(self._decoder.decode(payload))
        if len(self._samples) > MAX_FRAMES * FRAME_SAMPLES:
            del self._samples[: -PREBUFFER_FRAMES * FRAME_SAMPLES]

    def take(self) -> Samples | None:
        """The next frame; None while there is none."""
        if len(self._samples) < (1 if self._playing else PREBUFFER_FRAMES) * FRAME_SAMPLES:
            self._playing = False
            return None
        self._playing = True
        frame = self._samples[:FRAME_SAMPLES]
        del self._samples[:FRAME_SAMPLES]
        return frame


class Mixer:
    """The mixes of one conference."""

    def __init__(self, codec: AudioCodec) -> None:
        self._codec = codec
        self._voices: dict[AudioTrack, Voice] = {}
        self._encoders: dict[Voices, Encoder] = {}
        self._slot = 0
        self.due = float("inf")
        """When the next frames are to be made."""

    def want(self, mixes: Collection[Voices], now: float) -> None:
        """From now on make these mixes, and no others."""
        if not mixes:
            self._voices.clear()
            self._encoders.clear()
            self.due = float("inf")
            return
        if not self._encoders:
            self.due = now + FRAME_S
        tracks = frozenset[AudioTrack]().union(*mixes)
        self._voices = {track: self._voices.get(track) or Voice(self._codec) for track in tracks}
        self._encoders = {mix: self._encoders.get(mix) or self._codec.encoder() for mix in mixes}

    def receive(self, track: AudioTrack, payload: bytes, index: int) -> bool:
        """An opus packet of any track; False when it cannot be decoded."""
        voice = self._voices.get(track)
        if voice is None or not payload:
            return True
        try:
            voice.receive(payload, index)
        except CodecError:
            return False
        return True

    def frames(self, now: float) -> Iterator[tuple[int, dict[Voices, bytes]]]:
        """What is due: the number of each frame, and the payload of every mix in which somebody is heard."""
        late = int((now - self.due) / FRAME_S) if self.due <= now else 0
        if late > MAX_LATE_FRAMES:
            self._slot += late
            self.due += late * FRAME_S
        while self.due <= now:
            self.due += FRAME_S
            self._slot += 1
            yield self._slot, self._frame()

    def _frame(self) -> dict[Voices, bytes]:
        taken = {track: voice.take() for track, voice in self._voices.items()}
        made: dict[Voices, bytes] = {}
        for mix, encoder in self._encoders.items():
            heard = [frame for track in mix if (frame := taken[track]) is not None]
            if heard:
                made[mix] = encoder.encode(mixed(heard))
        return made


def mixed(frames: Sequence[Samples]) -> Samples:
    """The sum of frames of the same length; the encoder clips what is too loud."""
    total: Samples = frames[0]
    for frame in frames[1:]:
        total = array("f", map(add, total, frame))
    return total
