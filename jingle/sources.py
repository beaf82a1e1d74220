"""Sources and source groups (XEP-0339) as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """`<source/>`: one SSRC. `name`, `video_type` and `owner` are what the Jitsi family adds ("" = absent)."""

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
    """`<ssrc-group/>`: `semantics` FID (an SSRC and its RTX), SIM (simulcast layers, lowest first), FEC-FR."""

    semantics: str
    ssrcs: tuple[int, ...]
