"""Elements of the Jitsi family, as recorded or as its clients write them."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle.content import Action
from jingle.element import Jingle, build_jingle, parse_jingle
from jingle.errors import JingleError
from jingle.jitsi.conference import Conference, build_conference, parse_conference
from jingle.jitsi.json_sources import build_json_sources, parse_json_sources
from jingle.jitsi.mute import TAGS, Mute, build_mute, parse_mute
from jingle.jitsi.presence import (
    ParticipantPresence,
    SourceInfo,
    bridge_not_available,
    build_source_info,
    conference_properties,
    parse_conference_properties,
    parse_participant,
    parse_source_info,
)
from jingle.jitsi.session import BridgeSession, StartMuted
from jingle.sources import MediaSources, Source, SsrcGroup

FOCUS = "http://jitsi.org/protocol/focus"


def test_conference_answer() -> None:
    answer = Conference(
        "r@c.d", ready=True, focus_jid="focus@focus.d", properties={"authentication": "false"}
    )
    made = build_conference(answer)
    assert made.attrib == {"room": "r@c.d", "ready": "true", "focusjid": "focus@focus.d"}
    assert parse_conference(made) == answer


def test_conference_token_is_not_shown() -> None:
    assert "SECRET" not in repr(Conference("r@c.d", token="SECRET"))


@pytest.mark.parametrize(
    "text",
    ["<conference/>", f"<conference xmlns='{FOCUS}'/>", f"<conference xmlns='{FOCUS}' room='r' ready='x'/>"],
)
def test_malformed_conference_is_refused(text: str) -> None:
    with pytest.raises(JingleError):
        parse_conference(ET.fromstring(text))


@pytest.mark.parametrize("media", ["audio", "video", "desktop"])
def test_mute(media: str) -> None:
    text = f"<mute xmlns='http://jitsi.org/jitmeet/{media}' jid='r@c.d/ann'>true</mute>"
    mute = parse_mute(ET.fromstring(text))
    assert mute == Mute(media, True, "r@c.d/ann")
    assert f"{{http://jitsi.org/jitmeet/{media}}}mute" in TAGS
    order = Mute(media, True, actor="r@c.d/bob")
    assert parse_mute(build_mute(order)) == order
    assert build_mute(Mute(media, False)).text == "false"


@pytest.mark.parametrize(
    "text",
    [
        "<mute>true</mute>",
        "<mute xmlns='http://jitsi.org/jitmeet/audio'>louder</mute>",
        "<mute xmlns='http://jitsi.org/jitmeet/audio'/>",
    ],
)
def test_malformed_mute_is_refused(text: str) -> None:
    with pytest.raises(JingleError):
        parse_mute(ET.fromstring(text))


def test_parts_of_a_session() -> None:
    jingle = Jingle(
        Action.SESSION_INFO,
        "s",
        bridge_session=BridgeSession("id", "eu", restart=True, ice_restart=True),
        ice_state="failed",
        start_muted=StartMuted(audio=True),
    )
    made = build_jingle(jingle)
    assert parse_jingle(made) == jingle
    node = made.find(f"{{{FOCUS}}}bridge-session")
    assert node is not None
    assert node.attrib == {"id": "id", "region": "eu", "restart": "true", "ice-restart": "true"}


CAMERA = MediaSources(
    "video",
    (Source(10, "ann-v0", "s v", video_type="camera"), Source(11, "ann-v0", "s v", video_type="desktop")),
    (SsrcGroup("FID", (10, 11)), SsrcGroup("SIM", (10, 11))),
)


def test_json_sources_have_the_compact_form() -> None:
    audio = MediaSources("audio", (Source(1, "ann-a0", "s a"),))
    message = build_json_sources({"ann": (audio, CAMERA), "bob": (MediaSources("audio", (Source(2),)),)})
    assert json.loads(message) == {
        "sources": {
            "ann": [
                [
                    {"s": 10, "n": "ann-v0", "m": "s v"},
                    {"s": 11, "n": "ann-v0", "m": "s v", "v": "d"},
                ],
                [["f", 10, 11], ["s", 10, 11]],
                [{"s": 1, "n": "ann-a0", "m": "s a"}],
            ],
            "bob": [[], [], [{"s": 2}]],
        }
    }
    assert parse_json_sources(message) == {
        "ann": (audio, CAMERA),
        "bob": (MediaSources("audio", (Source(2),)),),
    }


def test_json_messages_about_something_else_are_no_sources() -> None:
    assert parse_json_sources('{"type":"e2e-ping"}') is None
    assert parse_json_sources('{"sources":{"gone":[]}}') == {"gone": ()}


def test_groups_without_a_letter_have_no_json() -> None:
    with pytest.raises(JingleError):
        build_json_sources({"ann": (MediaSources("video", (), (SsrcGroup("FEC-FR", (1, 2)),)),)})


@pytest.mark.parametrize(
    "sources",
    [
        "[]",
        '{"ann":{}}',
        '{"ann":[1]}',
        '{"ann":[[],[],[],[],[]]}',
        '{"ann":[[1]]}',
        '{"ann":[[{"s":0}]]}',
        '{"ann":[[{"s":true}]]}',
        '{"ann":[[{"s":4294967296}]]}',
        '{"ann":[[{"s":1,"n":2}]]}',
        '{"ann":[[{"s":1,"n":"\\ud800"}]]}',
        '{"ann":[[],[[]]]}',
        '{"ann":[[],[["x",1]]]}',
        '{"ann":[[],[[[],1]]]}',
        '{"a\\nb":[]}',
    ],
)
def test_malformed_json_sources_are_refused(sources: str) -> None:
    with pytest.raises(JingleError):
        parse_json_sources(f'{{"sources":{sources}}}')


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, "1" * 5000, '{"a":' * 50_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(JingleError):
        parse_json_sources(text)
    with pytest.raises(JingleError):
        parse_source_info(text)


def test_recorded_presence(captures: Path) -> None:
    found = set()
    for path in captures.glob("ws-3tabs-staggered/*-focus-from-server-presence.xml"):
        found.add(parse_participant(ET.parse(path).getroot()))
    assert (
        ParticipantPresence(
            (
                SourceInfo("8f26c11d-a0", "audio", muted=False),
                SourceInfo("8f26c11d-v0", "video", muted=False),
            ),
            stats_id=next(one.stats_id for one in found if one.sources and "8f26c11d" in one.sources[0].name),
            codecs=("av1", "vp9", "vp8", "h264"),
        )
        in found
    )


def test_presence_of_a_gateway() -> None:
    presence = ET.fromstring(
        "<presence xmlns='jabber:component:accept'>"
        "<audiomuted>true</audiomuted><videomuted>false</videomuted>"
        "<features><feature var='http://jitsi.org/protocol/jigasi'/></features>"
        "<jitsi_participant_region>eu</jitsi_participant_region>"
        "<stats-id xmlns='urn:other'>no</stats-id></presence>"
    )
    assert parse_participant(presence) == ParticipantPresence(
        region="eu", features=("http://jitsi.org/protocol/jigasi",), audio_muted=True, video_muted=False
    )


def test_source_info_says_muted_by_default_and_media_by_name() -> None:
    message = '{"ann-a0":{},"ann-v1":{"muted":false,"videoType":"desktop"},"x":{"mediaType":"VIDEO"}}'
    infos = parse_source_info(message)
    assert infos == (
        SourceInfo("ann-a0", "audio"),
        SourceInfo("ann-v1", "video", muted=False, video_type="desktop"),
        SourceInfo("x", "video"),
    )
    assert parse_source_info(build_source_info(infos)) == infos


@pytest.mark.parametrize(
    "text", ['{"a":1}', '{"a":{"muted":"no"}}', '{"a":{"videoType":1}}', '{"a":{"mediaType":1}}']
)
def test_malformed_source_info_is_refused(text: str) -> None:
    with pytest.raises(JingleError):
        parse_source_info(text)


def test_presence_of_the_focus() -> None:
    made = conference_properties({"support-terminate-restart": "true", "bridge-count": "1"})
    assert parse_conference_properties(made) == {"support-terminate-restart": "true", "bridge-count": "1"}
    assert [child.attrib for child in made][1] == {"key": "bridge-count", "value": "1"}
    assert bridge_not_available().tag == f"{{{FOCUS}}}bridgeNotAvailable"
