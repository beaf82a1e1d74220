"""Whatever arrives, a parser gives data or its own error; and what it gave can be written and read again."""

import copy
import json
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from jingle import colibri2, namespaces
from jingle.colibri2 import Colibri2Error
from jingle.content import Action
from jingle.element import Jingle, build_jingle, parse_jingle
from jingle.errors import JingleError, SdpError
from jingle.jitsi.conference import build_conference, parse_conference
from jingle.jitsi.json_sources import build_json_sources, parse_json_sources
from jingle.jitsi.mute import TAGS, build_mute, parse_mute
from jingle.jitsi.presence import build_source_info, parse_participant, parse_source_info
from jingle.sdp import SessionDescription, build_sdp, parse_sdp

Corpus = dict[str, list[ET.Element]]

shared_corpus = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

NAMES = [
    *("jingle", "content", "description", "transport", "payload-type", "parameter", "rtcp-fb", "candidate"),
    *("rtcp-fb-trr-int", "rtp-hdrext", "source", "ssrc-group", "fingerprint", "sctpmap", "group", "reason"),
    *("text", "success", "mute", "ringing", "muji", "encryption", "crypto", "stream", "web-socket"),
    *(
        "bridge-session",
        "ice-state",
        "startmuted",
        "json-message",
        "ssrc-info",
        "initial-last-n",
        "conference",
    ),
    *("property", "conference-modify", "conference-modified", "endpoint", "media", "media-source", "sources"),
    *(
        "sctp",
        "force-mute",
        "capability",
        "relay",
        "connects",
        "connect",
        "SourceInfo",
        "features",
        "feature",
    ),
]
SPACES = [
    *(value for name, value in vars(namespaces).items() if name.isupper()),
    *("", "jabber:client", "jitsi:colibri2", "http://jitsi.org/jitmeet", "http://jitsi.org/protocol/focus"),
    *("http://jitsi.org/protocol/colibri", "http://jitsi.org/jitmeet/audio"),
]
ATTRIBUTES = [
    *("action", "sid", "name", "creator", "senders", "media", "id", "clockrate", "channels", "value", "type"),
    *(
        "subtype",
        "uri",
        "ssrc",
        "semantics",
        "ufrag",
        "pwd",
        "hash",
        "setup",
        "component",
        "foundation",
        "ip",
    ),
    *(
        "port",
        "priority",
        "protocol",
        "generation",
        "network",
        "rel-addr",
        "rel-port",
        "url",
        "number",
        "room",
    ),
    *("audio", "video", "create", "expire", "meeting-id", "owner", "var", "track", "crypto-suite", "ready"),
]
values = st.one_of(
    st.sampled_from(
        ["", "0", "1", "5000", "4294967295", "-1", "true", "false", "initiator", "both", "host", "udp"]
    ),
    st.sampled_from([action.value for action in Action]),
    st.sampled_from(["AA:" * 31 + "AA", "{", '{"sources":{"a":[[{"s":1}]]}}', "actpass", "audio", "::1"]),
    st.text(max_size=8),
    st.integers().map(str),
)
tags = st.tuples(st.sampled_from(SPACES), st.sampled_from(NAMES)).map(
    lambda pair: f"{{{pair[0]}}}{pair[1]}" if pair[0] else pair[1]
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> ET.Element:
    made = ET.Element(draw(tags), draw(st.dictionaries(st.sampled_from(ATTRIBUTES), values, max_size=5)))
    made.text = draw(st.none() | values)
    if depth:
        made.extend(draw(st.lists(elements(depth - 1), max_size=3)))
    return made


def mutated(draw: st.DrawFn, original: ET.Element) -> ET.Element:
    """The recording with one to five changes: values, attributes, children lost, doubled or foreign."""
    root = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 5))):
        node = draw(st.sampled_from(list(root.iter())))
        change = draw(st.integers(0, 5))
        if change == 0 and node.attrib:
            del node.attrib[draw(st.sampled_from(sorted(node.attrib)))]
        elif change == 1 and node.attrib:
            node.set(draw(st.sampled_from(sorted(node.attrib))), draw(values))
        elif change == 2:
            node.text = draw(values)
        elif change == 3 and len(node):
            node.remove(draw(st.sampled_from(list(node))))
        elif change == 4 and len(node):
            node.extend([copy.deepcopy(draw(st.sampled_from(list(node))))] * draw(st.sampled_from([1, 20])))
        else:
            node.append(draw(elements(1)))
    return root


def parsed_jingle(node: ET.Element) -> Jingle:
    try:
        return parse_jingle(node)
    except JingleError:
        assume(False)
        raise


