"""Colibri2 from and to elements, namespace `jitsi:colibri2`.

Relays and connects are not understood: a request that holds one is refused with `feature_not_implemented`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar
from xml.etree.ElementTree import Element

from jingle.colibri2.data import (
    Colibri2Error,
    ConferenceModified,
    ConferenceModify,
    Endpoint,
    Media,
    MediaSource,
    Sctp,
    Transport,
)
from jingle.errors import JingleError, bad_request
from jingle.ice_codec import TRANSPORT, build_transport, parse_transport
from jingle.jitsi.additions import COLIBRI2, initial_last_n, initial_last_n_element
from jingle.limits import MAX_CAPABILITIES, MAX_ENDPOINTS, MAX_MEDIA, MAX_MEDIA_SOURCES
from jingle.namespaces import RTP_HDREXT
from jingle.reading import (
    Node,
    boolean,
    element,
    first,
    has,
    named,
    number_or_none,
    required,
    text,
    token,
)
from jingle.rtp_codec import (
    EXTMAP_ALLOW_MIXED,
    build_header_extension,
    build_payload_type,
    parse_header_extensions,
    parse_payload_types,
)
from jingle.sources_codec import build_group, build_source, parse_groups, parse_sources

MODIFY: Final = f"{{{COLIBRI2}}}conference-modify"
MODIFIED: Final = f"{{{COLIBRI2}}}conference-modified"
ENDPOINT: Final = f"{{{COLIBRI2}}}endpoint"
RELAY: Final = f"{{{COLIBRI2}}}relay"
CONNECTS: Final = f"{{{COLIBRI2}}}connects"
CONNECT: Final = f"{{{COLIBRI2}}}connect"
CAPABILITY: Final = f"{{{COLIBRI2}}}capability"
MEDIA: Final = f"{{{COLIBRI2}}}media"
WRAPPER: Final = f"{{{COLIBRI2}}}transport"
SCTP: Final = f"{{{COLIBRI2}}}sctp"
SOURCES: Final = f"{{{COLIBRI2}}}sources"
MEDIA_SOURCE: Final = f"{{{COLIBRI2}}}media-source"
FORCE_MUTE: Final = f"{{{COLIBRI2}}}force-mute"

SCTP_ROLES: Final = frozenset({"client", "server"})

T = TypeVar("T")


def parse_modify_xml(node: Node) -> ConferenceModify:
    """`<conference-modify/>`. Raises Colibri2Error."""
    return refusing(_parse_modify, node)


def parse_modified_xml(node: Node) -> ConferenceModified:
    """`<conference-modified/>`. Raises Colibri2Error."""
    return refusing(_parse_modified, node)


def refusing(parse: Callable[[Node], T], node: Node) -> T:
    """What `parse` makes of the element, its JingleError turned into a Colibri2Error."""
    try:
        return parse(node)
    except JingleError as error:
        raise Colibri2Error("unspecified", str(error)) from error


def _parse_modify(node: Node) -> ConferenceModify:
    if node.tag != MODIFY:
        raise bad_request("not a conference-modify")
    if has(node, RELAY):
        raise Colibri2Error("feature_not_implemented", "relays are not supported")
    connects = first(node, CONNECTS)
    if connects is not None and has(connects, CONNECT):
        raise Colibri2Error("feature_not_implemented", "connects are not supported")
    return ConferenceModify(
        meeting_id=required(node, "meeting-id"),
        name=text(node, "name"),
        create=boolean(node, "create") or False,
        expire=boolean(node, "expire") or False,
        rtcstats_enabled=boolean(node, "rtcstats-enabled"),
        endpoints=parse_endpoints(node),
    )


def modify_xml(request: ConferenceModify) -> Element:
    """`<conference-modify/>`."""
    made = element(
        COLIBRI2,
        "conference-modify",
        {
            "meeting-id": request.meeting_id,
            "name": request.name,
            "create": request.create or None,
            "expire": request.expire or None,
            "rtcstats-enabled": request.rtcstats_enabled,
        },
    )
    made.extend(build_endpoint(endpoint) for endpoint in request.endpoints)
    return made


def _parse_modified(node: Node) -> ConferenceModified:
    if node.tag != MODIFIED:
        raise bad_request("not a conference-modified")
    sources = first(node, SOURCES)
    return ConferenceModified(
        endpoints=parse_endpoints(node), sources=() if sources is None else parse_media_sources(sources)
    )


def modified_xml(answer: ConferenceModified) -> Element:
    """`<conference-modified/>`."""
    made = element(COLIBRI2, "conference-modified")
    made.extend(build_endpoint(endpoint) for endpoint in answer.endpoints)
    if answer.sources:
        made.append(build_media_sources(answer.sources))
    return made


def parse_endpoints(parent: Node) -> tuple[Endpoint, ...]:
    """The endpoints of a request or an answer. Raises JingleError."""
    return tuple(parse_endpoint(node) for node in named(parent, ENDPOINT, MAX_ENDPOINTS))


def parse_endpoint(node: Node) -> Endpoint:
    """`<endpoint/>`. Raises JingleError."""
    transport = first(node, WRAPPER)
    sources = first(node, SOURCES)
    mute = first(node, FORCE_MUTE)
    return Endpoint(
        id=required(node, "id"),
        create=boolean(node, "create") or False,
        expire=boolean(node, "expire") or False,
        stats_id=text(node, "stats-id"),
        muc_role=text(node, "muc-role"),
        capabilities=tuple(required(child, "name") for child in named(node, CAPABILITY, MAX_CAPABILITIES)),
        media=tuple(parse_media(child) for child in named(node, MEDIA, MAX_MEDIA)),
        transport=None if transport is None else parse_wrapper(transport),
        sources=None if sources is None else parse_media_sources(sources),
        force_mute_audio=None if mute is None else boolean(mute, "audio") or False,
        force_mute_video=None if mute is None else boolean(mute, "video") or False,
        initial_last_n=initial_last_n(node),
    )


def build_endpoint(endpoint: Endpoint) -> Element:
    """`<endpoint/>`."""
    made = element(
        COLIBRI2,
        "endpoint",
        {
            "id": endpoint.id,
            "create": endpoint.create or None,
            "expire": endpoint.expire or None,
            "stats-id": endpoint.stats_id,
            "muc-role": endpoint.muc_role,
        },
    )
    made.extend(build_media(media) for media in endpoint.media)
    if endpoint.transport is not None:
        made.append(build_wrapper(endpoint.transport))
    if endpoint.sources is not None:
        made.append(build_media_sources(endpoint.sources))
    if endpoint.force_mute_audio is not None or endpoint.force_mute_video is not None:
        mute = {
            "audio": endpoint.force_mute_audio or False,
            "video": endpoint.force_mute_video or False,
        }
        made.append(element(COLIBRI2, "force-mute", mute))
    if endpoint.initial_last_n is not None:
        made.append(initial_last_n_element(endpoint.initial_last_n))
    made.extend(element(COLIBRI2, "capability", {"name": name}) for name in endpoint.capabilities)
    return made


def parse_media(node: Node) -> Media:
    """`<media/>`. Raises JingleError."""
    return Media(
        type=required(node, "type"),
        payload_types=parse_payload_types(node),
        header_extensions=parse_header_extensions(node),
        extmap_allow_mixed=has(node, EXTMAP_ALLOW_MIXED),
    )


def build_media(media: Media) -> Element:
    """`<media/>`."""
    made = element(COLIBRI2, "media", {"type": media.type})
    made.extend(build_payload_type(payload_type) for payload_type in media.payload_types)
    made.extend(build_header_extension(extension) for extension in media.header_extensions)
    if media.extmap_allow_mixed:
        made.append(element(RTP_HDREXT, "extmap-allow-mixed"))
    return made


def parse_wrapper(node: Node) -> Transport:
    """Colibri2's own `<transport/>`. Raises JingleError."""
    ice = first(node, TRANSPORT)
    sctp = first(node, SCTP)
    return Transport(
        ice_controlling=boolean(node, "ice-controlling") or False,
        ice_restart=boolean(node, "ice-restart") or False,
        ice=None if ice is None else parse_transport(ice),
        sctp=None
        if sctp is None
        else Sctp(number_or_none(sctp, "port", 0, 65535), token(sctp, "role", SCTP_ROLES)),
    )


