"""Which layer of which video each receiver gets: by constraints, last-N, speaker order, bandwidth limit.

There is no send-side bandwidth estimate yet: the limit is what the client says (`assumedBandwidthBps`) and
what the loss in its receiver reports allows (`LossLimit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.media.incoming import VideoLayer, VideoTrack

UNLIMITED = 1 << 16
"""A height no picture has."""
HIGH_LOSS = 0.10
"""More is taken for congestion, less for the weather of a radio network."""
MIN_LIMIT_BPS = 100_000.0
TOLD_MARGIN = 0.85
TOLD_TIMES = 3
"""An estimate starts low, and single ones are off."""
JUDGED_S = 1.0
JUDGED_PACKETS = 50
"""Loss is judged at most so often, and by at least so many packets."""


@dataclass(frozen=True)
class Constraints:
    """A receiver's ReceiverVideoConstraints, with what it did not say filled in. Names are source names."""

    last_n: int = -1
    """How many videos at most; negative = all."""
    selected: tuple[str, ...] = ()
    on_stage: tuple[str, ...] = ()
    default_height: int = UNLIMITED
    heights: Mapping[str, int] = field(default_factory=dict)
    assumed_bandwidth_bps: int | None = None

    def height(self, track: VideoTrack) -> int:
        """The greatest height wanted of a track; 0 = none. Older clients name the endpoint instead."""
        named = self.heights.get(track.name)
        if named is None:
            named = self.heights.get(track.owner)
        return self.default_height if named is None else named


def prioritize(
    tracks: Sequence[VideoTrack], constraints: Constraints, speakers: Sequence[str]
) -> list[VideoTrack]:
    """On-stage sources first, then selected ones (each in the client's order), then by who spoke last."""
    named = {
        name: rank for rank, name in reversed(list(enumerate(constraints.on_stage + constraints.selected)))
    }
    spoke = {endpoint: rank for rank, endpoint in enumerate(speakers)}

    def rank(track: VideoTrack) -> tuple[int, int]:
        chosen = min(named.get(track.name, len(named)), named.get(track.owner, len(named)))
        return chosen, spoke.get(track.owner, len(spoke))

    return sorted((track for track in tracks if track.video_type != "none"), key=rank)


def wanted_heights(
    tracks: Sequence[VideoTrack], constraints: Constraints, speakers: Sequence[str]
) -> dict[VideoTrack, int]:
    """What a receiver asks of each track, in order of priority: its constraints after last-N."""
    wanted: dict[VideoTrack, int] = {}
    for track in prioritize(tracks, constraints, speakers):
        if 0 <= constraints.last_n <= len(wanted):
            break
        height = constraints.height(track)
        if height > 0:
            wanted[track] = height
    return wanted


def layers_within(track: VideoTrack, height: int, usable: Sequence[VideoLayer]) -> list[VideoLayer]:
    """The usable layers not higher than `height`, lowest first; the lowest one when all are higher or none is
    usable. Of a screen the smallest is never used when there is another: nobody could read it."""
    candidates = usable or track.layers[:1]
    if track.is_screen and len(candidates) > 1:
        candidates = candidates[1:]
    return [layer for layer in candidates if track.height(layer) <= height] or list(candidates[:1])


def allocate(
    choices: Mapping[VideoTrack, Sequence[VideoLayer]], limit_bps: float | None
) -> dict[VideoTrack, VideoLayer]:
    """The layer of each track (given in order of priority) so that the sum stays within the limit.

    The lowest layer of each is always given; what is left goes to higher layers, the first track first.
    """
    chosen = {track: layers[0] for track, layers in choices.items()}
    if limit_bps is None:
        return {track: layers[-1] for track, layers in choices.items()}
    left = limit_bps - sum(rate_bps(layer) for layer in chosen.values())
    for track, layers in choices.items():
        for layer in reversed(layers[1:]):
            extra = rate_bps(layer) - rate_bps(chosen[track])
            if extra <= left:
                chosen[track] = layer
                left -= extra
                break
    return chosen


def rate_bps(layer: VideoLayer) -> float:
    """What a layer takes: measured, else guessed from its height (0.1 bit per pixel of 16:9 at 30 frames per
    second)."""
    return layer.reception.rate_bps or layer.track.height(layer) ** 2 * 16 / 9 * 3


class LossLimit:
    """A bandwidth limit from reported loss, after the loss-based half of Google congestion control.

    Above 10 % of loss it shrinks by half of the loss, below it grows by up to 8 % per second, and goes when
    nothing is held back any more.
    """

    __slots__ = ("_at", "_expected", "_lost", "_told_low", "limit_bps")

    def __init__(self) -> None:
        self.limit_bps: float | None = None
        self._at = float("-inf")
        self._expected = self._lost = self._told_low = 0

    def reported(self, expected: int, lost: int, now: float) -> float | None:
        """Count packets of a report; the fraction lost once there are enough to judge by, else None."""
        self._expected += expected
        self._lost += lost
        if now - self._at < JUDGED_S or self._expected < JUDGED_PACKETS:
            return None
        fraction = min(1.0, max(0.0, self._lost / self._expected))
        self._expected = self._lost = 0
        return fraction

    def told(self, bitrate_bps: float, sent_bps: float) -> None:
        """A receiver's own estimate: heeded when it stays below what is sent. What lies above says little,
        for it grows no faster than what is sent."""
        self._told_low = self._told_low + 1 if bitrate_bps < TOLD_MARGIN * sent_bps else 0
        if self._told_low >= TOLD_TIMES:
            self.limit_bps = max(MIN_LIMIT_BPS, bitrate_bps)

    def judge(self, fraction_lost: float, sent_bps: float, unlimited_bps: float, now: float) -> None:
        """Move the limit; `sent_bps` is sent now, `unlimited_bps` would be without a limit."""
        elapsed = min(now - self._at, 2.0)
        self._at = now
        if fraction_lost > HIGH_LOSS:
            limit = sent_bps if self.limit_bps is None else min(self.limit_bps, sent_bps)
            self.limit_bps = max(MIN_LIMIT_BPS, limit * (1 - 0.5 * fraction_lost))
        elif self.limit_bps is not None:
            self.limit_bps *= 1.08 ** (elapsed * (1 - fraction_lost / HIGH_LOSS))
            if self.limit_bps > 1.5 * unlimited_bps:
                self.limit_bps = None