def check_jingle(jingle: Jingle) -> None:
    again = parse_jingle(build_jingle(jingle))
    assert ET.tostring(build_jingle(again)) == ET.tostring(build_jingle(jingle))
    for writer in ("initiator", "responder"):
        try:
            text = build_sdp(SessionDescription(jingle.contents, jingle.groups), writer)
            parsed = parse_sdp(text, writer)
            assert parse_sdp(build_sdp(parsed, writer), writer) == parsed
        except SdpError:
            pass


@given(elements())
def test_random_elements(node: ET.Element) -> None:
    for parse in (parse_conference, parse_mute, parse_participant):
        with suppress(JingleError):
            parse(node)
    for parse_colibri in (colibri2.parse_modify_xml, colibri2.parse_modified_xml):
        with suppress(Colibri2Error):
            parse_colibri(node)
    try:
        jingle = parse_jingle(node)
    except JingleError:
        return
    check_jingle(jingle)


@given(elements(), st.sampled_from(list(Action)))
def test_random_jingle(node: ET.Element, action: Action) -> None:
    node.tag = "{urn:xmpp:jingle:1}jingle"
    node.attrib.update({"action": action.value, "sid": "s"})
    try:
        jingle = parse_jingle(node)
    except JingleError:
        return
    check_jingle(jingle)


@shared_corpus
@given(st.data())
def test_mutated_recordings_of_jingle(corpus: Corpus, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(corpus["recorded_jingle"]))
    try:
        jingle = parse_jingle(data.draw(st.composite(mutated)(original)))
    except JingleError:
        return
    check_jingle(jingle)


@shared_corpus
@given(st.data())
def test_mutated_recordings_of_colibri2_requests(corpus: Corpus, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(corpus["recorded_modify"]))
    try:
        request = colibri2.parse_modify_xml(data.draw(st.composite(mutated)(original)))
    except Colibri2Error:
        return
    built = colibri2.modify_xml(request)
    assert ET.tostring(colibri2.modify_xml(colibri2.parse_modify_xml(built))) == ET.tostring(built)
    body = colibri2.modify_json(request)
    assert colibri2.modify_json(colibri2.parse_modify_json(body)) == body


@shared_corpus
@given(st.data())
def test_mutated_recordings_of_colibri2_answers(corpus: Corpus, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(corpus["recorded_modified"]))
    try:
        answer = colibri2.parse_modified_xml(data.draw(st.composite(mutated)(original)))
    except Colibri2Error:
        return
    built = colibri2.modified_xml(answer)
    assert ET.tostring(colibri2.modified_xml(colibri2.parse_modified_xml(built))) == ET.tostring(built)
    body = colibri2.modified_json(answer)
    assert colibri2.modified_json(colibri2.parse_modified_json(body)) == body


@shared_corpus
@given(st.data())
def test_mutated_recordings_of_conference_requests(corpus: Corpus, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(corpus["recorded_conference"]))
    try:
        conference = parse_conference(data.draw(st.composite(mutated)(original)))
    except JingleError:
        return
    assert parse_conference(build_conference(conference)) == conference


json_keys = st.sampled_from(
    [
        *(
            "meeting-id",
            "name",
            "create",
            "expire",
            "endpoints",
            "relays",
            "connects",
            "id",
            "medias",
            "type",
        ),
        *(
            "transport",
            "sources",
            "ssrc-groups",
            "semantics",
            "ssrc",
            "payload-types",
            "parameters",
            "rtcp-fbs",
        ),
        *(
            "candidates",
            "fingerprints",
            "fingerprint",
            "web-sockets",
            "rtcp-mux",
            "force-mute",
            "capabilities",
        ),
        *(
            "initial-last-n",
            "value",
            "audio",
            "sctp",
            "port",
            "rtp-hdrexts",
            "uri",
            "muted",
            "s",
            "n",
            "m",
            "v",
        ),
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.integers(min_value=10**4299) | st.floats() | values
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(json_keys, inner, max_size=5),
    max_leaves=12,
)


@given(json_values)
def test_random_json_bodies(body: Any) -> None:
    for parse in (colibri2.parse_modify_json, colibri2.parse_modified_json):
        with suppress(Colibri2Error):
            parse(body)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at]
    if isinstance(value, dict):
        found += [path for key, member in value.items() for path in paths(member, (*at, key))]
    elif isinstance(value, list):
        found += [path for index, member in enumerate(value) for path in paths(member, (*at, index))]
    return found


@shared_corpus
@given(st.data())
def test_mutated_json_bodies(corpus: Corpus, data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(corpus["recorded_modify"]))
    body: Any = colibri2.modify_json(colibri2.parse_modify_xml(node))
    *before, last = data.draw(st.sampled_from(paths(body)[1:]))
    holder = body
    for step in before:
        holder = holder[step]
    holder[last] = data.draw(json_values)
    try:
        request = colibri2.parse_modify_json(body)
    except Colibri2Error:
        return
    assert colibri2.parse_modify_json(colibri2.modify_json(request)) == colibri2.parse_modify_xml(
        colibri2.modify_xml(request)
    )


