"""Jingle elements: what is kept, what is dropped, what is refused."""

from xml.etree import ElementTree as ET

import pytest
from lxml import etree

from jingle.content import Action, Content, Reason, SessionInfo
from jingle.element import Jingle, build_jingle, parse_jingle
from jingle.errors import JingleError
from jingle.ice import IceTransport
from jingle.rtp import PayloadType, RtcpFeedback, RtpDescription

ICE = "xmlns='urn:xmpp:jingle:transports:ice-udp:1'"
RTP = "xmlns='urn:xmpp:jingle:apps:rtp:1'"
CANDIDATE = "component='1' foundation='1' priority='1' protocol='udp' type='host' ip='192.0.2.1' port='1'"


def jingle(inside: str, attributes: str = "action='session-info' sid='s'") -> Jingle:
    return parse_jingle(ET.fromstring(f"<jingle xmlns='urn:xmpp:jingle:1' {attributes}>{inside}</jingle>"))


def content(inside: str, attributes: str = "creator='initiator' name='a'") -> Content:
    return jingle(f"<content {attributes}>{inside}</content>").contents[0]


def transport(inside: str, attributes: str = "") -> IceTransport:
    found = content(f"<transport {ICE} {attributes}>{inside}</transport>").transport
    assert found is not None
    return found


def description(inside: str, attributes: str = "media='audio'") -> RtpDescription:
    found = content(f"<description {RTP} {attributes}>{inside}</description>").description
    assert found is not None
    return found


def test_candidates_beyond_the_limit_are_dropped() -> None:
    found = transport(f"<candidate {CANDIDATE}/>" * 5000)
    assert len(found.candidates) == 50


def test_host_names_in_candidates_stay_text_and_are_marked() -> None:
    names = ["evil.example", "0a1b.local", "192.0.2.1", "2001:db8::1", "1.2.3"]
    elements = [f"<candidate {CANDIDATE.replace('192.0.2.1', name)}/>" for name in names]
    found = transport("".join(elements))
    assert [(one.ip, one.numeric) for one in found.candidates] == [
        ("evil.example", False),
        ("0a1b.local", False),
        ("192.0.2.1", True),
        ("2001:db8::1", True),
        ("1.2.3", False),
    ]


def test_a_candidate_of_an_unknown_type_is_dropped() -> None:
    assert transport(f"<candidate {CANDIDATE.replace('host', 'teleport')}/>").candidates == ()


def test_sdes_keys_are_not_kept() -> None:
    crypto = "<crypto crypto-suite='AES_CM_128_HMAC_SHA1_80' key-params='inline:SECRET' tag='1'/>"
    found = description(f"<encryption>{crypto}</encryption>")
    assert found.encryption == ("AES_CM_128_HMAC_SHA1_80",)
    assert "SECRET" not in repr(found)


def test_feedback_intervals_are_feedback() -> None:
    found = description("<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='100'/>")
    assert found.feedback == (RtcpFeedback("trr-int", "100"),)
    made = build_jingle(Jingle(Action.CONTENT_MODIFY, "s", contents=(Content("a", description=found),)))
    assert made.find(".//{urn:xmpp:jingle:apps:rtp:rtcp-fb:0}rtcp-fb-trr-int") is not None


def test_foreign_applications_and_transports_are_named() -> None:
    found = content(
        "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>"
        "<transport xmlns='urn:xmpp:jingle:transports:ibb:1'/>"
    )
    assert found.description is None
    assert found.transport is None
    assert found.foreign == ("urn:xmpp:jingle:apps:file-transfer:5", "urn:xmpp:jingle:transports:ibb:1")


def test_a_data_channel_is_announced() -> None:
    found = transport("<sctpmap xmlns='urn:xmpp:jingle:transports:dtls-sctp:1' number='5000' protocol='x'/>")
    assert found.sctp_port == 5000
    made = build_jingle(Jingle(Action.TRANSPORT_INFO, "s", contents=(Content("data", transport=found),)))
    assert parse_jingle(made).contents[0].transport == found


