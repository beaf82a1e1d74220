"""Who takes part in a conference, what each sends, and the streams between them."""

from __future__ import annotations

import random

from bridge.media import single_stream, unsignalled
from bridge.media.capabilities import Capabilities
from bridge.media.codec import OPUS
from bridge.media.endpoint import MAX_SSRCS, Endpoint
from bridge.media.incoming import AudioTrack, Track, VideoTrack, streams_of, tracks_of
from bridge.media.outgoing import Position, Send
from bridge.media.outgoing_audio import OutgoingAudio
from bridge.media.outgoing_video import OutgoingVideo
from bridge.media.single_stream import SingleStream
from bridge.media.unsignalled import Bindings
from jingle import colibri2


class Roster:
    """The endpoints of a conference. Every endpoint has an outgoing stream for every track of the others."""

    def __init__(self, ssrc: int, send_rtp: Send, random: random.Random) -> None:
        self._ssrc = ssrc
        self._send_rtp = send_rtp
        self._random = random
        self.endpoints: dict[str, Endpoint] = {}

    def add(self, endpoint_id: str, media: tuple[colibri2.Media, ...]) -> None:
        """A new endpoint."""
        endpoint = Endpoint(endpoint_id, self._ssrc)
        endpoint.capabilities = Capabilities(media)
        for other in self.endpoints.values():
            for track in other.tracks:
                self._attach(endpoint, other, track)
        self.endpoints[endpoint_id] = endpoint

    def remove(self, endpoint_id: str) -> bool:
        """An endpoint is gone; False when it was not there."""
        endpoint = self.endpoints.pop(endpoint_id, None)
        if endpoint is None:
            return False
        for track in endpoint.tracks:
            self._end(track)
        received: list[Track] = [*endpoint.video, *endpoint.audio]
        if endpoint.single is not None:
            received = [*endpoint.single.video.candidates, *endpoint.single.audio.inputs]
        for track in received:
            self._detach(endpoint, track)
        return True

    def set_media(self, endpoint_id: str, media: tuple[colibri2.Media, ...]) -> None:
        """Replace what an endpoint negotiated."""
        endpoint = self.endpoints[endpoint_id]
        endpoint.capabilities = Capabilities(media)
        _negotiate_single(endpoint)
        for other in self.endpoints.values():
            if _gets(endpoint, other):
                for track in other.tracks:
                    _negotiate(endpoint, other, track)
            if other is not endpoint and _gets(other, endpoint):
                for track in endpoint.tracks:
                    _negotiate(other, endpoint, track)

    def set_capabilities(
        self, endpoint_id: str, capabilities: tuple[str, ...]
    ) -> tuple[colibri2.MediaSource, ...]:
        """What is special about a new endpoint; returns what the bridge itself sends to it, if that is so."""
        endpoint = self.endpoints[endpoint_id]
        if unsignalled.CAPABILITY in capabilities:
            endpoint.bindings = Bindings()
        if single_stream.CAPABILITY not in capabilities or endpoint.single is not None:
            return ()
        received: list[Track] = [*endpoint.video, *endpoint.audio]
        for track in received:
            self._detach(endpoint, track)
        single = SingleStream(
            endpoint_id,
            self._unused_ssrcs(),
            (self._fresh_position(), self._fresh_position()),
            self._send_rtp,
            echo=single_stream.ECHO in capabilities,
        )
        endpoint.take_single(single)
        _negotiate_single(endpoint)
        for other in self.endpoints.values():
            if _gets(endpoint, other):
                for track in other.tracks:
                    self._attach(endpoint, other, track)
        return single.sources()

    def _unused_ssrcs(self) -> tuple[int, int, int]:
        """Three SSRCs that nobody in the conference sends or is sent."""
        used = {ssrc for one in self.endpoints.values() for ssrc in (*one.streams, *one.outgoing)}
        made: list[int] = []
        while len(made) < 3:
            ssrc = self._random.randrange(1, 1 << 32)
            if ssrc not in used and ssrc not in made and ssrc != self._ssrc:
                made.append(ssrc)
        return made[0], made[1], made[2]

    def set_sources(self, endpoint_id: str, sources: tuple[colibri2.MediaSource, ...]) -> None:
        """Replace what an endpoint sends; tracks that stay the same go on undisturbed."""
        endpoint = self.endpoints[endpoint_id]
        before = {_signature(track): track for track in endpoint.tracks}
        endpoint.tracks, endpoint.streams = [], {}
        for source in sources:
            for signalled in tracks_of(endpoint_id, source):
                track = before.get(_signature(signalled), signalled)
                streams = dict(streams_of(track))
                if (
                    len(endpoint.streams) + len(streams) > MAX_SSRCS
                    or endpoint.streams.keys() & streams.keys()
                ):
                    endpoint.drop("source")
                    continue
                endpoint.tracks.append(track)
                endpoint.streams |= streams
        if endpoint.bindings is not None:
            endpoint.bindings.retain(endpoint.tracks)
        for track in before.values():
            if track not in endpoint.tracks:
                endpoint.told_heights.pop(track.name, None)
                self._end(track)
        for track in endpoint.tracks:
            if track not in before.values():
                for other in self.endpoints.values():
                    if _gets(other, endpoint):
                        self._attach(other, endpoint, track)

    def force_mute(self, endpoint_id: str, *, audio: bool | None, video: bool | None) -> None:
        """Stop or allow what an endpoint sends; None leaves as it is."""
        endpoint = self.endpoints[endpoint_id]
        endpoint.forced_audio = endpoint.forced_audio if audio is None else audio
        endpoint.forced_video = endpoint.forced_video if video is None else video
        for track in endpoint.tracks:
            if isinstance(track, AudioTrack):
                for receiver in track.receivers:
                    receiver.interrupt()
            elif endpoint.forced_video:
                for other in self.endpoints.values():
                    other.stop_video(track)

    def connect(self, endpoint_id: str, now: float) -> bool:
        """An endpoint may send and receive from now on; False when it did already."""
        endpoint = self.endpoints[endpoint_id]
        if endpoint.connected_at is not None:
            return False
        endpoint.connected_at = endpoint.heard_at = now
        if endpoint.single is not None:
            for one in endpoint.single.audio.inputs.values():
                one.track.receivers.append(one)
            return True
        for audio in endpoint.audio.values():
            audio.track.receivers.append(audio)
        return True

    def _fresh_position(self) -> Position:
        """Numbers start below 2^15, so that the first wrap, which SRTP peers must agree on, stays far
        away."""
        return Position(self._random.randrange(1, 1 << 15), 0, 0, 0, -1.0, self._random.randrange(1, 1 << 15))

    def _attach(self, receiver: Endpoint, sender: Endpoint, track: Track) -> None:
        if receiver.single is not None:
            self._attach_single(receiver, receiver.single, track)
            _negotiate(receiver, sender, track)
            return
        start = receiver.retired.pop(track.ssrc, None) or self._fresh_position()
        if isinstance(track, VideoTrack):
            video = OutgoingVideo(track, receiver.id, self._send_rtp, start)
            receiver.video[track] = receiver.outgoing[track.ssrc] = video
        else:
            audio = OutgoingAudio(track, receiver.id, self._send_rtp, start)
            receiver.audio[track] = receiver.outgoing[track.ssrc] = audio
            if receiver.connected_at is not None:
                track.receivers.append(audio)
        _negotiate(receiver, sender, track)

    @staticmethod
    def _attach_single(receiver: Endpoint, single: SingleStream, track: Track) -> None:
        if isinstance(track, VideoTrack):
            single.video.candidates.append(track)
            return
        one = single.audio.add(track)
        if receiver.connected_at is not None:
            track.receivers.append(one)

    def _end(self, track: Track) -> None:
        for other in self.endpoints.values():
            self._detach(other, track)
        if isinstance(track, VideoTrack):
            for layer in track.layers:
                layer.clear()

    def _detach(self, receiver: Endpoint, track: Track) -> None:
        if receiver.single is not None:
            receiver.single.remove(track)
            return
        outgoing: OutgoingVideo | OutgoingAudio | None
        if isinstance(track, VideoTrack):
            outgoing = receiver.video.pop(track, None)
        else:
            outgoing = receiver.audio.pop(track, None)
            if outgoing is not None and outgoing in track.receivers:
                track.receivers.remove(outgoing)
        if outgoing is None:
            return
        receiver.retire(track.ssrc, outgoing.close())
        if receiver.outgoing.get(track.ssrc) is outgoing:
            del receiver.outgoing[track.ssrc]


