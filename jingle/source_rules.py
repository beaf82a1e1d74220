"""How the sources of one owner belong together, and the forms in which they are passed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from jingle import colibri2
from jingle.content import Content
from jingle.rtp import RtpDescription
from jingle.sources import MediaSources, SsrcGroup


def extended_group(ssrc: int, groups: Sequence[SsrcGroup]) -> int:
    """The SSRC that stands for the stream of an SSRC: the first of its SIM group, else of its FID group.

    A retransmission SSRC belongs where its primary belongs; an SSRC in no group stands for itself.
    """
    for group in groups:
        if group.semantics == "FID" and ssrc in group.ssrcs[1:]:
            ssrc = group.ssrcs[0]
            break
    for group in groups:
        if group.semantics == "SIM" and ssrc in group.ssrcs:
            return group.ssrcs[0]
    return ssrc


def strip_simulcast(owned: Iterable[MediaSources]) -> tuple[MediaSources, ...]:
    """What receivers are told: of each SIM group the first SSRC and its FID partner, without the group."""
    stripped: list[MediaSources] = []
    for media in owned:
        layers = {s for group in media.groups if group.semantics == "SIM" for s in group.ssrcs[1:]}
        repairs = {
            s
            for group in media.groups
            if group.semantics == "FID" and layers.issuperset(group.ssrcs[:1])
            for s in group.ssrcs
        }
        dropped = layers | repairs
        stripped.append(
            MediaSources(
                media.media,
                tuple(source for source in media.sources if source.ssrc not in dropped),
                tuple(g for g in media.groups if g.semantics != "SIM" and dropped.isdisjoint(g.ssrcs)),
            )
        )
    return tuple(stripped)


def sources_of(contents: Iterable[Content]) -> tuple[MediaSources, ...]:
    """The sources in the descriptions of a request, as sent."""
    return tuple(
        MediaSources(content.description.media, content.description.sources, content.description.groups)
        for content in contents
        if content.description is not None and (content.description.sources or content.description.groups)
    )


def contents_of(sources: Mapping[str, Iterable[MediaSources]]) -> tuple[Content, ...]:
    """Contents for a source-add or source-remove: one per media type, every source with its owner."""
    by_media: dict[str, RtpDescription] = {}
    for owner, owned in sources.items():
        for media in owned:
            known = by_media.get(media.media, RtpDescription(media.media))
            by_media[media.media] = replace(
                known,
                sources=(*known.sources, *(replace(source, owner=owner) for source in media.sources)),
                groups=(*known.groups, *media.groups),
            )
    return tuple(Content(name, description=description) for name, description in by_media.items())


def colibri_sources(owned: Iterable[MediaSources]) -> tuple[colibri2.MediaSource, ...]:
    """The sources of one owner as a bridge is told them: grouped by name."""
    made: list[colibri2.MediaSource] = []
    for media in owned:
        for name in dict.fromkeys(source.name for source in media.sources):
            sources = tuple(source for source in media.sources if source.name == name)
            ssrcs = {source.ssrc for source in sources}
            groups = tuple(group for group in media.groups if not ssrcs.isdisjoint(group.ssrcs))
            made.append(colibri2.MediaSource(name, media.media, sources, groups))
    return tuple(made)
