"""`<source/>` and `<ssrc-group/>` (XEP-0339) from and to elements."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from jingle.errors import bad_request
from jingle.jitsi import additions
from jingle.limits import MAX_GROUP_SSRCS, MAX_PARAMETERS, MAX_SOURCES, MAX_SSRC_GROUPS, VALUE_CHARS
from jingle.namespaces import RTP, SSMA
from jingle.reading import Node, children, element, named, number, required, text
from jingle.sources import Source, SsrcGroup

SOURCE: Final = f"{{{SSMA}}}source"
SSRC_GROUP: Final = f"{{{SSMA}}}ssrc-group"
PARAMETERS: Final = frozenset({f"{{{SSMA}}}parameter", f"{{{RTP}}}parameter"})
"""XEP-0339 puts parameters into its own namespace, some bridges into that of XEP-0167."""


def parse_sources(parent: Node) -> tuple[Source, ...]:
    """The sources that are children of `parent`. Raises JingleError."""
    return tuple(parse_source(node) for node in named(parent, SOURCE, MAX_SOURCES))


def parse_source(node: Node) -> Source:
    """One source. Raises JingleError."""
    well_known: dict[str, str] = {}
    others: list[tuple[str, str]] = []
    found = [child for tag, child in children(node) if tag in PARAMETERS]
    if len(found) > MAX_PARAMETERS:
        raise bad_request(f"more than {MAX_PARAMETERS} parameters")
    for child in found:
        name, value = required(child, "name"), text(child, "value", VALUE_CHARS)
        if name in ("msid", "cname") and name not in well_known:
            well_known[name] = value
        else:
            others.append((name, value))
    return Source(
        ssrc=number(node, "ssrc", 1, 2**32 - 1),
        name=text(node, "name"),
        msid=well_known.get("msid", ""),
        cname=well_known.get("cname", ""),
        video_type=additions.source_video_type(node),
        owner=additions.source_owner(node),
        parameters=tuple(others),
    )


def build_source(source: Source) -> Element:
    """`<source/>` with its parameters: cname and msid first."""
    made = element(
        SSMA, "source", {"ssrc": source.ssrc, "name": source.name, additions.VIDEO_TYPE: source.video_type}
    )
    known = [(name, value) for name, value in (("cname", source.cname), ("msid", source.msid)) if value]
    for name, value in (*known, *source.parameters):
        made.append(element(SSMA, "parameter", {"name": name, "value": value}))
    if source.owner:
        made.append(additions.ssrc_info(source.owner))
    return made


def parse_groups(parent: Node) -> tuple[SsrcGroup, ...]:
    """The groups of sources that are children of `parent`. Raises JingleError."""
    return tuple(
        SsrcGroup(
            required(node, "semantics"),
            tuple(number(member, "ssrc", 1, 2**32 - 1) for member in named(node, SOURCE, MAX_GROUP_SSRCS)),
        )
        for node in named(parent, SSRC_GROUP, MAX_SSRC_GROUPS)
    )


def build_group(group: SsrcGroup) -> Element:
    """`<ssrc-group/>`, its members in order."""
    made = element(SSMA, "ssrc-group", {"semantics": group.semantics})
    made.extend(element(SSMA, "source", {"ssrc": ssrc}) for ssrc in group.ssrcs)
    return made
