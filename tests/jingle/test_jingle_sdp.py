"""Jingle ↔ SDP: the recorded sessions, a browser's offer, refusals."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle.content import Action, Content, Group
from jingle.element import parse_jingle
from jingle.errors import SdpError
from jingle.ice import IceTransport
from jingle.rtp import PayloadType, RtpDescription
from jingle.sdp import SessionDescription, build_sdp, parse_sdp
from jingle.sources import Source

WRITERS = {
    Action.SESSION_INITIATE: "initiator",
    Action.SESSION_ACCEPT: "responder",
}


def without_what_sdp_cannot_say(content: Content, writer: str) -> Content:
    """The content as far as a session description goes."""
    description, transport = content.description, content.transport
    assert description is not None
    assert transport is not None
    setup = next((one.setup for one in transport.fingerprints), "")
    return Content(
        name=content.name,
        creator=writer,
        senders=content.senders or "both",
        description=replace(
            description,
            payload_types=tuple(plain_parameters(one) for one in description.payload_types),
            rtcp_mux=description.rtcp_mux or transport.rtcp_mux,
            ssrc="",
            initial_last_n=None,
            encryption=(),
            sources=tuple(
                Source(one.ssrc, msid=one.msid, cname=one.cname, parameters=one.parameters)
                for one in description.sources
            ),
        ),
        transport=IceTransport(
            ufrag=transport.ufrag,
            pwd=transport.pwd,
            fingerprints=tuple(
                replace(one, setup=setup, required="", cryptex="") for one in transport.fingerprints
            ),
            candidates=tuple(replace(one, id="") for one in transport.candidates),
            gathering_complete=transport.gathering_complete,
        ),
    )


def plain_parameters(payload_type: PayloadType) -> PayloadType:
    """Jicofo writes all parameters of H.264 into the value of the first; stanza.js a value as a name."""
    found: list[tuple[str, str]] = []
    for name, value in payload_type.parameters:
        for part in (f"{name}={value}" if value else name).split(";"):
            key, equals, rest = part.partition("=")
            if part:
                found.append((key, rest) if equals else ("", part))
    return replace(payload_type, parameters=tuple(found))


def test_recorded_sessions_go_through_sdp(recorded_session: Path) -> None:
    node = ET.parse(recorded_session).getroot().find("{urn:xmpp:jingle:1}jingle")
    assert node is not None
    jingle = parse_jingle(node)
    writer = WRITERS[jingle.action]
    text = build_sdp(SessionDescription(jingle.contents, jingle.groups), writer)
    parsed = parse_sdp(text, writer)
    assert parsed.contents == tuple(without_what_sdp_cannot_say(one, writer) for one in jingle.contents)
    assert parsed.groups == jingle.groups
    assert build_sdp(parsed, writer) == text.replace("packetization-mode=1;\r\n", "packetization-mode=1\r\n")


DIGEST = ":".join(["19"] * 32)
OFFER = f"""v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS
a=fingerprint:sha-256 {DIGEST}
m=audio 9 UDP/TLS/RTP/SAVPF 111 63
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 UDP 2122260223 0b1c.local 56143 typ host generation 0 network-id 1 network-cost 10
a=candidate:2 1 udp 1686052607 203.0.113.7 56143 typ srflx raddr 0.0.0.0 rport 0 generation 0
a=candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0
a=ice-ufrag:ETEn
a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l
a=ice-options:trickle
a=setup:actpass
a=mid:0
a=extmap:1/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:stream track
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6
a=ssrc:3570614608 msid:stream track
m=video 0 UDP/TLS/RTP/SAVPF 96
a=mid:1
a=recvonly
a=rtpmap:96 VP8/90000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=mid:2
a=sctp-port:5000
"""


def test_a_browsers_offer_becomes_contents() -> None:
    description = parse_sdp(OFFER, "initiator")
    assert description.groups == (Group("BUNDLE", ("0", "1", "2")),)
    assert description.rejected == ("1",)
    audio, data = description.contents
    assert (audio.name, audio.senders, audio.creator) == ("0", "both", "initiator")
    assert audio.description is not None
    assert audio.transport is not None
    assert audio.description.payload_types[1].parameters == (("", "111/111"),)
    assert audio.description.extmap_allow_mixed
    assert audio.description.header_extensions[0].senders == "initiator"
    assert audio.description.sources == (Source(3570614608, msid="stream track", cname="4TOk42mSjXCkVIa6"),)
    assert audio.transport.fingerprints[0].setup == "actpass"
    assert [one.numeric for one in audio.transport.candidates] == [False, True, True]
    assert audio.transport.candidates[2].tcp_type == "active"
    assert data.description == RtpDescription("application")
    assert data.transport is not None
    assert data.transport.sctp_port == 5000
    assert [one.hash for one in data.transport.fingerprints] == ["sha-256"]


@pytest.mark.parametrize(
    ("senders", "writer", "line"),
    [
        ("initiator", "initiator", "a=sendonly"),
        ("initiator", "responder", "a=recvonly"),
        ("responder", "responder", "a=sendonly"),
        ("none", "initiator", "a=inactive"),
        ("", "responder", "a=sendrecv"),
    ],
)
def test_senders_become_directions(senders: str, writer: str, line: str) -> None:
    content = Content("0", senders=senders, description=RtpDescription("audio", (PayloadType(0),)))
    text = build_sdp(SessionDescription((content,)), writer)
    assert line in text.splitlines()
    assert parse_sdp(text, writer).contents[0].senders == (senders or "both")


def test_a_source_without_attributes_survives() -> None:
    description = RtpDescription("audio", (PayloadType(0),), sources=(Source(7),))
    text = build_sdp(SessionDescription((Content("0", description=description),)), "initiator")
    parsed = parse_sdp(text, "initiator").contents[0].description
    assert parsed is not None
    assert parsed.sources == (Source(7),)


@pytest.mark.parametrize(
    "content",
    [
        Content("0"),
        Content("0", description=RtpDescription("audio")),
        Content("a b", description=RtpDescription("audio", (PayloadType(0),))),
        Content("0", description=RtpDescription("audio\r\na=x", (PayloadType(0),))),
        Content("0", description=RtpDescription("audio", (PayloadType(0, "x\r\na=y"),))),
        Content("0", description=RtpDescription("audio", (PayloadType(0, parameters=(("a", "b\nc"),)),))),
        Content(
            "0", description=RtpDescription("audio", (PayloadType(0),), sources=(Source(1, msid="a\nb"),))
        ),
        Content("0", senders="them", description=RtpDescription("audio", (PayloadType(0),))),
    ],
)
def test_nothing_is_written_that_is_no_sdp(content: Content) -> None:
    with pytest.raises(SdpError):
        build_sdp(SessionDescription((content,)), "initiator")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=1\r\n",
        "v=0\r\nm=audio\r\n",
        "v=0\r\nnonsense\r\n",
        "v=0\r\nm=audio 9 RTP/AVP 128\r\n",
        "v=0\r\nm=audio 9 RTP/AVP 0\r\na=candidate:1 1 udp 1 ::1 99999 typ host\r\n",
        "v=0\r\nm=audio 9 RTP/AVP 0\r\na=ssrc:0 cname:x\r\n",
        "v=0\r\nm=audio 9 RTP/AVP 0\r\na=ssrc:1\r\n",
        "v=0\r\nm=audio 9 RTP/AVP 0\r\na=fingerprint:sha-256 xx\r\n",
        "v=0\r\nm=audio 9 RTP/AVP 0\r\na=setup:maybe\r\n",
        "v=0\r\nm=audio 9 RTP/AVP 0\r\na=ice-ufrag:a b\r\n",
        "v=0\r\n" + "m=audio 9 RTP/AVP 0\r\n" * 17,
        "v=0\r\n" + "a=x\r\n" * 9000,
        "v=0\r\na=" + "x" * 300000,
    ],
)
def test_what_is_no_sdp_is_refused(text: str) -> None:
    with pytest.raises(SdpError):
        parse_sdp(text, "initiator")


def test_candidates_beyond_the_limit_are_dropped() -> None:
    lines = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n} typ host\r\n" for n in range(5000))
    transport = parse_sdp("v=0\r\nm=audio 9 RTP/AVP 0\r\n" + lines, "initiator").contents[0].transport
    assert transport is not None
    assert len(transport.candidates) == 50
