"""The capability `single-stream`: a client that is sent one audio and one video stream for the whole call.

The bridge makes up their SSRCs and tells them in the answer; what they carry changes, they never do.
"""

from __future__ import annotations

from bridge.media.incoming import AudioTrack, VideoTrack
from bridge.media.outgoing import Position, Send
from bridge.media.single_audio import SingleAudio
from bridge.media.single_video import SingleVideo
from jingle.colibri2 import MediaSource
from jingle.sources import Source, SsrcGroup

CAPABILITY = "single-stream"
ECHO = "echo"
VIDEO_SUFFIX = "-video"
"""A client without BUNDLE has a second transport for video: an endpoint of its own, named like this."""


class SingleStream:
    """The two streams to one endpoint."""

    def __init__(
        self,
        endpoint_id: str,
        ssrcs: tuple[int, int, int],
        starts: tuple[Position, Position],
        send: Send,
        *,
        echo: bool,
    ) -> None:
        """`ssrcs` are those of audio, video and the video's RTX; `starts` where audio and video begin."""
        audio, video, rtx = ssrcs
        self.echo = echo
        """The endpoint gets its own media, and nothing else."""
        self.participant = endpoint_id.removesuffix(VIDEO_SUFFIX)
        """The endpoint that speaks when this one is seen."""
        self.audio = SingleAudio(
            AudioTrack(endpoint_id, f"{endpoint_id}-audio-down", audio), endpoint_id, send, starts[0]
        )
        self.video = SingleVideo(
            VideoTrack(endpoint_id, f"{endpoint_id}-video-down", [(video, rtx)]), endpoint_id, send, starts[1]
        )

    def gets(self, participant: str) -> bool:
        """Whether it gets the media of that participant."""
        return (participant == self.participant) == self.echo

    def remove(self, track: VideoTrack | AudioTrack) -> None:
        """A track is gone."""
        if isinstance(track, VideoTrack):
            self.video.remove(track)
        else:
            self.audio.remove(track)

    def sources(self) -> tuple[MediaSource, MediaSource]:
        """What to announce to the client."""
        audio, layer = self.audio.track, self.video.track.layers[0]
        assert layer.rtx_ssrc is not None
        pair = (layer.ssrc, layer.rtx_ssrc)
        return (
            MediaSource(audio.name, "audio", (Source(audio.ssrc),)),
            MediaSource(
                self.video.track.name,
                "video",
                tuple(Source(ssrc) for ssrc in pair),
                (SsrcGroup("FID", pair),),
            ),
        )
