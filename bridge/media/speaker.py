"""Dominant speaker identification (I. Volfin, I. Cohen: "Dominant Speaker Identification for Multipoint
Videoconferencing", 2012) from the audio levels of RFC 6464; no audio is decoded.

Speech activity is judged over three intervals: immediate (one frame), medium (several) and long (many). In
each, the number of active subunits is scored by a likelihood ratio of speech and silence; a challenger must
beat the dominant speaker in all three.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

FRAME_S = 0.020
"""One level counts for a frame of this length; when none comes, silence is assumed."""
DECISION_S = 0.1
"""Between two decisions: a challenger is noticed in the first frames that are clearly speech, which decisions
every 300 ms miss often enough to take 2 s now and then."""
SILENCE_S = 5.0
"""All below the threshold of the immediate interval for so long: silence."""

LEVELS = 13
"""N1: a frame's level, 0–127 above silence, as so many steps of 10 dB (the paper's sub-bands)."""
FRAMES = 5
"""N2: frames in a medium unit."""
MEDIUMS = 10
"""N3: medium units in the long interval."""
MEDIUM_THRESHOLD = 7
"""Active steps that make a frame active: more than half of N1."""
LONG_THRESHOLD = 4
"""Active frames that make a medium unit active."""
IMMEDIATE_RATE, MEDIUM_RATE, LONG_RATE = 0.78, 24.0, 47.0
"""λ of the exponential that models the number of active subunits in silence."""
C1, C2, C3 = 3.0, 2.0, 0.0
"""How far a challenger's log score must lie above the speaker's in the immediate, medium and long
interval."""
MIN_SCORE = 1e-10
FLOOR_START = 65.0
FLOOR_MARGIN = 8
"""What lies less than this above the quietest an endpoint gets is background."""
FLOOR_RISE = 0.02
"""Per frame: about 1 dB per second, so that a fan switched on is forgotten after a while."""
KEPT_SPEAKERS = 10
"""How many earlier speakers an event names at most."""


def _scores(subunits: int, rate: float) -> tuple[float, ...]:
    """The score of 0 … `subunits` active ones: binomial (p = 1/2) over exponential likelihood, as log."""
    return tuple(
        max(
            MIN_SCORE,
            math.log(math.comb(subunits, active)) + subunits * math.log(0.5) - math.log(rate) + rate * active,
        )
        for active in range(subunits + 1)
    )


_IMMEDIATE = _scores(LEVELS, IMMEDIATE_RATE)
_MEDIUM = _scores(FRAMES, MEDIUM_RATE)
_LONG = _scores(MEDIUMS, LONG_RATE)


class Activity:
    """The recent levels of one endpoint and the scores they give."""

    __slots__ = ("_floor", "_frames", "_level_at", "active_at", "loudness", "scores")

    def __init__(self, now: float) -> None:
        self._frames: deque[int] = deque([0] * (FRAMES * MEDIUMS), FRAMES * MEDIUMS)
        """Active steps of each frame, newest last."""
        self._level_at = now
        self._floor = FLOOR_START
        self.active_at = float("-inf")
        """When a frame was active last."""
        self.loudness = 0.0
        """Of the last second or so: 0 = silence … 127."""
        self.scores = (MIN_SCORE, MIN_SCORE, MIN_SCORE)

    def level(self, loudness: int, now: float) -> None:
        """One packet's level: 0 = silence … 127 = loudest."""
        self._silence_until(now - 2 * FRAME_S)
        self.loudness += (loudness - self.loudness) * 0.05
        self._floor = min(self._floor + FLOOR_RISE, float(max(loudness, 1)))
        above = loudness if loudness > self._floor + FLOOR_MARGIN else 0
        steps = min(LEVELS, above // 10)
        self._frames.append(steps)
        self._level_at = max(self._level_at, now)
        if steps >= MEDIUM_THRESHOLD:
            self.active_at = now

    def _silence_until(self, now: float) -> None:
        missing = min(int((now - self._level_at) / FRAME_S), FRAMES * MEDIUMS)
        if missing > 0:
            self._frames.extend([0] * missing)
            self._level_at = now
            self._floor = min(self._floor, FLOOR_START)

    def evaluate(self, now: float) -> None:
        """Compute the scores as of now."""
        self._silence_until(now - 2 * FRAME_S)
        frames = list(self._frames)
        mediums = [
            sum(steps >= MEDIUM_THRESHOLD for steps in frames[start : start + FRAMES])
            for start in range(0, len(frames), FRAMES)
        ]
        long = sum(medium >= LONG_THRESHOLD for medium in mediums)
        self.scores = (_IMMEDIATE[frames[-1]], _MEDIUM[mediums[-1]], _LONG[long])


class DominantSpeaker:
    """Whom to show: the dominant speaker of a conference and those who spoke before."""

    def __init__(self) -> None:
        self._activities: dict[str, Activity] = {}
        self.order: list[str] = []
        """Endpoints, the dominant speaker first, then by who was it last; those who never spoke in order of
        joining."""
        self.speaker: str | None = None
        self.silence = False
        self._spoke: list[str] = []

    def join(self, endpoint: str, now: float) -> None:
        """An endpoint that may speak."""
        if endpoint not in self._activities:
            self._activities[endpoint] = Activity(now)
            self.order.append(endpoint)

    def leave(self, endpoint: str) -> None:
        """It is gone; if it was the dominant speaker, the next decision finds another."""
        if self._activities.pop(endpoint, None) is not None:
            self.order.remove(endpoint)
        if endpoint in self._spoke:
            self._spoke.remove(endpoint)
        if self.speaker == endpoint:
            self.speaker = None

    def level(self, endpoint: str, level: int, now: float) -> None:
        """The audio level of a packet as RFC 6464 has it: 0 = loudest … 127 = silence."""
        activity = self._activities.get(endpoint)
        if activity is not None:
            activity.level(127 - (level & 0x7F), now)

    def active_at(self, endpoint: str) -> float:
        """When a frame of that endpoint was speech last; -inf = never."""
        activity = self._activities.get(endpoint)
        return activity.active_at if activity is not None else float("-inf")

    def loudness(self, endpoint: str) -> float:
        """How loud that endpoint was in the last second or so: 0 = silence … 127."""
        activity = self._activities.get(endpoint)
        return activity.loudness if activity is not None else 0.0

    @property
    def previous(self) -> list[str]:
        """Who was dominant before, latest first."""
        return [endpoint for endpoint in self._spoke if endpoint != self.speaker][:KEPT_SPEAKERS]

    def decide(self, now: float) -> bool:
        """Decide anew; whether speaker or silence changed."""
        if not self._activities:
            return False
        for activity in self._activities.values():
            activity.evaluate(now)
        winner = self._challenger()
        last_activity = max(activity.active_at for activity in self._activities.values())
        silence = self.speaker is not None and now - last_activity > SILENCE_S
        changed = silence != self.silence
        self.silence = silence
        if winner is not None and winner != self.speaker:
            self.speaker = winner
            for listed in (self._spoke, self.order):
                if winner in listed:
                    listed.remove(winner)
                listed.insert(0, winner)
            changed = True
        return changed

    def _challenger(self) -> str | None:
        """Who beats the dominant speaker in all three intervals, by most in the medium one."""
        if self.speaker is None:
            return self._first_speaker()
        dominant = [math.log(score) for score in self._activities[self.speaker].scores]
        best, best_margin = None, 0.0
        for endpoint, activity in self._activities.items():
            if endpoint == self.speaker or activity.active_at == float("-inf"):
                continue
            margins = [math.log(score) - own for score, own in zip(activity.scores, dominant, strict=True)]
            if margins[0] > C1 and margins[1] > C2 and margins[2] > C3 and margins[1] > best_margin:
                best, best_margin = endpoint, margins[1]
        return best

    def _first_speaker(self) -> str | None:
        """Nobody is dominant: the loudest over the long interval of those that speak at all."""
        spoken: Iterable[tuple[str, Activity]] = (
            (endpoint, activity)
            for endpoint, activity in self._activities.items()
            if activity.active_at > float("-inf")
        )
        best = max(spoken, key=lambda item: tuple(reversed(item[1].scores)), default=None)
        return best[0] if best is not None else None