@given(st.sampled_from(list(TAGS)), values, values)
def test_random_mutes(tag: str, text: str, jid: str) -> None:
    node = ET.Element(tag, {"jid": jid})
    node.text = text
    try:
        mute = parse_mute(node)
    except JingleError:
        return
    assert parse_mute(build_mute(mute)) == mute


@given(values | json_values.map(lambda value: json.dumps(value) if abs_fits(value) else "[]"))
def test_random_json_messages(message: str) -> None:
    try:
        sources = parse_json_sources(message)
        if sources is not None:
            assert parse_json_sources(build_json_sources(sources)) == sources
    except JingleError:
        pass
    try:
        infos = parse_source_info(message)
    except JingleError:
        return
    assert parse_source_info(build_source_info(infos)) == infos


def abs_fits(value: Any) -> bool:
    """Whether json.dumps can write it: Python refuses whole numbers of more than 4,300 digits."""
    if isinstance(value, dict | list):
        return all(map(abs_fits, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or abs(value) < 10**4000


owned = st.dictionaries(
    st.text(max_size=5),
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {"s": st.integers(0, 2**32)},
                optional={
                    "n": st.text(max_size=5),
                    "m": st.text(max_size=5),
                    "v": st.sampled_from(["d", "c"]),
                },
            )
            | st.tuples(st.sampled_from(["f", "s", "x"]), st.integers(1, 5)).map(list),
            max_size=3,
        ),
        max_size=5,
    ),
    max_size=3,
)


@given(owned)
def test_random_json_sources(sources: dict[str, Any]) -> None:
    try:
        parsed = parse_json_sources(json.dumps({"sources": sources}))
    except JingleError:
        return
    assert parsed is not None
    assert parse_json_sources(build_json_sources(parsed)) == parsed


sdp_lines = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
                "m=video 9 RTP/AVPF 96",
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
                "m=audio 0 RTP/AVP 0",
                "a=group:BUNDLE 0 1",
                "a=mid:0",
                "a=setup:actpass",
                "a=fingerprint:sha-256 " + "AA:" * 31 + "AA",
                "a=candidate:1 1 udp 1 ::1 9 typ host generation 0",
                "a=end-of-candidates",
                "a=bundle-only",
                "a=rtcp-mux",
                "a=maxptime:60",
                "a=inactive",
            ]
        ),
        st.tuples(
            st.sampled_from(
                [
                    *("rtpmap", "fmtp", "rtcp-fb", "extmap", "ssrc", "ssrc-group", "msid", "candidate"),
                    *(
                        "mid",
                        "ice-ufrag",
                        "ice-pwd",
                        "setup",
                        "fingerprint",
                        "sctp-port",
                        "group",
                        "maxptime",
                    ),
                ]
            ),
            st.lists(
                st.sampled_from(
                    ["111", "0", "1", "*", "opus/48000/2", "a=b;c", "cname:x", "FID", "typ", "host"]
                )
                | st.text(max_size=6),
                max_size=9,
            ),
        ).map(lambda pair: f"a={pair[0]}:{' '.join(pair[1])}"),
        st.text(max_size=20),
    ),
    max_size=20,
)


@given(sdp_lines, st.sampled_from(["initiator", "responder", "nobody"]))
def test_random_sdp(lines: list[str], writer: str) -> None:
    try:
        description = parse_sdp("\r\n".join(["v=0", *lines]), writer)
        text = build_sdp(description, writer)
    except SdpError:
        return
    again = parse_sdp(text, writer)
    assert parse_sdp(build_sdp(again, writer), writer) == again


@given(st.text())
def test_random_text_is_no_sdp(text: str) -> None:
    with pytest.raises(SdpError):
        parse_sdp(f"x{text}", "initiator")


@shared_corpus
@given(st.data())
def test_mutated_sdp(corpus: Corpus, data: st.DataObject) -> None:
    jingle = parsed_jingle(data.draw(st.sampled_from(corpus["recorded_jingle"])))
    assume(jingle.action is Action.SESSION_INITIATE)
    lines = build_sdp(SessionDescription(jingle.contents, jingle.groups), "initiator").split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(1, len(lines) - 1))
        change = data.draw(st.integers(0, 2))
        if change == 0:
            del lines[at]
        elif change == 1:
            lines.insert(at, data.draw(st.sampled_from(lines)))
        else:
            cut = data.draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:cut] + data.draw(st.text(max_size=3)) + lines[at][cut + 1 :]
    try:
        description = parse_sdp("\r\n".join(lines), "initiator")
        text = build_sdp(description, "initiator")
    except SdpError:
        return
    again = parse_sdp(text, "initiator")
    assert parse_sdp(build_sdp(again, "initiator"), "initiator") == again