def build_wrapper(transport: Transport) -> Element:
    """Colibri2's own `<transport/>`."""
    made = element(
        COLIBRI2,
        "transport",
        {
            "ice-controlling": transport.ice_controlling or None,
            "ice-restart": transport.ice_restart or None,
        },
    )
    if transport.ice is not None:
        made.append(build_transport(transport.ice))
    if transport.sctp is not None:
        made.append(element(COLIBRI2, "sctp", {"port": transport.sctp.port, "role": transport.sctp.role}))
    return made


def parse_media_sources(node: Node) -> tuple[MediaSource, ...]:
    """`<sources/>`. Raises JingleError."""
    return tuple(
        MediaSource(
            id=required(child, "id"),
            type=required(child, "type"),
            sources=parse_sources(child),
            groups=parse_groups(child),
            synthetic=boolean(child, "synthetic") or False,
        )
        for child in named(node, MEDIA_SOURCE, MAX_MEDIA_SOURCES)
    )


def build_media_sources(sources: tuple[MediaSource, ...]) -> Element:
    """`<sources/>`."""
    made = element(COLIBRI2, "sources")
    for source in sources:
        child = element(
            COLIBRI2,
            "media-source",
            {"type": source.type, "id": source.id, "synthetic": source.synthetic or None},
        )
        child.extend(build_source(one) for one in source.sources)
        child.extend(build_group(group) for group in source.groups)
        made.append(child)
    return made
