"""RTP descriptions (XEP-0167) with feedback (XEP-0293) and header extensions (XEP-0294) as elements."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

from jingle.errors import bad_request
from jingle.jitsi import additions
from jingle.limits import (
    MAX_FEEDBACK,
    MAX_HEADER_EXTENSIONS,
    MAX_PARAMETERS,
    MAX_PAYLOAD_TYPES,
    MAX_SOURCES,
    VALUE_CHARS,
)
from jingle.namespaces import MSID, RTCP_FB, RTP, RTP_HDREXT
from jingle.reading import Node, children, element, first, has, named, number, required, text, token
from jingle.rtp import HeaderExtension, MediaStream, PayloadType, RtcpFeedback, RtpDescription
from jingle.sources_codec import build_group, build_source, parse_groups, parse_sources

DESCRIPTION: Final = f"{{{RTP}}}description"
PAYLOAD_TYPE: Final = f"{{{RTP}}}payload-type"
PARAMETER: Final = f"{{{RTP}}}parameter"
RTCP_MUX: Final = f"{{{RTP}}}rtcp-mux"
RTCP_REDUCED_SIZE: Final = f"{{{RTP}}}rtcp-reduced-size"
ENCRYPTION: Final = f"{{{RTP}}}encryption"
CRYPTO: Final = f"{{{RTP}}}crypto"
FEEDBACK: Final = f"{{{RTCP_FB}}}rtcp-fb"
FEEDBACK_INTERVAL: Final = f"{{{RTCP_FB}}}rtcp-fb-trr-int"
HEADER_EXTENSION: Final = f"{{{RTP_HDREXT}}}rtp-hdrext"
EXTMAP_ALLOW_MIXED: Final = f"{{{RTP_HDREXT}}}extmap-allow-mixed"
STREAM: Final = f"{{{MSID}}}stream"

SENDERS: Final = frozenset({"both", "initiator", "responder", "none"})
TRR_INT: Final = "trr-int"
"""The type under which `<rtcp-fb-trr-int/>` is kept: the one it has in SDP (RFC 4585 §4.2)."""
INTERVAL: Final = re.compile(r"[0-9]{1,9}")
"""Milliseconds."""


def parse_description(node: Node) -> RtpDescription:
    """`<description/>`. Raises JingleError."""
    encryption = first(node, ENCRYPTION)
    return RtpDescription(
        media=required(node, "media"),
        payload_types=parse_payload_types(node),
        feedback=parse_feedback(node),
        header_extensions=parse_header_extensions(node),
        extmap_allow_mixed=has(node, EXTMAP_ALLOW_MIXED),
        rtcp_mux=has(node, RTCP_MUX),
        ssrc=text(node, "ssrc"),
        maxptime=number(node, "maxptime", 0, 2**16 - 1, 0),
        sources=parse_sources(node),
        groups=parse_groups(node),
        initial_last_n=additions.initial_last_n(node),
        encryption=() if encryption is None else parse_crypto_suites(encryption),
        rtcp_reduced_size=has(node, RTCP_REDUCED_SIZE),
        streams=tuple(
            MediaStream(required(child, "id", VALUE_CHARS), text(child, "track", VALUE_CHARS))
            for child in named(node, STREAM, MAX_SOURCES)
        ),
    )


def build_description(description: RtpDescription) -> Element:
    """`<description/>`. Crypto suites are not written: their keys were not kept."""
    made = element(
        RTP,
        "description",
        {"media": description.media, "ssrc": description.ssrc, "maxptime": description.maxptime or None},
    )
    made.extend(build_payload_type(payload_type) for payload_type in description.payload_types)
    made.extend(build_feedback(feedback) for feedback in description.feedback)
    made.extend(build_header_extension(extension) for extension in description.header_extensions)
    if description.extmap_allow_mixed:
        made.append(element(RTP_HDREXT, "extmap-allow-mixed"))
    made.extend(build_source(source) for source in description.sources)
    made.extend(build_group(group) for group in description.groups)
    made.extend(element(MSID, "stream", {"id": s.id, "track": s.track}) for s in description.streams)
    if description.initial_last_n is not None:
        made.append(additions.initial_last_n_element(description.initial_last_n))
    if description.rtcp_mux:
        made.append(element(RTP, "rtcp-mux"))
    if description.rtcp_reduced_size:
        made.append(element(RTP, "rtcp-reduced-size"))
    return made


def parse_payload_types(parent: Node) -> tuple[PayloadType, ...]:
    """The payload types that are children of `parent`, preferred first. Raises JingleError."""
    return tuple(parse_payload_type(node) for node in named(parent, PAYLOAD_TYPE, MAX_PAYLOAD_TYPES))


def parse_payload_type(node: Node) -> PayloadType:
    """`<payload-type/>`. Raises JingleError."""
    return PayloadType(
        id=number(node, "id", 0, 127),
        name=text(node, "name"),
        clockrate=number(node, "clockrate", 0, 2**32 - 1, 0),
        channels=number(node, "channels", 1, 255, 1),
        maxptime=number(node, "maxptime", 0, 2**16 - 1, 0),
        ptime=number(node, "ptime", 0, 2**16 - 1, 0),
        parameters=tuple(
            (text(child, "name"), text(child, "value", VALUE_CHARS))
            for child in named(node, PARAMETER, MAX_PARAMETERS)
        ),
        feedback=parse_feedback(node),
    )


def build_payload_type(payload_type: PayloadType) -> Element:
    """`<payload-type/>`; one channel is the default and not written."""
    made = element(
        RTP,
        "payload-type",
        {
            "id": payload_type.id,
            "name": payload_type.name,
            "clockrate": payload_type.clockrate or None,
            "channels": payload_type.channels if payload_type.channels > 1 else None,
            "maxptime": payload_type.maxptime or None,
            "ptime": payload_type.ptime or None,
        },
    )
    for name, value in payload_type.parameters:
        made.append(element(RTP, "parameter", {"name": name, "value": value}))
    made.extend(build_feedback(feedback) for feedback in payload_type.feedback)
    return made


def parse_feedback(parent: Node) -> tuple[RtcpFeedback, ...]:
    """The feedback messages that are children of `parent`. Raises JingleError."""
    found: list[RtcpFeedback] = []
    for tag, node in children(parent):
        if tag == FEEDBACK:
            found.append(RtcpFeedback(required(node, "type"), text(node, "subtype")))
        elif tag == FEEDBACK_INTERVAL:
            found.append(RtcpFeedback(TRR_INT, str(number(node, "value", 0, 999_999_999))))
    if len(found) > MAX_FEEDBACK:
        raise bad_request(f"more than {MAX_FEEDBACK} rtcp-fb")
    return tuple(found)


def build_feedback(feedback: RtcpFeedback) -> Element:
    """`<rtcp-fb/>` or `<rtcp-fb-trr-int/>`."""
    if feedback.type == TRR_INT and INTERVAL.fullmatch(feedback.subtype):
        return element(RTCP_FB, "rtcp-fb-trr-int", {"value": feedback.subtype})
    return element(RTCP_FB, "rtcp-fb", {"type": feedback.type, "subtype": feedback.subtype})


def parse_header_extensions(parent: Node) -> tuple[HeaderExtension, ...]:
    """The header extensions that are children of `parent`. Raises JingleError."""
    return tuple(
        HeaderExtension(
            number(node, "id", 1, 4351), required(node, "uri", VALUE_CHARS), token(node, "senders", SENDERS)
        )
        for node in named(parent, HEADER_EXTENSION, MAX_HEADER_EXTENSIONS)
    )


def build_header_extension(extension: HeaderExtension) -> Element:
    """`<rtp-hdrext/>`."""
    return element(
        RTP_HDREXT, "rtp-hdrext", {"id": extension.id, "uri": extension.uri, "senders": extension.senders}
    )


def parse_crypto_suites(encryption: Node) -> tuple[str, ...]:
    """The names of the SDES suites in `<encryption/>`, without their keys. Raises JingleError."""
    return tuple(required(node, "crypto-suite") for node in named(encryption, CRYPTO, MAX_PARAMETERS))