@pytest.mark.parametrize("kind", ["active", "hold", "mute", "ringing", "unhold", "unmute"])
def test_session_info_of_calls(kind: str) -> None:
    found = jingle(f"<{kind} xmlns='urn:xmpp:jingle:apps:rtp:info:1' creator='responder' name='a'/>")
    assert found.info == SessionInfo(kind, "a", "responder")
    assert parse_jingle(build_jingle(found)) == found


def test_reason_with_text() -> None:
    found = jingle("<reason><text> bye </text><success/></reason>", "action='session-terminate' sid='s'")
    assert found.reason == Reason("success", "bye")


def test_one_channel_is_the_default() -> None:
    found = description("<payload-type id='0' channels='1'/>")
    assert found.payload_types == (PayloadType(0),)


def test_comments_of_lxml_are_passed_over() -> None:
    node = etree.fromstring(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='s'><!-- a --><?b?></jingle>"
    )
    assert parse_jingle(node) == Jingle(Action.SESSION_INFO, "s")


@pytest.mark.parametrize(
    "text",
    [
        "<iq/>",
        "<jingle xmlns='urn:xmpp:jingle:1'/>",
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-info'/>",
        "<jingle xmlns='urn:xmpp:jingle:1' action='dance' sid='s'/>",
        f"<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='{'s' * 257}'/>",
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='a&#10;b'/>",
    ],
)
def test_what_is_no_jingle_is_refused(text: str) -> None:
    with pytest.raises(JingleError) as caught:
        parse_jingle(ET.fromstring(text))
    assert (caught.value.condition, caught.value.type, caught.value.app_element()) == (
        "bad-request",
        "modify",
        None,
    )


@pytest.mark.parametrize(
    "inside",
    [
        "<content/>",
        "<content name='a' creator='god'/>",
        "<content name='a' senders='all'/>",
        "<content name='a'/>" * 17,
        "<reason/>",
        "<reason><text>words</text></reason>",
        "<reason><UPPER/></reason>",
        "<group xmlns='urn:xmpp:jingle:apps:grouping:0'/>",
        f"<content name='a'><description {RTP}/></content>",
        "<bridge-session xmlns='http://jitsi.org/protocol/focus' restart='perhaps'/>",
        "<json-message xmlns='http://jitsi.org/jitmeet'>{</json-message>",
    ],
)
def test_a_malformed_jingle_is_refused(inside: str) -> None:
    with pytest.raises(JingleError):
        jingle(inside)


@pytest.mark.parametrize(
    "inside",
    [
        "<payload-type/>",
        "<payload-type id='128'/>",
        "<payload-type id='x'/>",
        "<payload-type id='１'/>",
        "<payload-type id='-1'/>",
        "<payload-type id='0' clockrate='99999999999'/>",
        "<payload-type id='0'/>" * 129,
        "<payload-type id='0'>" + "<parameter name='a' value='b'/>" * 33 + "</payload-type>",
        f"<payload-type id='0'><parameter name='a' value='{'b' * 2049}'/></payload-type>",
        "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='0' uri='u'/>",
        "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1'/>",
        "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0'/>",
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='0'/>",
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='4294967296'/>",
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'/>" * 1025,
        "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'/>",
    ],
)
def test_a_malformed_description_is_refused(inside: str) -> None:
    with pytest.raises(JingleError):
        description(inside)


@pytest.mark.parametrize(
    ("inside", "attributes"),
    [
        ("", "ufrag='a b'"),
        ("", "ice-generation='-1'"),
        ("<candidate type='host'/>", ""),
        ("<candidate " + CANDIDATE.replace("port='1'", "port='65536'") + "/>", ""),
        ("<candidate " + CANDIDATE.replace("component='1'", "component='0'") + "/>", ""),
        ("<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'/>", ""),
        ("<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>AA:BB</fingerprint>", ""),
        ("<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='md5' setup='x'>AA</fingerprint>", ""),
        ("<web-socket xmlns='http://jitsi.org/protocol/colibri'/>", ""),
        ("<web-socket xmlns='http://jitsi.org/protocol/colibri' url='u'/>" * 5, ""),
    ],
)
def test_a_malformed_transport_is_refused(inside: str, attributes: str) -> None:
    with pytest.raises(JingleError):
        transport(inside, attributes)
