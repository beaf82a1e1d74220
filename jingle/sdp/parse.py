"""The text of a session description as contents (RFC 8866, the subset of RFC 8829)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from jingle.content import Content, Group
from jingle.errors import SdpError
from jingle.ice import Fingerprint, IceTransport
from jingle.ice_codec import CREDENTIAL, DIGEST, SETUPS
from jingle.limits import (
    MAX_CONTENTS,
    MAX_FEEDBACK,
    MAX_FINGERPRINTS,
    MAX_GROUP_SSRCS,
    MAX_GROUPS,
    MAX_HEADER_EXTENSIONS,
    MAX_PARAMETERS,
    MAX_PAYLOAD_TYPES,
    MAX_SOURCES,
    MAX_SSRC_GROUPS,
    NAME_CHARS,
    SDP_BYTES,
    SDP_LINES,
    VALUE_CHARS,
)
from jingle.rtp import HeaderExtension, MediaStream, PayloadType, RtcpFeedback, RtpDescription
from jingle.sdp.candidates import parse_candidates
from jingle.sdp.description import NO_ATTRIBUTE, SENDERS, SessionDescription
from jingle.sdp.words import number, words
from jingle.sources import Source, SsrcGroup

LINE: Final = re.compile(r"([a-z])=([^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*)")
DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass
class Section:
    """The session part or one media part of a description: its media line and its attributes in order."""

    media: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str, limit: int) -> Iterator[str]:
        """The values of the attributes of that name. Raises SdpError when there are more than `limit`."""
        found = [value for key, value in self.attributes if key == name]
        if len(found) > limit:
            raise SdpError(f"more than {limit} {name}")
        yield from found

    def one(self, name: str) -> str | None:
        """The value of the first attribute of that name."""
        return next((value for key, value in self.attributes if key == name), None)


def parse_sdp(text: str, writer: str) -> SessionDescription:
    """The contents and groups of a session description. Raises SdpError.

    `writer` says whose it is, "initiator" or "responder"; the contents get it as creator.
    """
    session, *media = sections(text)
    if len(media) > MAX_CONTENTS:
        raise SdpError(f"more than {MAX_CONTENTS} media sections")
    contents: list[Content] = []
    rejected: list[str] = []
    for index, section in enumerate(media):
        name = section.one("mid") or str(index)
        if len(name) > NAME_CHARS:
            raise SdpError("mid is too long")
        _, port, *_ = words(section.media, 3)
        if port.split("/")[0] == "0" and section.one("bundle-only") is None:
            rejected.append(name)
        else:
            contents.append(parse_content(name, session, section, writer))
    return SessionDescription(tuple(contents), tuple(parse_groups(session)), tuple(rejected))


def sections(text: str) -> list[Section]:
    """The session part and the media parts. Raises SdpError."""
    if len(text) > SDP_BYTES:
        raise SdpError("too long")
    lines = text.replace("\r\n", "\n").split("\n", SDP_LINES)
    if len(lines) > SDP_LINES:
        raise SdpError("too many lines")
    if lines[0] != "v=0":
        raise SdpError("does not begin with v=0")
    found = [Section()]
    for line in lines:
        if not line:
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise SdpError(f"no line of SDP: {line[:40]!r}")
        if match[1] == "m":
            found.append(Section(media=match[2]))
        elif match[1] == "a":
            name, _, value = match[2].partition(":")
            found[-1].attributes.append((name, value))
    return found


def parse_groups(session: Section) -> Iterator[Group]:
    """The groups of contents (RFC 5888). Raises SdpError."""
    for value in session.all("group", MAX_GROUPS):
        semantics, *names = words(value, 1)
        yield Group(semantics, tuple(names))


def parse_content(name: str, session: Section, section: Section, writer: str) -> Content:
    """One media section. Raises SdpError."""
    media, _, _, *formats = words(section.media, 3)
    transport = parse_transport(session, section)
    if media == "application":
        port = section.one("sctp-port")
        sctp_port = None if port is None else number(port, 0, 65535)
        return Content(
            name, writer, description=RtpDescription(media), transport=replace(transport, sctp_port=sctp_port)
        )
    direction = next(
        (key for key, _ in (*section.attributes, *session.attributes) if key in DIRECTIONS), "sendrecv"
    )
    if (direction, writer) not in SENDERS:
        raise SdpError(f"nobody is called {writer}")
    return Content(
        name,
        writer,
        senders=SENDERS[direction, writer],
        description=parse_description(media, formats, session, section, writer),
        transport=transport,
    )


def parse_transport(session: Section, section: Section) -> IceTransport:
    """Credentials, fingerprints and candidates; what a section does not say is taken from the session part.

    Raises SdpError.
    """
    return IceTransport(
        ufrag=credential(section.one("ice-ufrag") or session.one("ice-ufrag") or ""),
        pwd=credential(section.one("ice-pwd") or session.one("ice-pwd") or ""),
        fingerprints=tuple(parse_fingerprints(session, section)),
        candidates=parse_candidates(section.all("candidate", SDP_LINES)),
        gathering_complete=section.one("end-of-candidates") is not None
        or session.one("end-of-candidates") is not None,
    )


def credential(value: str) -> str:
    """A user fragment or password. Raises SdpError."""
    if len(value) > NAME_CHARS or not CREDENTIAL.fullmatch(value):
        raise SdpError("no ICE credential")
    return value


def parse_fingerprints(session: Section, section: Section) -> Iterator[Fingerprint]:
    """The fingerprints, all with the one role. Raises SdpError."""
    setup = section.one("setup") or session.one("setup") or ""
    if setup and setup not in SETUPS:
        raise SdpError("no DTLS role")
    own = list(section.all("fingerprint", MAX_FINGERPRINTS))
    for value in own or session.all("fingerprint", MAX_FINGERPRINTS):
        algorithm, digest, *_ = words(value, 2)
        if not DIGEST.fullmatch(digest) or len(algorithm) > NAME_CHARS:
            raise SdpError("no fingerprint")
        yield Fingerprint(algorithm, digest, setup)


def parse_description(
    media: str, formats: list[str], session: Section, section: Section, writer: str
) -> RtpDescription:
    """What a media section says of RTP. Raises SdpError."""
    if len(formats) > MAX_PAYLOAD_TYPES:
        raise SdpError(f"more than {MAX_PAYLOAD_TYPES} payload types")
    return RtpDescription(
        media=media,
        payload_types=tuple(parse_payload_types(formats, section)),
        feedback=tuple(feedback for target, feedback in parse_feedback(section) if target == "*"),
        header_extensions=tuple(parse_extensions(section, writer)),
        extmap_allow_mixed=section.one("extmap-allow-mixed") is not None
        or session.one("extmap-allow-mixed") is not None,
        rtcp_mux=section.one("rtcp-mux") is not None,
        rtcp_reduced_size=section.one("rtcp-rsize") is not None,
        maxptime=number(section.one("maxptime") or "0", 0, 2**16 - 1),
        sources=tuple(parse_sources(section)),
        groups=tuple(parse_ssrc_groups(section)),
        streams=tuple(parse_streams(section)),
    )


def parse_payload_types(formats: list[str], section: Section) -> Iterator[PayloadType]:
    """The payload types in the order of the media line. Raises SdpError."""
    maps = keyed(section, "rtpmap")
    parameters = keyed(section, "fmtp")
    feedback = list(parse_feedback(section))
    for value in dict.fromkeys(formats):
        codec, _, rate = maps.get(value, "").strip().partition("/")
        clockrate, _, channels = rate.partition("/")
        mine = tuple(one for target, one in feedback if target == value)
        if len(mine) > MAX_FEEDBACK:
            raise SdpError(f"more than {MAX_FEEDBACK} rtcp-fb")
        if len(codec) > NAME_CHARS:
            raise SdpError("a codec name is too long")
        yield PayloadType(
            id=number(value, 0, 127),
            name=codec,
            clockrate=number(clockrate or "0", 0, 2**32 - 1),
            channels=number(channels or "1", 1, 255),
            parameters=tuple(parse_parameters(parameters.get(value, ""))),
            feedback=mine,
        )


def keyed(section: Section, name: str) -> dict[str, str]:
    """The values of an attribute by the payload type they begin with. Raises SdpError."""
    pairs = (value.partition(" ") for value in section.all(name, MAX_PAYLOAD_TYPES))
    return {key: rest for key, _, rest in pairs}


def parse_parameters(value: str) -> Iterator[tuple[str, str]]:
    """Format parameters: `name=value` with semicolons between; what has no = is a value without a name.

    Raises SdpError.
    """
    parts = [part.strip() for part in value.split(";", MAX_PARAMETERS) if part.strip()]
    if len(parts) > MAX_PARAMETERS:
        raise SdpError(f"more than {MAX_PARAMETERS} format parameters")
    for part in parts:
        name, equals, rest = part.partition("=")
        if len(part) > VALUE_CHARS:
            raise SdpError("a format parameter is too long")
        yield (name.strip(), rest.strip()) if equals else ("", part)


def parse_feedback(section: Section) -> Iterator[tuple[str, RtcpFeedback]]:
    """The feedback messages with the payload type or * that they are for. Raises SdpError."""
    for value in section.all("rtcp-fb", MAX_PAYLOAD_TYPES * MAX_FEEDBACK):
        target, kind, *rest = words(value, 2)
        yield target, RtcpFeedback(kind, " ".join(rest))


def parse_extensions(section: Section, writer: str) -> Iterator[HeaderExtension]:
    """The header extensions (RFC 8285 §5). Raises SdpError."""
    for value in section.all("extmap", MAX_HEADER_EXTENSIONS):
        number_and_direction, uri, *_ = words(value, 2)
        identifier, _, direction = number_and_direction.partition("/")
        senders = SENDERS.get((direction, writer), "") if direction != "sendrecv" else ""
        if len(uri) > VALUE_CHARS:
            raise SdpError("a URI is too long")
        yield HeaderExtension(number(identifier, 1, 4351), uri, senders)


def parse_streams(section: Section) -> Iterator[MediaStream]:
    """The streams and tracks of a section (RFC 8830). Raises SdpError."""
    for value in section.all("msid", MAX_SOURCES):
        stream, *track = words(value, 1)
        yield MediaStream(stream, track[0] if track else "")


def parse_ssrc_groups(section: Section) -> Iterator[SsrcGroup]:
    """The groups of sources (RFC 5576 §4.2). Raises SdpError."""
    for value in section.all("ssrc-group", MAX_SSRC_GROUPS):
        semantics, *members = words(value, 1)
        if len(members) > MAX_GROUP_SSRCS:
            raise SdpError(f"more than {MAX_GROUP_SSRCS} sources in a group")
        yield SsrcGroup(semantics, tuple(number(member, 1, 2**32 - 1) for member in members))


def parse_sources(section: Section) -> Iterator[Source]:
    """The sources with their attributes (RFC 5576 §4.1). Raises SdpError."""
    found: dict[int, Source] = {}
    for value in section.all("ssrc", MAX_SOURCES * 4):
        first, _, attribute = value.partition(" ")
        name, _, rest = attribute.strip().partition(":")
        ssrc = number(first, 1, 2**32 - 1)
        source = found.get(ssrc, Source(ssrc))
        if len(rest) > VALUE_CHARS or len(name) > NAME_CHARS or len(source.parameters) >= MAX_PARAMETERS:
            raise SdpError("a source has too much to say")
        found[ssrc] = with_attribute(source, name, rest.strip())
    if len(found) > MAX_SOURCES:
        raise SdpError(f"more than {MAX_SOURCES} sources")
    yield from found.values()


def with_attribute(source: Source, name: str, value: str) -> Source:
    """A source with one attribute more. Raises SdpError."""
    if not name or " " in name:
        raise SdpError("a source without an attribute")
    if name == "cname" and not source.cname:
        return replace(source, cname="" if value == NO_ATTRIBUTE else value)
    if name == "msid" and not source.msid:
        return replace(source, msid=value)
    return replace(source, parameters=(*source.parameters, (name, value)))
