"""All audio of a conference as one stream: for a client that knows one SSRC for the whole call.

While one speaks, what he sends is forwarded with other numbers; while several do, they are mixed; when
nobody speaks, it stays with whoever spoke last.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from bridge.media import rtp
from bridge.media.codec import FRAME_S
from bridge.media.incoming import AudioTrack
from bridge.media.mixer import MAX_VOICES, PREBUFFER_FRAMES, Voices
from bridge.media.outgoing import Clock, Position, Send
from bridge.media.outgoing_audio import OutgoingAudio
from bridge.media.sequence import signed_distance
from bridge.media.speaker import DominantSpeaker

HANG_S = 1.0
"""So long after the last loud frame somebody still counts as speaking: people pause between words."""
SENDING_S = 0.5
"""A track without packets for so long is muted."""
FRAME = 960
"""20 ms of the RTP clock."""


class AudioInput:
    """One track on its way into the stream."""

    __slots__ = ("_single", "level_id", "payload_types", "track")

    def __init__(self, track: AudioTrack, single: SingleAudio) -> None:
        self.track = track
        self._single = single
        self.payload_types: dict[int, int] = {}
        """The sender's payload types to the receiver's."""
        self.level_id = -1
        """The sender's id of the audio level."""

    def receive(self, packet: rtp.Packet, index: int) -> None:
        """Forward a packet while this is the track that is heard."""
        if self._single.source is None and self._single.mix is None:
            self._single.follow(self)
        if self._single.source is self:
            self._single.receive(packet, index)

    def interrupt(self) -> None:
        """The track's numbering starts anew."""
        if self._single.source is self:
            self._single.interrupt()


class SingleAudio(OutgoingAudio):
    """See the module. `track` stands for the stream itself."""

    __slots__ = (
        "_newest",
        "_own_level_id",
        "_sent_at",
        "_slot",
        "_slot_offset",
        "inputs",
        "mix",
        "opus",
        "source",
    )

    def __init__(self, track: AudioTrack, receiver: str, send: Send, start: Position) -> None:
        super().__init__(track, receiver, send, start)
        self.inputs: dict[AudioTrack, AudioInput] = {}
        self.source: AudioInput | None = None
        """What is being forwarded."""
        self._own_level_id = -1
        self.opus = -1
        """The receiver's payload type of opus; -1 = none."""
        self.mix: Voices | None = None
        """What is mixed for this receiver; None while one track is forwarded."""
        self._slot = -1
        """The last frame of the mix that was sent."""
        self._slot_offset = 0
        self._newest = 0
        """The newest timestamp sent."""
        self._sent_at = float("-inf")

    # --- whom to hear

    def add(self, track: AudioTrack) -> AudioInput:
        """A track that may be heard."""
        made = self.inputs[track] = AudioInput(track, self)
        return made

    def remove(self, track: AudioTrack) -> None:
        """A track is gone."""
        gone = self.inputs.pop(track, None)
        if gone is not None and gone in track.receivers:
            track.receivers.remove(gone)
        if gone is not None and gone is self.source:
            self.follow(None)
        if self.mix is not None:
            self.mix -= {track}

    def negotiate_input(
        self, track: AudioTrack, payload_types: dict[int, int], sender_level_id: int, level_id: int
    ) -> None:
        """As OutgoingAudio.negotiate, for one track."""
        one = self.inputs[track]
        one.payload_types, one.level_id = payload_types, sender_level_id
        self._own_level_id = level_id
        if one is self.source:
            self.negotiate(payload_types, sender_level_id, level_id)

    @property
    def heard(self) -> Voices:
        """The tracks that are forwarded or mixed."""
        if self.mix is not None:
            return self.mix
        return frozenset() if self.source is None else frozenset((self.source.track,))

    def choose(self, speaker: DominantSpeaker, muted: Container[str], now: float, *, can_mix: bool) -> None:
        """Decide whom to hear. Called every few hundredths of a second while media flows; `muted` are
        endpoints of which nothing may be heard."""
        sending = [
            one
            for one in self.inputs.values()
            if now - one.track.last_packet_at < SENDING_S and one.track.owner not in muted
        ]
        speaking = [one for one in sending if now - speaker.active_at(one.track.owner) < HANG_S]
        if can_mix and self.opus >= 0 and len(speaking) > 1:
            self._mix_loudest([one.track for one in speaking], speaker)
        elif self.source not in (speaking or sending):
            self.follow(_first(speaking or sending, speaker.order))

    def _mix_loudest(self, tracks: list[AudioTrack], speaker: DominantSpeaker) -> None:
        """Who is in the mix stays there while he speaks; the others come in by how loud they are."""
        before = self.mix or frozenset()
        tracks.sort(key=lambda track: (track not in before, -speaker.loudness(track.owner)))
        self.mix = frozenset(tracks[:MAX_VOICES])
        if self.source is not None:
            self.source = None
            self.interrupt()

    def follow(self, source: AudioInput | None) -> None:
        """Forward that track from its next packet on."""
        if source is self.source and self.mix is None:
            return
        self.source = source
        self.mix = None
        self._slot = -1
        self.interrupt()
        if source is not None:
            self.negotiate(source.payload_types, source.level_id, self._own_level_id)

    # --- forwarding

    def receive(self, packet: rtp.Packet, index: int) -> None:
        """Forward a packet of the track that is heard."""
        before = self.packets
        super().receive(packet, index)
        if self.packets != before and self.source is not None:
            timestamp = (packet.timestamp + self._timestamp_offset) & 0xFFFFFFFF
            if signed_distance(timestamp, self._newest, 32) > 0 or before == 0:
                self._newest = timestamp
            self._sent_at = self.source.track.last_packet_at

    def _start(self, packet: rtp.Packet, index: int) -> None:
        """Numbers go on without a gap, timestamps by the time that passed."""
        super()._start(packet, index)
        self._marker = rtp.MARKER
        if self.packets and self.source is not None:
            passed = round((self.source.track.last_packet_at - self._sent_at) * 48000)
            self._timestamp_offset = self._newest + max(FRAME, passed) - packet.timestamp

    def send_mixed(self, slot: int, payload: bytes, now: float) -> None:
        """Send a frame of the mix. A slot that was left out is silence."""
        if self._slot < 0:
            passed = round((now - self._sent_at - PREBUFFER_FRAMES * FRAME_S) * 48000) if self.packets else 0
            self._slot_offset = self._newest + max(FRAME, passed) - slot * FRAME
        marker = 0 if slot == self._slot + 1 else rtp.MARKER
        self._slot = slot
        self._newest = (slot * FRAME + self._slot_offset) & 0xFFFFFFFF
        self._last += 1
        data = rtp.build(self.opus, self._last & 0xFFFF, self._newest, self.ssrc, payload, marker=marker)
        self.packets += 1
        self.octets += len(data)
        self._sent_at = now
        self._send(self._receiver, data)

    def clock(self, now: float) -> Clock | None:
        """The clock of who is heard; of a mix the bridge's own."""
        if self.mix is not None and self._slot >= 0:
            return Clock(self.track.owner, None, self._newest + round((now - self._sent_at) * 48000))
        if self.source is None or not self.packets or self._first < 0:
            return None
        track = self.source.track
        return Clock(track.owner, track.reception, self._timestamp_offset)


def _first(inputs: Sequence[AudioInput], order: Sequence[str]) -> AudioInput | None:
    """The input of the endpoint that comes first in an order."""
    ranks = {endpoint: rank for rank, endpoint in enumerate(order)}
    return min(inputs, key=lambda one: ranks.get(one.track.owner, len(ranks)), default=None)
