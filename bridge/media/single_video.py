"""All video of a conference as one stream, constant to a client that knows one SSRC for the whole call: a
shared screen first, else whoever speaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge.media.incoming import VideoTrack
from bridge.media.outgoing import Position, Send
from bridge.media.outgoing_video import OutgoingVideo

SHOWN_S = 1.0
"""Nobody is shown for less."""
HYSTERESIS_S = 0.2
"""Whoever is to be shown must stay first for so long: less than the time between two looks (Selection). It
adds to what the choice of the dominant speaker takes, which an interjection does not change already."""
DARK_S = 2.0
"""A source that sends nothing for so long though it is asked to is passed over: the camera is off."""
RETRY_S = 10.0
"""After this time it is looked whether it sends again."""
HEIGHT = 720
"""No more is sent of a camera: the client cannot say how large it shows the picture."""


class SingleVideo(OutgoingVideo):
    """See the module. `track` stands for the stream itself; what it shows is chosen among `candidates`."""

    __slots__ = ("_challenger", "_challenger_since", "_chosen_at", "_dark", "candidates", "chosen")

    def __init__(self, track: VideoTrack, receiver: str, send: Send, start: Position) -> None:
        super().__init__(track, receiver, send, start)
        self.candidates: list[VideoTrack] = []
        self.chosen: VideoTrack | None = None
        """What is to be shown; the one before goes on until a key frame of this one comes."""
        self._chosen_at = 0.0
        self._challenger: VideoTrack | None = None
        self._challenger_since = 0.0
        self._dark: dict[VideoTrack, float] = {}
        """Tracks that are passed over, and until when."""

    def remove(self, track: VideoTrack) -> None:
        """A track is gone."""
        if track in self.candidates:
            self.candidates.remove(track)
            self._dark.pop(track, None)
            self.release(track)
            self.forget(track.layers)
        if self._challenger is track:
            self._challenger = None

    def release(self, track: VideoTrack) -> None:
        """Forward nothing of that track from now on."""
        if self.chosen is track:
            self.chosen = None
        current, target = self.current, self.target
        if (target is not None and target.track is track) or (current is not None and current.track is track):
            self.stop()

    def shows(self, track: VideoTrack) -> int:
        """The height wanted of a track: 0 unless it is shown or about to be."""
        current = self.current
        shown = track is self.chosen or (current is not None and current.track is track)
        return self.wanted_height if shown else 0

    def choose(self, ranked: Sequence[VideoTrack], now: float) -> VideoTrack | None:
        """Whom to show, out of tracks in order of preference."""
        chosen = self.chosen
        if chosen is not None and not _active(chosen, now) and now - self._chosen_at >= DARK_S:
            self._dark[chosen] = now + RETRY_S
        for track in [track for track, until in self._dark.items() if until <= now or _active(track, now)]:
            del self._dark[track]
        best = next((track for track in ranked if track not in self._dark), ranked[0] if ranked else None)
        if chosen in ranked and chosen not in self._dark and best is not chosen:
            if self._challenger is not best:
                self._challenger, self._challenger_since = best, now
            if now - self._challenger_since < HYSTERESIS_S or now - self._chosen_at < SHOWN_S:
                return chosen
        self._challenger = None
        if best is not chosen:
            self.chosen, self._chosen_at = best, now
        return best


def ranked(tracks: Iterable[tuple[VideoTrack, str]], speakers: Sequence[str]) -> list[VideoTrack]:
    """Screens first, then by who spoke last; each track comes with the participant that it shows."""
    spoke = {endpoint: rank for rank, endpoint in enumerate(speakers)}
    shown = [(track, who) for track, who in tracks if track.video_type != "none"]
    shown.sort(key=lambda one: (not one[0].is_screen, spoke.get(one[1], len(spoke))))
    return [track for track, _ in shown]


def _active(track: VideoTrack, now: float) -> bool:
    return any(layer.active(now) for layer in track.layers)
