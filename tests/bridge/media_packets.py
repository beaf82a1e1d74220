"""What simulated endpoints negotiate, signal and send: the shapes of real browsers' packets."""

from __future__ import annotations

from bridge.media import rtp
from jingle.colibri2 import Media, MediaSource
from jingle.rtp import HeaderExtension, PayloadType, RtcpFeedback
from jingle.sources import Source, SsrcGroup

OPUS, VP8, RTX = 111, 100, 96
LEVEL_ID, TRANSPORT_CC_ID, ORIENTATION_ID, MID_ID = 1, 5, 13, 10
FEEDBACK = (RtcpFeedback("nack"), RtcpFeedback("nack", "pli"), RtcpFeedback("ccm", "fir"))
HEIGHTS = (180, 360, 720)
PACKETS_PER_FRAME = (1, 2, 4)


def media(
    *,
    opus: int = OPUS,
    vp8_type: int = VP8,
    rtx: int | None = RTX,
    level_id: int = LEVEL_ID,
    orientation_id: int = ORIENTATION_ID,
    feedback: tuple[RtcpFeedback, ...] = FEEDBACK,
) -> tuple[Media, ...]:
    """What an endpoint negotiated."""
    congestion = HeaderExtension(TRANSPORT_CC_ID, rtp.TRANSPORT_CC)
    video = [PayloadType(vp8_type, "VP8", 90000, feedback=feedback)]
    if rtx is not None:
        video.append(PayloadType(rtx, "rtx", 90000, parameters=(("apt", str(vp8_type)),)))
    return (
        Media(
            "audio",
            (PayloadType(opus, "opus", 48000, 2),),
            (HeaderExtension(level_id, rtp.AUDIO_LEVEL), congestion),
        ),
        Media("video", tuple(video), (HeaderExtension(orientation_id, rtp.VIDEO_ORIENTATION), congestion)),
    )


def sources(name: str, base: int, layers: int = 3, *, rtx: bool = True) -> tuple[MediaSource, ...]:
    """Audio on SSRC base, video layers on base+1 …, their RTX on base+11 …"""
    ssrcs = tuple(base + 1 + layer for layer in range(layers))
    groups = [SsrcGroup("SIM", ssrcs)] if layers > 1 else []
    video = [Source(ssrc) for ssrc in ssrcs]
    if rtx:
        groups += [SsrcGroup("FID", (ssrc, ssrc + 10)) for ssrc in ssrcs]
        video += [Source(ssrc + 10) for ssrc in ssrcs]
    return (
        MediaSource(f"{name}-a0", "audio", (Source(base),)),
        MediaSource(f"{name}-v0", "video", tuple(video), tuple(groups)),
    )


def descriptor(picture_id: int, tl0picidx: int, *, start: bool, tid: int = 0, bits: int = 15) -> bytes:
    """A payload descriptor as browsers send it (`bits` of picture id; 0 = the one-octet descriptor)."""
    first = (0x90 if start else 0x80) if bits else (0x10 if start else 0x00)
    if not bits:
        return bytes((first,))
    picture = (
        bytes((0x80 | picture_id >> 8, picture_id & 0xFF)) if bits == 15 else bytes((picture_id & 0x7F,))
    )
    return bytes((first, 0xF0)) + picture + bytes((tl0picidx & 0xFF, tid << 6))


def key_frame_header(height: int) -> bytes:
    """The first octets of a key frame of that height (16:9)."""
    width = height * 16 // 9
    return b"\x10\x02\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