def _gets(receiver: Endpoint, sender: Endpoint) -> bool:
    """Whether a receiver gets what the sender sends."""
    if receiver.single is not None:
        return receiver.single.gets(sender.participant)
    return sender is not receiver


def _negotiate(receiver: Endpoint, sender: Endpoint, track: Track) -> None:
    own, theirs = receiver.capabilities, sender.capabilities
    if isinstance(track, AudioTrack):
        known = (theirs.mapping_to(own), theirs.audio_level_id, own.audio_level_id)
        if receiver.single is not None:
            receiver.single.audio.negotiate_input(track, *known)
        else:
            receiver.audio[track].negotiate(*known)
    elif receiver.single is None:
        receiver.video[track].negotiate(*_video_types(own))


def _negotiate_single(receiver: Endpoint) -> None:
    if receiver.single is not None:
        receiver.single.video.negotiate(*_video_types(receiver.capabilities))
        receiver.single.audio.opus = receiver.capabilities.payload_types.get(OPUS, -1)


def _video_types(own: Capabilities) -> tuple[int, int, int]:
    return own.vp8, own.rtx_payload_types.get(own.vp8, -1), own.video_orientation_id


def _signature(track: Track) -> tuple[object, ...]:
    """What makes a track of two source lists the same."""
    if isinstance(track, AudioTrack):
        return ("audio", track.name, track.ssrc)
    return ("video", track.name, *((layer.ssrc, layer.rtx_ssrc) for layer in track.layers))
