"""The media half of one conference: packets, reports and channel messages in; packets, reports and messages
out.

The transport half calls it with what it decrypted and authenticated, and implements Output. Nothing here
knows sockets, clocks or threads: `now` is any clock that only moves forward, in seconds.
"""

from __future__ import annotations

import random
from typing import Any, Protocol

from bridge.media import channel_messages, reports, rtcp, rtp, rtx
from bridge.media.capabilities import VP8
from bridge.media.channel_dispatch import ChannelDispatch
from bridge.media.codec import AudioCodec
from bridge.media.endpoint import Endpoint
from bridge.media.feedback import Feedback
from bridge.media.incoming import AudioTrack, RtxStream
from bridge.media.listening import Listening
from bridge.media.outgoing_video import OutgoingVideo
from bridge.media.roster import Roster
from bridge.media.rtcp import RtcpError
from bridge.media.rtp import RtpError
from bridge.media.selection import Selection
from bridge.media.speaker import DECISION_S, DominantSpeaker
from bridge.media.statistics import endpoint_statistics
from bridge.metrics import SPEAKER_CHANGES
from jingle import colibri2

REPORT_S = 1.0
"""Between two sender and receiver reports."""
TICK_S = 0.05
REPAIR_TICK_S = 0.02
"""While packets are missing."""
IDLE_TICK_S = 0.25
SILENT_S = 10.0
"""An endpoint of which nothing came for so long is told to the others as not active."""
MAX_NACKED = 300
"""Numbers of one NACK that are looked at."""


class Output(Protocol):
    """What the transport half does for a conference."""

    def send_rtp(self, endpoint_id: str, packet: bytes) -> None:
        """Protect and send an RTP packet; does nothing while not connected."""

    def send_rtcp(self, endpoint_id: str, packet: bytes) -> None:
        """Protect and send a compound RTCP packet."""

    def send_message(self, endpoint_id: str, message: dict[str, Any]) -> None:
        """Send an object over the bridge channel; does nothing when there is none."""


