"""Who gets which layer, decided over a whole conference; and what senders are told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge.media import channel_messages
from bridge.media.allocation import UNLIMITED, allocate, layers_within, rate_bps, wanted_heights
from bridge.media.endpoint import Endpoint
from bridge.media.incoming import VideoLayer, VideoTrack
from bridge.media.single_video import HEIGHT, SingleVideo, ranked

CHECK_S = 0.25
"""Layers start and stop being sent by themselves: so often it is looked whether they did."""
LIMITED_S = 1.0
"""Where a bandwidth limit holds, the choice follows the changing rates so often."""
ALWAYS_S = 5.0
"""And without any reason known so often: a layer given up for a while may be tried again."""
MAX_TOLD_HEIGHT = 2160
"""What a sender is told when a receiver sets no limit."""
STOP_DELAY_S = 2.0
"""A source nobody looks at is stopped only after this time: people scroll and switch views."""
REDUCE_DELAY_S = 1.0


class Selection:
    """Chooses anew when something changed that the choice depends on."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints
        self._checked_at = self._selected_at = float("-inf")
        self._basis: tuple[object, ...] = ()
        self.dirty = False
        """Something the choice depends on has changed."""

    def check(self, speakers: Sequence[str], now: float) -> bool:
        """Choose anew if that may change something; False when it was not even looked."""
        if not self.dirty and now - self._checked_at < CHECK_S:
            return False
        self._checked_at = now
        tracks = [track for endpoint in self._endpoints.values() for track in endpoint.video_tracks]
        limited = any(_limit_bps(endpoint) is not None for endpoint in self._endpoints.values())
        basis = (
            tuple(layer for track in tracks for layer in track.layers if layer.active(now)),
            tuple(endpoint for endpoint in self._endpoints.values() if endpoint.hears_video(now)),
        )
        if (
            self.dirty
            or basis != self._basis
            or any(track.changed for track in tracks)
            or now - self._selected_at >= (LIMITED_S if limited else ALWAYS_S)
        ):
            self.dirty = False
            self._basis = basis
            self._selected_at = now
            for track in tracks:
                track.changed = False
            for receiver in self._endpoints.values():
                self._select_for(receiver, tracks, speakers, now)
        for receiver in self._endpoints.values():
            if receiver.single is not None:
                self._select_single(receiver, receiver.single.video, speakers, now)
            for outgoing in receiver.video.values():
                outgoing.waiting(now)
        return True

    def _select_for(
        self, receiver: Endpoint, tracks: Sequence[VideoTrack], speakers: Sequence[str], now: float
    ) -> None:
        if receiver.single is not None:
            return
        wanted: dict[VideoTrack, int] = {}
        if receiver.hears_video(now):
            available = [
                track
                for track in tracks
                if track in receiver.video
                and receiver.video[track].possible
                and not self._endpoints[track.owner].forced_video
            ]
            wanted = wanted_heights(available, receiver.constraints, speakers)
        choices: dict[VideoTrack, list[VideoLayer]] = {}
        for track, height in wanted.items():
            outgoing = receiver.video[track]
            usable = [layer for layer in track.layers if outgoing.usable(layer, now)]
            choices[track] = layers_within(track, height, usable)
        receiver.unlimited_bps = sum(rate_bps(layers[-1]) for layers in choices.values())
        chosen = allocate(choices, _limit_bps(receiver))
        for track, outgoing in receiver.video.items():
            outgoing.wanted_height = wanted.get(track, 0)
            outgoing.select(chosen.get(track), now)

    def _select_single(
        self, receiver: Endpoint, video: SingleVideo, speakers: Sequence[str], now: float
    ) -> None:
        """Whom to show changes by the time that passes: looked at in every check."""
        allowed: list[tuple[VideoTrack, str]] = []
        if receiver.hears_video(now) and video.possible and receiver.constraints.last_n != 0:
            owners = [(track, self._endpoints[track.owner]) for track in video.candidates]
            allowed = [(track, owner.participant) for track, owner in owners if not owner.forced_video]
        track = video.choose(ranked(allowed, speakers), now)
        if track is None:
            video.select(None, now)
            return
        video.wanted_height = UNLIMITED if track.is_screen else HEIGHT
        usable = [layer for layer in track.layers if video.usable(layer, now)]
        layers = layers_within(track, video.wanted_height, usable)
        receiver.unlimited_bps = rate_bps(layers[-1])
        video.select(allocate({track: layers}, _limit_bps(receiver))[track], now)

    def sender_constraints(self, endpoint: Endpoint, now: float) -> Iterator[dict[str, Any]]:
        """The SenderSourceConstraints due to an endpoint: at once when more is wanted, later when less is."""
        for track in endpoint.video_tracks:
            wanted = [other.wanted_height(track) for other in self._endpoints.values()]
            height = min(MAX_TOLD_HEIGHT, max(wanted, default=0))
            told, less_since = endpoint.told_heights.get(track.name, (UNLIMITED, float("inf")))
            less_since = min(less_since, now) if height < told else float("inf")
            delay = REDUCE_DELAY_S if height else STOP_DELAY_S
            if height == told or (height < told and now - less_since < delay):
                endpoint.told_heights[track.name] = (told, less_since)
                continue
            endpoint.told_heights[track.name] = (height, float("inf"))
            yield channel_messages.sender_source_constraints(track.name, height)


def _limit_bps(receiver: Endpoint) -> float | None:
    limits = (receiver.constraints.assumed_bandwidth_bps, receiver.loss_limit.limit_bps)
    return min((limit for limit in limits if limit is not None), default=None)
