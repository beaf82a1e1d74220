"""RTP descriptions as data (XEP-0167, 0293, 0294) with the sources they carry (XEP-0339)."""

from __future__ import annotations

from dataclasses import dataclass

from jingle.sources import Source, SsrcGroup


@dataclass(frozen=True)
class RtcpFeedback:
    """`<rtcp-fb/>` (XEP-0293): for example type "nack", subtype "pli"."""

    type: str
    subtype: str = ""


@dataclass(frozen=True)
class PayloadType:
    """`<payload-type/>` (XEP-0167 §4). `parameters` are (name, value) pairs in order; a name may be ""."""

    id: int
    name: str = ""
    clockrate: int = 0
    channels: int = 1
    maxptime: int = 0
    ptime: int = 0
    parameters: tuple[tuple[str, str], ...] = ()
    feedback: tuple[RtcpFeedback, ...] = ()


@dataclass(frozen=True)
class HeaderExtension:
    """`<rtp-hdrext/>` (XEP-0294)."""

    id: int
    uri: str
    senders: str = ""


@dataclass(frozen=True)
class MediaStream:
    """`<stream/>`: the MediaStream and the track that a whole description belongs to (RFC 8830)."""

    id: str
    track: str = ""


@dataclass(frozen=True)
class RtpDescription:
    """`<description xmlns="urn:xmpp:jingle:apps:rtp:1"/>`; `media` is audio, video or application."""

    media: str
    payload_types: tuple[PayloadType, ...] = ()
    feedback: tuple[RtcpFeedback, ...] = ()
    header_extensions: tuple[HeaderExtension, ...] = ()
    extmap_allow_mixed: bool = False
    rtcp_mux: bool = False
    ssrc: str = ""
    maxptime: int = 0
    sources: tuple[Source, ...] = ()
    groups: tuple[SsrcGroup, ...] = ()
    initial_last_n: int | None = None
    encryption: tuple[str, ...] = ()
    """Names of the SDES crypto suites offered. Their keys come in clear and are never kept."""
    rtcp_reduced_size: bool = False
    streams: tuple[MediaStream, ...] = ()