class Router:
    """Forwards the media of one conference."""

    def __init__(self, output: Output, *, random: random.Random, codec: AudioCodec | None = None) -> None:
        """Without a codec nothing is mixed."""
        self._output = output
        self.ssrc = random.randrange(1, 1 << 32)
        """The bridge's own SSRC: the sender of its reports and feedback."""
        self.audio_ssrc = (self.ssrc ^ 1) or 2
        """Another one, of which nothing is ever sent: clients want one in their first audio m-line too."""
        self._roster = Roster(self.ssrc, output.send_rtp, random)
        self._endpoints = self._roster.endpoints
        self._selection = Selection(self._endpoints)
        self._speaker = DominantSpeaker()
        self._listening = Listening(codec)
        self._feedback = Feedback(output.send_rtcp)
        self._channels = ChannelDispatch(self._endpoints, output.send_message)
        self._reported_at = self._decided_at = self._media_at = float("-inf")

    # --- who takes part

    def add_endpoint(self, endpoint_id: str, media: tuple[colibri2.Media, ...]) -> None:
        """A new endpoint with what it negotiated; it neither sends nor gets anything before connected()."""
        self._roster.add(endpoint_id, media)

    def set_capabilities(
        self, endpoint_id: str, capabilities: tuple[str, ...]
    ) -> tuple[colibri2.MediaSource, ...]:
        """What is special about an endpoint, said right after it was added (see single_stream).

        Returns the sources that the bridge itself sends to it, which are to be announced to it.
        """
        return self._roster.set_capabilities(endpoint_id, capabilities)

    def set_media(self, endpoint_id: str, media: tuple[colibri2.Media, ...]) -> None:
        """Replace what an endpoint negotiated."""
        self._roster.set_media(endpoint_id, media)
        self._selection.dirty = True

    def set_sources(self, endpoint_id: str, sources: tuple[colibri2.MediaSource, ...], now: float) -> None:
        """Replace what an endpoint sends; tracks that stay the same go on undisturbed."""
        self._roster.set_sources(endpoint_id, sources)
        self._select_now(now)

    def set_force_mute(self, endpoint_id: str, *, audio: bool | None, video: bool | None) -> None:
        """Stop or allow what an endpoint sends, whatever it says itself; None leaves as it is."""
        self._roster.force_mute(endpoint_id, audio=audio, video=video)
        self._selection.dirty = True

    def connected(self, endpoint_id: str, now: float) -> None:
        """DTLS is done: the endpoint may send and receive. A second call changes nothing."""
        if self._roster.connect(endpoint_id, now):
            self._speaker.join(endpoint_id, now)
            self._select_now(now)

    def remove_endpoint(self, endpoint_id: str, now: float) -> None:
        """The endpoint is gone."""
        if self._roster.remove(endpoint_id):
            self._speaker.leave(endpoint_id)
            self._select_now(now)

    # --- media

    def receive_rtp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        """A decrypted, authenticated RTP packet."""
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None or endpoint.connected_at is None:
            return
        try:
            self._receive_rtp(endpoint, rtp.parse(packet), len(packet), now)
        except RtpError:
            endpoint.drop("RTP")

    def _receive_rtp(self, endpoint: Endpoint, packet: rtp.Packet, size: int, now: float) -> None:
        capabilities = endpoint.capabilities
        number = packet.extensions.get(capabilities.transport_cc_id)
        if number is not None and len(number) == 2:
            endpoint.arrivals.add(number[0] << 8 | number[1], now)
        endpoint.heard_at = self._media_at = now
        stream = endpoint.streams.get(packet.ssrc)
        if stream is None and endpoint.bindings is not None:
            stream = endpoint.bindings.stream(packet, capabilities, endpoint.tracks, now)
        if stream is None:
            # Media may come before it is signalled: nothing is kept, a key frame is asked for once it is.
            endpoint.drop("SSRC")
            return
        endpoint.media_ssrc = packet.ssrc
        if isinstance(stream, AudioTrack):
            index = stream.receive(packet, size, now)
            if not endpoint.forced_audio:
                self._listening.receive(endpoint, stream, packet, index)
                level = packet.extensions.get(capabilities.audio_level_id)
                if level:
                    self._speaker.level(endpoint.id, level[0], now)
                for receiver in stream.receivers:
                    receiver.receive(packet, index)
            return
        orientation = packet.extensions.get(capabilities.video_orientation_id)
        if isinstance(stream, RtxStream):
            layer = stream.layer
            reception = stream.reception
            reception.count(reception.index(packet.sequence_number), packet.timestamp, size, now)
            payload_type = capabilities.rtx_payloads.get(packet.payload_type, -1)
            if capabilities.codecs.get(payload_type) != VP8:
                endpoint.drop("payload type")
                return
            original = rtx.restore(packet, payload_type, layer.ssrc)
            if original is not None:
                layer.receive_recovered(original, orientation, now)
        else:
            layer = stream
            if capabilities.codecs.get(packet.payload_type) != VP8:
                endpoint.drop("payload type")
                return
            layer.receive(packet, orientation, size, now)
        if layer.key_frames.requested or layer.missing.next_due <= now:
            self._feedback.layer(endpoint, layer, now)

    def receive_rtcp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        """A decrypted, authenticated RTCP packet, compound or not."""
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None or endpoint.connected_at is None:
            return
        try:
            packets = rtcp.parse(packet)
        except RtcpError:
            endpoint.drop("RTCP")
            return
        endpoint.heard_at = now
        for one in packets:
            match one:
                case rtcp.SenderReport():
                    reports.note_sender_report(endpoint, one, now)
                    reports.note_report_blocks(endpoint, one.blocks, now)
                case rtcp.ReceiverReport():
                    reports.note_report_blocks(endpoint, one.blocks, now)
                case rtcp.Pli():
                    self._key_frame_wanted(endpoint, one.media_ssrc, now)
                case rtcp.Fir():
                    for media_ssrc, _ in one.entries:
                        self._key_frame_wanted(endpoint, media_ssrc, now)
                case rtcp.Nack():
                    self._resend(endpoint, one, now)
                case rtcp.Remb():
                    if endpoint.single is not None and endpoint.capabilities.remb:
                        sent_bps = endpoint.single.video.quality.rate_bps
                        endpoint.loss_limit.told(one.bitrate_bps, sent_bps)
                case _:  # SDES and BYE are not passed on; transport-cc waits for an estimator
                    pass

    def _key_frame_wanted(self, receiver: Endpoint, ssrc: int, now: float) -> None:
        outgoing = receiver.outgoing.get(ssrc)
        if not isinstance(outgoing, OutgoingVideo):
            receiver.drop("feedback SSRC")
            return
        layer = outgoing.current or outgoing.target
        if layer is not None:
            layer.key_frames.request()
            self._feedback.layer(self._endpoints[layer.track.owner], layer, now)

    def _resend(self, receiver: Endpoint, nack: rtcp.Nack, now: float) -> None:
        outgoing = receiver.outgoing.get(nack.media_ssrc)
        if not isinstance(outgoing, OutgoingVideo):
            receiver.drop("feedback SSRC")
            return
        for sequence_number in nack.sequence_numbers[:MAX_NACKED]:
            outgoing.resend(sequence_number, receiver.limits, now, receiver.rtt_s)

    # --- the bridge channel

    def channel_open(self, endpoint_id: str, now: float) -> None:
        """The endpoint's bridge channel is open (again): it is told the state of things."""
        endpoint = self._endpoints[endpoint_id]
        endpoint.channel = True
        endpoint.told_heights.clear()
        if self._speaker.speaker is not None:
            self._channels.send(endpoint_id, self._dominant_speaker(self._speaker.speaker))
        for other in self._endpoints.values():
            if other.silent and other is not endpoint:
                self._channels.send(endpoint_id, channel_messages.connectivity_status(other.id, False))
        self._select_now(now)

    def receive_message(self, endpoint_id: str, message: dict[str, Any], now: float) -> None:
        """A JSON object that came over the bridge channel."""
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is not None and self._channels.receive(endpoint, message, now):
            self._selection.dirty = True

    def _dominant_speaker(self, speaker: str) -> dict[str, Any]:
        return channel_messages.dominant_speaker(speaker, self._speaker.previous, self._speaker.silence)

    # --- time

    def consent(self, endpoint_id: str, now: float) -> None:
        """The transport heard of the endpoint (consent was renewed): it is there even if it sends no media.

        Only endpoints for which this is called are ever told to the others as not active.
        """
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is not None:
            endpoint.consented = True
            endpoint.heard_at = now

    def tick(self, now: float) -> float:
        """Do what is due; returns when to be called next."""
        if now - self._decided_at >= DECISION_S:
            self._decided_at = now
            if self._speaker.decide(now) and self._speaker.speaker is not None:
                SPEAKER_CHANGES.inc()
                self._channels.broadcast(self._dominant_speaker(self._speaker.speaker))
                self._selection.dirty = True
        self._select(now)
        self._listening.run(self._endpoints, self._speaker, now)
        repairing = False
        for endpoint in self._endpoints.values():
            if endpoint.connected_at is not None:
                self._feedback.transport(endpoint, now)
                self._feedback.layers(endpoint, now)
                self._check_activity(endpoint, now)
                repairing = repairing or any(
                    layer.missing for track in endpoint.video_tracks for layer in track.layers
                )
        if now - self._reported_at >= REPORT_S:
            self._report(now)
        idle = now - self._media_at >= REPORT_S
        due = now + (REPAIR_TICK_S if repairing else IDLE_TICK_S if idle else TICK_S)
        return min(due, self._listening.due)

    def _select_now(self, now: float) -> None:
        self._selection.dirty = True
        self._select(now)

    def _select(self, now: float) -> None:
        if not self._selection.check(self._speaker.order, now):
            return
        for endpoint in self._endpoints.values():
            self._feedback.layers(endpoint, now)
            if endpoint.channel:
                for message in self._selection.sender_constraints(endpoint, now):
                    self._channels.send(endpoint.id, message)

    def _check_activity(self, endpoint: Endpoint, now: float) -> None:
        silent = endpoint.consented and now - endpoint.heard_at > SILENT_S
        if silent != endpoint.silent:
            endpoint.silent = silent
            message = channel_messages.connectivity_status(endpoint.id, not silent)
            self._channels.broadcast(message, without=endpoint)

    def _report(self, now: float) -> None:
        elapsed = min(now - self._reported_at, 60.0)
        self._reported_at = now
        for endpoint in self._endpoints.values():
            if endpoint.connected_at is not None:
                for track in endpoint.video_tracks:
                    for layer in track.layers:
                        layer.trim(now)
                reports.measure_rates(endpoint, elapsed)
                for report in (
                    *reports.receiver_reports(endpoint, now),
                    *reports.rate_limit(endpoint),
                    *reports.sender_reports(endpoint, self._endpoints, now),
                ):
                    self._output.send_rtcp(endpoint.id, report)

    def stats(self, now: float) -> dict[str, Any]:
        """Everything worth knowing, as JSON."""
        return {
            "dominant_speaker": self._speaker.speaker,
            "endpoints": {
                endpoint.id: endpoint_statistics(endpoint, now) for endpoint in self._endpoints.values()
            },
        }
