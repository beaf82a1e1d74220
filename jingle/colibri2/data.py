"""Colibri2 requests and answers as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jingle.ice import IceTransport
from jingle.rtp import HeaderExtension, PayloadType
from jingle.sources import Source, SsrcGroup


@dataclass(frozen=True)
class Media:
    """`<media/>`: what an endpoint can do for one media type ("audio", "video")."""

    type: str
    payload_types: tuple[PayloadType, ...] = ()
    header_extensions: tuple[HeaderExtension, ...] = ()
    extmap_allow_mixed: bool = False


@dataclass(frozen=True)
class MediaSource:
    """`<media-source/>`: one named source: its SSRCs and how they belong together."""

    id: str
    type: str
    sources: tuple[Source, ...] = ()
    groups: tuple[SsrcGroup, ...] = ()
    synthetic: bool = False
    """Made by a bridge or a translator, not by an endpoint."""


@dataclass(frozen=True)
class Sctp:
    """`<sctp/>`: a wish for, or the port of, a data channel. `role` is client, server or ""."""

    port: int | None = None
    role: str = ""


@dataclass(frozen=True)
class Transport:
    """Colibri2's own `<transport/>`: the role, whether a restart is asked for, the ICE transport if known."""

    ice_controlling: bool = False
    ice_restart: bool = False
    ice: IceTransport | None = None
    sctp: Sctp | None = None


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of a request or a response. None means "not mentioned"."""

    id: str
    create: bool = False
    expire: bool = False
    stats_id: str = ""
    muc_role: str = ""
    capabilities: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    transport: Transport | None = None
    sources: tuple[MediaSource, ...] | None = None
    """The endpoint's full list of sources: replaces the previous one."""
    force_mute_audio: bool | None = None
    force_mute_video: bool | None = None
    initial_last_n: int | None = None


@dataclass(frozen=True)
class ConferenceModify:
    """`<conference-modify/>`: `create` with the first request per bridge, `expire` ends the conference."""

    meeting_id: str
    name: str = ""
    create: bool = False
    expire: bool = False
    rtcstats_enabled: bool | None = None
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True)
class ConferenceModified:
    """`<conference-modified/>`: the answer, with the bridge's own feedback sources if it has any."""

    endpoints: tuple[Endpoint, ...] = ()
    sources: tuple[MediaSource, ...] = ()


CONDITIONS: Final = {
    "conference_not_found": "item-not-found",
    "conference_already_exists": "conflict",
    "graceful_shutdown": "service-unavailable",
    "unknown_endpoint": "item-not-found",
    "feature_not_implemented": "feature-not-implemented",
    "unspecified": "bad-request",
}
"""The stanza condition that goes with each reason."""


class Colibri2Error(Exception):
    """A refusal. `reason` is the value of `<error xmlns="jitsi:colibri2" reason=…/>`: conference_not_found,
    conference_already_exists, graceful_shutdown, unknown_endpoint, feature_not_implemented, unspecified
    (which is also the reason of every request that cannot be read)."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or reason)
        self.reason = reason
        self.text = text

    @property
    def condition(self) -> str:
        """The stanza error condition that goes with the reason."""
        return CONDITIONS.get(self.reason, "internal-server-error")
