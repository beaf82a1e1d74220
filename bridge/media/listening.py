"""What those hear who get one audio stream only, and the levels of those who do not tell them."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.media import rtp
from bridge.media.codec import OPUS, AudioCodec, LevelMeter
from bridge.media.endpoint import Endpoint
from bridge.media.incoming import AudioTrack
from bridge.media.mixer import Mixer
from bridge.media.speaker import DominantSpeaker


class Listening:
    """Of one conference. Without a codec nothing is mixed: one of those who speak is heard."""

    def __init__(self, codec: AudioCodec | None) -> None:
        self._codec = codec
        self._mixer = Mixer(codec) if codec is not None else None

    @property
    def due(self) -> float:
        """When run() must be called at the latest."""
        return self._mixer.due if self._mixer is not None else float("inf")

    def receive(self, endpoint: Endpoint, track: AudioTrack, packet: rtp.Packet, index: int) -> None:
        """An audio packet, before it is forwarded: it may be mixed, and gets a level if it has none."""
        capabilities = endpoint.capabilities
        if not packet.payload or capabilities.codecs.get(packet.payload_type) != OPUS:
            return
        level_id = capabilities.audio_level_id
        if level_id < 0:
            # The level stands where those who forward the packet look for it: under the id of "none".
            if track.meter is None:
                track.meter = LevelMeter(self._codec)
            packet.extensions[level_id] = bytes((track.meter.level(packet.payload),))
        if self._mixer is not None and not self._mixer.receive(track, packet.payload, index):
            endpoint.drop("opus")

    def run(self, endpoints: Mapping[str, Endpoint], speaker: DominantSpeaker, now: float) -> None:
        """Choose whom everybody hears, and send what is mixed."""
        listeners = [
            endpoint.single.audio
            for endpoint in endpoints.values()
            if endpoint.single is not None and endpoint.connected_at is not None
        ]
        if listeners:
            muted = {endpoint.id for endpoint in endpoints.values() if endpoint.forced_audio}
            for listener in listeners:
                listener.choose(speaker, muted, now, can_mix=self._mixer is not None)
        if self._mixer is None:
            return
        self._mixer.want({listener.mix for listener in listeners if listener.mix}, now)
        for slot, payloads in self._mixer.frames(now):
            for listener in listeners:
                if listener.mix in payloads:
                    listener.send_mixed(slot, payloads[listener.mix], now)
