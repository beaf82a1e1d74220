"""Sources and source groups (XEP-0339) as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """`<source/>`: one SSRC. `name`, `video_type` and `owner` are not in the XEP ("" = absent)."""

    ssrc: int
    name: str = ""
    msid: str = ""
    cname: str = ""
    video_type: str = ""
    owner: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    """Further `<parameter/>` children besides msid and cname, in order."""


@dataclass(frozen=True)
class SsrcGroup:
    """`<ssrc-group/>`: `semantics` FID (an SSRC and its RTX) or SIM (simulcast layers, lowest first)."""

    semantics: str
    ssrcs: tuple[int, ...]


@dataclass(frozen=True)
class MediaSources:
    """Sources and groups of one media type ("audio", "video")."""

    media: str
    sources: tuple[Source, ...] = ()
    groups: tuple[SsrcGroup, ...] = ()
