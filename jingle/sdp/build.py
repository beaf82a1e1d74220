"""Contents as the text of a session description (RFC 8866, as RFC 8829 §5.2 wants it)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from jingle.content import Content
from jingle.errors import SdpError
from jingle.ice import Candidate, IceTransport
from jingle.rtp import HeaderExtension, PayloadType, RtpDescription
from jingle.sdp.description import DIRECTIONS, NO_ATTRIBUTE, SessionDescription
from jingle.sources import Source

TOKEN: Final = re.compile(r"[!-~]+")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def build_sdp(description: SessionDescription, writer: str, session_id: int = 1) -> str:
    """The text of a session description, its lines ended by CR LF.

    `writer` says whose it is: "initiator" or "responder". Raises SdpError for contents that cannot be
    written: without an RTP description or payload type, or with text that a line cannot hold.
    """
    lines = ["v=0", f"o=- {session_id} 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    for group in description.groups:
        lines.append(f"a=group:{' '.join(word(value) for value in (group.semantics, *group.contents))}")
    for content in description.contents:
        lines.extend(media_section(content, writer))
    return "".join(f"{line}\r\n" for line in lines)


def word(value: str) -> str:
    """The value, when it is one word of visible ASCII. Raises SdpError."""
    if not TOKEN.fullmatch(value):
        raise SdpError(f"no word: {value[:40]!r}")
    return value


def phrase(value: str) -> str:
    """The value, when a line can hold it. Raises SdpError."""
    if CONTROL.search(value) or value != value.strip():
        raise SdpError(f"not for one line: {value[:40]!r}")
    return value


def media_section(content: Content, writer: str) -> Iterator[str]:
    """The lines of one content. Raises SdpError."""
    description, transport = content.description, content.transport or IceTransport()
    if description is None:
        raise SdpError(f"{content.name} has no description")
    data = description.media == "application"
    if not data and not description.payload_types:
        raise SdpError(f"{content.name} has no payload type")
    if data:
        yield "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    else:
        protocol = "UDP/TLS/RTP/SAVPF" if transport.fingerprints else "RTP/AVPF"
        formats = " ".join(str(payload_type.id) for payload_type in description.payload_types)
        yield f"m={word(description.media)} 9 {protocol} {formats}"
    yield "c=IN IP4 0.0.0.0"
    yield f"a=mid:{word(content.name)}"
    yield from transport_lines(transport)
    if data:
        if transport.sctp_port is not None:
            yield f"a=sctp-port:{transport.sctp_port}"
        return
    try:
        yield f"a={DIRECTIONS[content.senders or 'both', writer]}"
    except KeyError as error:
        raise SdpError(f"no direction for {content.senders} of {writer}") from error
    yield from rtp_lines(description, transport, writer)


def transport_lines(transport: IceTransport) -> Iterator[str]:
    """Credentials, fingerprints and candidates. Raises SdpError."""
    if transport.ufrag:
        yield f"a=ice-ufrag:{word(transport.ufrag)}"
    if transport.pwd:
        yield f"a=ice-pwd:{word(transport.pwd)}"
    for fingerprint in transport.fingerprints:
        yield f"a=fingerprint:{word(fingerprint.hash)} {word(fingerprint.value)}"
    setup = next((fingerprint.setup for fingerprint in transport.fingerprints if fingerprint.setup), "")
    if setup:
        yield f"a=setup:{word(setup)}"
    for candidate in transport.candidates:
        yield f"a=candidate:{candidate_value(candidate)}"
    if transport.gathering_complete:
        yield "a=end-of-candidates"


def candidate_value(candidate: Candidate) -> str:
    """A candidate (RFC 8839 §5.1), as it stands after `candidate:`. Raises SdpError."""
    words = [
        candidate.foundation,
        str(candidate.component),
        candidate.protocol,
        str(candidate.priority),
        candidate.ip,
        str(candidate.port),
        "typ",
        candidate.type,
    ]
    if candidate.related_address:
        words += ["raddr", candidate.related_address, "rport", str(candidate.related_port)]
    if candidate.tcp_type:
        words += ["tcptype", candidate.tcp_type]
    words += ["generation", str(candidate.generation)]
    if candidate.network is not None:
        words += ["network-id", str(candidate.network)]
    return " ".join(word(value) for value in words)


def rtp_lines(description: RtpDescription, transport: IceTransport, writer: str) -> Iterator[str]:
    """What a description says of RTP. Raises SdpError."""
    if description.rtcp_mux or transport.rtcp_mux:
        yield "a=rtcp-mux"
    if description.rtcp_reduced_size:
        yield "a=rtcp-rsize"
    if description.extmap_allow_mixed:
        yield "a=extmap-allow-mixed"
    for extension in description.header_extensions:
        yield extmap(extension, writer)
    for stream in description.streams:
        yield " ".join([f"a=msid:{word(stream.id)}", *([word(stream.track)] if stream.track else [])])
    for payload_type in description.payload_types:
        yield from payload_type_lines(payload_type)
    for feedback in description.feedback:
        yield f"a=rtcp-fb:* {' '.join(word(w) for w in (feedback.type, feedback.subtype) if w)}"
    if description.maxptime:
        yield f"a=maxptime:{description.maxptime}"
    for group in description.groups:
        yield f"a=ssrc-group:{' '.join([word(group.semantics), *(str(ssrc) for ssrc in group.ssrcs)])}"
    for source in description.sources:
        yield from ssrc_lines(source)


def extmap(extension: HeaderExtension, writer: str) -> str:
    """A header extension (RFC 8285 §5); for both directions it names none. Raises SdpError."""
    direction = DIRECTIONS.get((extension.senders, writer), "sendrecv")
    suffix = "" if direction == "sendrecv" else f"/{direction}"
    return f"a=extmap:{extension.id}{suffix} {word(extension.uri)}"


def payload_type_lines(payload_type: PayloadType) -> Iterator[str]:
    """rtpmap, feedback and format parameters of a payload type. Raises SdpError."""
    if payload_type.name:
        if "/" in payload_type.name:
            raise SdpError(f"no codec name: {payload_type.name[:40]!r}")
        channels = f"/{payload_type.channels}" if payload_type.channels > 1 else ""
        yield f"a=rtpmap:{payload_type.id} {word(payload_type.name)}/{payload_type.clockrate}{channels}"
    for feedback in payload_type.feedback:
        words = (feedback.type, *feedback.subtype.split())
        yield f"a=rtcp-fb:{payload_type.id} {' '.join(word(value) for value in words)}"
    parameters = ";".join(format_parameters(payload_type.parameters))
    if parameters:
        yield f"a=fmtp:{payload_type.id} {phrase(parameters)}"


def format_parameters(parameters: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Each parameter as `name=value`, or the one of the two it has. A value may hold further parameters."""
    for name, value in parameters:
        plain = value.strip("; ")
        if name and plain:
            yield f"{word(name)}={plain}"
        elif name or plain:
            yield word(name) if name else plain


def ssrc_lines(source: Source) -> Iterator[str]:
    """The attributes of a source (RFC 5576 §4.1). Raises SdpError."""
    known = (("cname", source.cname), ("msid", source.msid))
    attributes = [*((name, value) for name, value in known if value), *source.parameters]
    for name, value in attributes or [("cname", NO_ATTRIBUTE)]:
        if ":" in name:
            raise SdpError(f"no attribute name: {name[:40]!r}")
        yield f"a=ssrc:{source.ssrc} {word(name)}{':' if value else ''}{phrase(value)}"
