"""The offer: what the bridge forwards, cut down to what a participant can do.

Payload types and extension ids are those of Jicofo. No sdes:mid: it would have to be rewritten per receiver.
No other video codec than VP8: the bridge's layer choice knows no other.
"""

from __future__ import annotations

from dataclasses import replace

from component.focus import features
from jingle.colibri2 import ConferenceModified, Media
from jingle.content import Content
from jingle.ice import IceTransport
from jingle.rtp import HeaderExtension, PayloadType, RtcpFeedback, RtpDescription
from jingle.source_map import Owned, tidy
from jingle.sources import MediaSources, Source

_TRANSPORT_CC = RtcpFeedback("transport-cc")
_OPUS = PayloadType(
    id=111,
    name="opus",
    clockrate=48000,
    channels=2,
    parameters=(("minptime", "10"), ("useinbandfec", "1")),
    feedback=(_TRANSPORT_CC,),
)
_VIDEO_FEEDBACK = (RtcpFeedback("ccm", "fir"), RtcpFeedback("nack"), RtcpFeedback("nack", "pli"))
_VP8 = PayloadType(id=100, name="VP8", clockrate=90000, feedback=(*_VIDEO_FEEDBACK, _TRANSPORT_CC))
_VP8_RTX = PayloadType(
    id=96, name="rtx", clockrate=90000, parameters=(("apt", "100"),), feedback=_VIDEO_FEEDBACK
)
_AUDIO_LEVEL = HeaderExtension(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level")
_TRANSPORT_CC_NUMBER = HeaderExtension(
    5, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)

_TABLE = (
    Media("audio", (_OPUS,), (_AUDIO_LEVEL, _TRANSPORT_CC_NUMBER), extmap_allow_mixed=True),
    Media("video", (_VP8, _VP8_RTX), (_TRANSPORT_CC_NUMBER,), extmap_allow_mixed=True),
)
VIDEO_CODECS = (_VP8.name.lower(),)
"""The video codecs of the offer, as presences name them."""
_NEEDED = {"audio": features.AUDIO, "video": features.VIDEO}
_MAX_PTIME_MS = {"audio": 60, "video": 0}


def offered_media(supported: frozenset[str]) -> tuple[Media, ...]:
    """The media for a participant with these features, as Colibri2 names them; empty when it has none."""
    return tuple(_cut(media, supported) for media in _TABLE if _NEEDED[media.type] in supported)


def _cut(media: Media, supported: frozenset[str]) -> Media:
    payload_types = media.payload_types
    extensions = media.header_extensions
    if features.RTX not in supported:
        payload_types = tuple(payload for payload in payload_types if payload.name != "rtx")
    if features.TRANSPORT_CC not in supported:
        payload_types = tuple(
            replace(payload, feedback=tuple(fb for fb in payload.feedback if fb != _TRANSPORT_CC))
            for payload in payload_types
        )
        extensions = tuple(extension for extension in extensions if extension != _TRANSPORT_CC_NUMBER)
    return replace(media, payload_types=payload_types, header_extensions=extensions)


def offered_contents(media: tuple[Media, ...], transport: IceTransport) -> tuple[Content, ...]:
    """The contents of a session-initiate: one per medium, each with the bridge's transport."""
    return tuple(_content(one, transport) for one in media)


def _content(media: Media, transport: IceTransport) -> Content:
    description = RtpDescription(
        media=media.type,
        payload_types=media.payload_types,
        header_extensions=media.header_extensions,
        extmap_allow_mixed=media.extmap_allow_mixed,
        rtcp_mux=True,
        maxptime=_MAX_PTIME_MS[media.type],
    )
    return Content(name=media.type, senders="both", description=description, transport=transport)


def bridge_sources(answer: ConferenceModified) -> Owned:
    """The bridge's own sources as the offer tells them: clients want a stream and a track for each."""
    return tidy(
        MediaSources(
            source.type,
            tuple(
                Source(one.ssrc, name=source.id, msid=one.msid or f"mixedmslabel mixedlabel{source.type}0")
                for one in source.sources
            ),
        )
        for source in answer.sources
        if source.type in {"audio", "video"}
    )
