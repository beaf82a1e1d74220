"""One participant of a conference as the router knows it."""

from __future__ import annotations

from collections import Counter

import prometheus_client
import structlog

from bridge.media import rtcp
from bridge.media.allocation import Constraints, LossLimit
from bridge.media.capabilities import Capabilities
from bridge.media.incoming import AudioTrack, Stream, Track, VideoTrack
from bridge.media.outgoing import Position
from bridge.media.outgoing_audio import OutgoingAudio
from bridge.media.outgoing_video import OutgoingVideo
from bridge.media.remb import ReceiveLimit
from bridge.media.rtx import ResendLimits
from bridge.media.single_stream import SingleStream
from bridge.media.transport_cc import Arrivals
from bridge.media.unsignalled import Bindings

log = structlog.get_logger()

DROPPED = prometheus_client.Counter(
    "carillon_bridge_media_dropped_total", "Received packets and messages that were dropped", ["reason"]
)

MAX_SSRCS = 40
"""SSRCs of one endpoint that are received: a camera with simulcast and RTX takes 6. Each may fill a cache."""
MAX_RETIRED = 256
"""Streams that ended whose numbering is remembered for the receiver: SRTP must not see numbers twice."""
GRACE_S = 2.0
"""An endpoint whose channel says nothing for so long after it connected gets video without being asked: a
plain client has no channel."""


class Endpoint:
    """Capabilities, what it sends, what it gets, and what its reports and messages said."""

    __slots__ = (
        "_messages",
        "_messages_at",
        "_said",
        "arrivals",
        "asked",
        "audio",
        "bindings",
        "capabilities",
        "channel",
        "connected_at",
        "consented",
        "constraints",
        "dropped",
        "fed_back_at",
        "feedback_description",
        "feedback_ssrc",
        "feedback_start",
        "forced_audio",
        "forced_video",
        "heard_at",
        "id",
        "limits",
        "loss_limit",
        "media_ssrc",
        "outgoing",
        "receive_limit",
        "received_bps",
        "retired",
        "rtt_s",
        "sender_clock",
        "sent_bps",
        "silent",
        "single",
        "streams",
        "told_heights",
        "tracks",
        "unlimited_bps",
        "video",
    )

    def __init__(self, endpoint_id: str, ssrc: int) -> None:
        self.id = endpoint_id
        self.capabilities = Capabilities()
        self.connected_at: float | None = None
        self.channel = False
        self.forced_audio = self.forced_video = False
        """Force-muted by the focus."""
        self.tracks: list[Track] = []
        """What it sends, as signalled."""
        self.streams: dict[int, Stream] = {}
        """The SSRCs of its tracks."""
        self.bindings: Bindings | None = None
        """SSRCs that were not signalled, where such are taken."""
        self.video: dict[VideoTrack, OutgoingVideo] = {}
        self.audio: dict[AudioTrack, OutgoingAudio] = {}
        """What it gets of the others' tracks."""
        self.outgoing: dict[int, OutgoingVideo | OutgoingAudio] = {}
        """The same by the SSRC it sees."""
        self.retired: dict[int, Position] = {}
        self.constraints = Constraints()
        self.asked = False
        """Whether it said over the channel what it wants to see."""
        self.loss_limit = LossLimit()
        self.receive_limit = ReceiveLimit()
        self.unlimited_bps = 0.0
        """What its video would take without a bandwidth limit."""
        self.limits = ResendLimits()
        self.rtt_s = 0.1
        """Round trip to the endpoint, from its reports; a guess until then."""
        self.sender_clock: float | None = None
        """Router time minus the wall clock in the endpoint's SRs: one value for all its SSRCs, for lip
        sync."""
        self.arrivals = Arrivals()
        self.fed_back_at = float("-inf")
        self.media_ssrc = 0
        """An SSRC of its own that feedback about the whole transport names."""
        self.single: SingleStream | None = None
        """Its only streams, if it can take no more than one of each media."""
        self._report_as(ssrc)
        self.heard_at = float("-inf")
        self.consented = False
        self.silent = False
        """Told to the others as not active."""
        self.told_heights: dict[str, tuple[int, float]] = {}
        """Source name to the last maxHeight told, and since when less would do (inf = not)."""
        self._messages = 0.0
        self._messages_at = 0.0
        self.received_bps = self.sent_bps = 0.0
        self.dropped: Counter[str] = Counter()
        self._said: set[str] = set()

    def drop(self, reason: str) -> None:
        """Count something that is not let through; the first of its kind is logged."""
        self.dropped[reason] += 1
        DROPPED.labels(reason).inc()
        if reason not in self._said:
            self._said.add(reason)
            log.info("media_dropped", endpoint=self.id, reason=reason)

    def hears_video(self, now: float) -> bool:
        """Whether video is to be forwarded to it: it asked for some, or has no channel to do so."""
        if self.connected_at is None:
            return False
        return self.asked or self.single is not None or now - self.connected_at >= GRACE_S

    @property
    def participant(self) -> str:
        """The endpoint that speaks when this one is seen: itself, but for a second transport for video."""
        return self.id if self.single is None else self.single.participant

    def take_single(self, single: SingleStream) -> None:
        """From now on it is sent these two streams only."""
        self.single = single
        video, audio = single.video, single.audio
        self.video[video.track] = self.outgoing[video.track.ssrc] = video
        self.audio[audio.track] = self.outgoing[audio.track.ssrc] = audio
        self._report_as(single.video.track.ssrc)

    def wanted_height(self, track: VideoTrack) -> int:
        """The height that it wants of a track; 0 = none."""
        if self.single is not None:
            return self.single.video.shows(track)
        outgoing = self.video.get(track)
        return outgoing.wanted_height if outgoing is not None else 0

    def stop_video(self, track: VideoTrack) -> None:
        """Send it nothing of that track from now on."""
        if self.single is not None:
            self.single.video.release(track)
        elif track in self.video:
            self.video[track].stop()

    def _report_as(self, ssrc: int) -> None:
        """Some clients heed only feedback from an SSRC that they receive media of."""
        self.feedback_ssrc = ssrc
        self.feedback_description = rtcp.source_description([(ssrc, "carillon")])
        self.feedback_start = rtcp.receiver_report(ssrc) + self.feedback_description
        """What every compound with feedback to this endpoint starts with."""

    @property
    def video_tracks(self) -> list[VideoTrack]:
        """The video among its tracks."""
        return [track for track in self.tracks if isinstance(track, VideoTrack)]

    def message_credit(self, per_second: float, now: float) -> bool:
        """Whether a channel message may be handled now: `per_second` of them, twice as many in a burst."""
        self._messages = max(0.0, self._messages - (now - self._messages_at) * per_second)
        self._messages_at = now
        if self._messages + 1 > 2 * per_second:
            return False
        self._messages += 1
        return True

    def retire(self, ssrc: int, position: Position) -> None:
        """Remember where the numbering of an ended outgoing stream stands."""
        self.retired.pop(ssrc, None)
        self.retired[ssrc] = position
        if len(self.retired) > MAX_RETIRED:
            del self.retired[next(iter(self.retired))]
