"""What an operator may know of a conference's media, as JSON."""

from __future__ import annotations

from typing import Any

from bridge.media.endpoint import Endpoint
from bridge.media.incoming import AudioTrack, RtxStream, Stream
from bridge.media.outgoing_audio import OutgoingAudio
from bridge.media.outgoing_video import OutgoingVideo
from bridge.media.single_audio import SingleAudio
from bridge.media.single_video import SingleVideo


def endpoint_statistics(endpoint: Endpoint, now: float) -> dict[str, Any]:
    """Rates, loss, jitter, round trip and layers of one endpoint. Loss is a fraction of the last interval."""
    limit = endpoint.loss_limit.limit_bps
    return {
        "connected": endpoint.connected_at is not None,
        "channel": endpoint.channel,
        "rtt_ms": round(endpoint.rtt_s * 1000, 1),
        "received_bps": round(endpoint.received_bps),
        "sent_bps": round(endpoint.sent_bps),
        "loss_limit_bps": None if limit is None else round(limit),
        "receives": [_outgoing(outgoing, ssrc) for ssrc, outgoing in sorted(endpoint.outgoing.items())],
        "sends": [_incoming(stream, ssrc, now) for ssrc, stream in sorted(endpoint.streams.items())],
        "dropped": dict(endpoint.dropped),
    }


def _incoming(stream: Stream, ssrc: int, now: float) -> dict[str, Any]:
    reception = stream.reception
    told: dict[str, Any] = {
        "ssrc": ssrc,
        "packets": reception.received,
        "rate_bps": round(reception.rate_bps),
        "lost": reception.lost,
        "loss": round(reception.fraction_lost, 3),
        "jitter_ms": round(reception.jitter_s * 1000, 2),
    }
    if isinstance(stream, AudioTrack):
        told["source"] = stream.name
    elif isinstance(stream, RtxStream):
        told["repairs"] = stream.layer.ssrc
    else:
        told |= {
            "source": stream.track.name,
            "layer": stream.order,
            "height": stream.height or None,
            "active": stream.active(now),
            "recovered": stream.recovered,
            "key_frames_requested": stream.key_frames.sent,
        }
    return told


def _outgoing(outgoing: OutgoingVideo | OutgoingAudio, ssrc: int) -> dict[str, Any]:
    clock_rate = 90000 if isinstance(outgoing, OutgoingVideo) else 48000
    told: dict[str, Any] = {
        "ssrc": ssrc,
        "source": outgoing.track.name,
        "packets": outgoing.packets,
        "rate_bps": round(outgoing.quality.rate_bps),
        "loss": round(outgoing.quality.fraction_lost, 3),
        "jitter_ms": round(outgoing.quality.jitter / clock_rate * 1000, 2),
    }
    if isinstance(outgoing, OutgoingVideo):
        current, target = outgoing.current, outgoing.target
        told |= {
            "layer": None if current is None else current.order,
            "target_layer": None if target is None else target.order,
            "wanted_height": outgoing.wanted_height,
            "switches": outgoing.switches,
            "resent": outgoing.resent,
        }
    if isinstance(outgoing, SingleVideo):
        told["shows"] = None if outgoing.current is None else outgoing.current.track.name
    if isinstance(outgoing, SingleAudio):
        told["hears"] = sorted(track.name for track in outgoing.heard)
    return told
