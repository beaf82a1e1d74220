"""Colibri2 in the JSON of JVB's REST interface, and what is refused in either form."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from jingle import colibri2
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify, Endpoint, Media, MediaSource
from jingle.colibri2.data import CONDITIONS
from jingle.ice import Candidate, Fingerprint, IceTransport
from jingle.rtp import HeaderExtension, PayloadType, RtcpFeedback
from jingle.sources import Source, SsrcGroup

DIGEST = ":".join(["AB"] * 32)

REQUEST = ConferenceModify(
    "m-1",
    name="room@conference.d",
    create=True,
    rtcstats_enabled=False,
    endpoints=(
        Endpoint(
            "ann",
            create=True,
            stats_id="Ann-x",
            muc_role="moderator",
            capabilities=("source-names",),
            media=(
                Media(
                    "audio",
                    (
                        PayloadType(112, "red", 48000, 2, parameters=(("", "111/111"),)),
                        PayloadType(
                            111,
                            "opus",
                            48000,
                            2,
                            parameters=(("minptime", "10"),),
                            feedback=(RtcpFeedback("transport-cc"),),
                        ),
                    ),
                    (HeaderExtension(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),),
                    extmap_allow_mixed=True,
                ),
            ),
            transport=colibri2.Transport(ice_controlling=True, sctp=colibri2.Sctp()),
            sources=(
                MediaSource("ann-a0", "audio", (Source(1),)),
                MediaSource(
                    "ann-v0",
                    "video",
                    (Source(10, "ann-v0", "s v", video_type="camera"), Source(11, "ann-v0")),
                    (SsrcGroup("FID", (10, 11)),),
                ),
            ),
            force_mute_audio=True,
            force_mute_video=False,
            initial_last_n=13,
        ),
    ),
)
REQUEST_JSON: dict[str, Any] = {
    "meeting-id": "m-1",
    "name": "room@conference.d",
    "create": True,
    "rtcstats-enabled": False,
    "endpoints": [
        {
            "id": "ann",
            "create": True,
            "stats-id": "Ann-x",
            "muc-role": "moderator",
            "medias": [
                {
                    "type": "audio",
                    "payload-types": [
                        {
                            "id": "112",
                            "name": "red",
                            "clockrate": "48000",
                            "channels": "2",
                            "parameters": {"null": "111/111"},
                        },
                        {
                            "id": "111",
                            "name": "opus",
                            "clockrate": "48000",
                            "channels": "2",
                            "parameters": {"minptime": "10"},
                            "rtcp-fbs": [{"type": "transport-cc"}],
                        },
                    ],
                    "rtp-hdrexts": [{"id": 1, "uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}],
                    "extmap-allow-mixed": True,
                }
            ],
            "transport": {"ice-controlling": True, "sctp": {}},
            "sources": [
                {"type": "audio", "id": "ann-a0", "sources": [1]},
                {
                    "type": "video",
                    "id": "ann-v0",
                    "sources": [
                        {
                            "ssrc": 10,
                            "name": "ann-v0",
                            "videoType": "camera",
                            "parameters": {"msid": "s v"},
                        },
                        {"ssrc": 11, "name": "ann-v0"},
                    ],
                    "ssrc-groups": [{"semantics": "FID", "sources": [10, 11]}],
                },
            ],
            "force-mute": {"audio": True, "video": False},
            "initial-last-n": {"value": 13},
            "capabilities": ["source-names"],
        }
    ],
}

ANSWER = ConferenceModified(
    (
        Endpoint(
            "ann",
            transport=colibri2.Transport(
                ice=IceTransport(
                    "u",
                    "p",
                    (Fingerprint("sha-256", DIGEST, "actpass", cryptex="true"),),
                    (Candidate("1", 1, "udp", 7, "192.0.2.1", 10000, "srflx", "c", 0, 0, "10.0.0.1", 9),),
                    ("wss://h/colibri-ws/default-id/m/ann?pwd=p",),
                    rtcp_mux=True,
                ),
                sctp=colibri2.Sctp(5000, "server"),
            ),
        ),
    ),
    (MediaSource("jvb-a0", "audio", (Source(3, "jvb-a0"),), synthetic=True),),
)
ANSWER_JSON: dict[str, Any] = {
    "endpoints": [
        {
            "id": "ann",
            "transport": {
                "transport": {
                    "xmlns": "urn:xmpp:jingle:transports:ice-udp:1",
                    "ufrag": "u",
                    "pwd": "p",
                    "rtcp-mux": True,
                    "web-sockets": ["wss://h/colibri-ws/default-id/m/ann?pwd=p"],
                    "fingerprints": [
                        {"fingerprint": DIGEST, "hash": "sha-256", "setup": "actpass", "cryptex": True}
                    ],
                    "candidates": [
                        {
                            "foundation": "1",
                            "component": "1",
                            "protocol": "udp",
                            "priority": "7",
                            "ip": "192.0.2.1",
                            "port": "10000",
                            "type": "srflx",
                            "id": "c",
                            "generation": "0",
                            "network": "0",
                            "rel-addr": "10.0.0.1",
                            "rel-port": "9",
                        }
                    ],
                },
                "sctp": {"port": 5000, "role": "server"},
            },
        }
    ],
    "sources": [
        {
            "type": "audio",
            "id": "jvb-a0",
            "synthetic": True,
            "sources": [{"ssrc": 3, "name": "jvb-a0"}],
        }
    ],
}


def test_request_has_jvbs_form() -> None:
    assert colibri2.modify_json(REQUEST) == REQUEST_JSON
    assert colibri2.parse_modify_json(REQUEST_JSON) == REQUEST
    assert colibri2.parse_modify_xml(colibri2.modify_xml(REQUEST)) == REQUEST


def test_answer_has_jvbs_form() -> None:
    assert colibri2.modified_json(ANSWER) == ANSWER_JSON
    assert colibri2.parse_modified_json(ANSWER_JSON) == ANSWER
    assert colibri2.parse_modified_xml(colibri2.modified_xml(ANSWER)) == ANSWER


def test_the_meeting_id_of_the_address_wins() -> None:
    assert colibri2.parse_modify_json({"expire": True}, "m-1") == ConferenceModify("m-1", expire=True)
    assert colibri2.parse_modify_json({"meeting-id": "other"}, "m-1").meeting_id == "m-1"


def test_an_ice_restart_is_asked_for() -> None:
    request = ConferenceModify(
        "m", endpoints=(Endpoint("ann", transport=colibri2.Transport(ice_restart=True)),)
    )
    assert colibri2.modify_json(request)["endpoints"] == [{"id": "ann", "transport": {"ice-restart": True}}]


def test_no_sources_and_no_mention_of_sources_differ() -> None:
    for sources in ((), None):
        request = ConferenceModify("m", endpoints=(Endpoint("ann", sources=sources),))
        assert colibri2.parse_modify_json(colibri2.modify_json(request)) == request


def test_empty_lists_of_what_is_unsupported_pass() -> None:
    assert colibri2.parse_modify_json({"meeting-id": "m", "relays": [], "connects": []}) == ConferenceModify(
        "m"
    )


@pytest.mark.parametrize("key", ["relays", "connects"])
def test_relays_and_connects_are_not_implemented(key: str) -> None:
    with pytest.raises(Colibri2Error) as caught:
        colibri2.parse_modify_json({"meeting-id": "m", key: [{"id": "r", "url": "wss://x"}]})
    assert caught.value.reason == "feature_not_implemented"


def endpoint(**members: Any) -> dict[str, Any]:
    return {"meeting-id": "m", "endpoints": [{"id": "ann", **members}]}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"meeting-id": 1.5},
        {"meeting-id": "m", "create": "yes"},
        {"meeting-id": "m", "endpoints": {}},
        {"meeting-id": "m", "endpoints": ["ann"]},
        {"meeting-id": "m", "endpoints": [{}]},
        {"meeting-id": "m", "relays": "r"},
        {"meeting-id": "m", "connects": {}},
        endpoint(sources={}),
        endpoint(sources=[{"type": "audio"}]),
        endpoint(sources=[{"type": "audio", "id": "a", "sources": [0]}]),
        endpoint(sources=[{"type": "audio", "id": "a", "sources": [10**30]}]),
        endpoint(sources=[{"type": "audio", "id": "a", "sources": [None]}]),
        endpoint(medias=[{"type": "audio", "payload-types": [{"id": 128}]}]),
        endpoint(medias=[{"type": "audio", "payload-types": [{"id": 1, "parameters": []}]}]),
        endpoint(transport=[]),
        endpoint(transport={"transport": {"web-sockets": [1]}}),
        endpoint(transport={"transport": {"fingerprints": [{"hash": "sha-256", "fingerprint": "x"}]}}),
        endpoint(capabilities=[{}]),
        endpoint(**{"initial-last-n": {}}),
        endpoint(**{"force-mute": {"audio": "loud"}}),
    ],
)
def test_malformed_bodies_are_refused(body: Any) -> None:
    with pytest.raises(Colibri2Error) as caught:
        colibri2.parse_modify_json(body)
    assert (caught.value.reason, caught.value.condition) == ("unspecified", "bad-request")
    assert caught.value.text


@pytest.mark.parametrize("parse", [colibri2.parse_modify_xml, colibri2.parse_modified_xml])
def test_other_elements_are_refused(parse: Any) -> None:
    with pytest.raises(Colibri2Error):
        parse(ET.Element("iq"))


def test_every_reason_has_a_condition() -> None:
    assert Colibri2Error("conference_not_found").condition == "item-not-found"
    assert Colibri2Error("new_reason").condition == "internal-server-error"
    assert set(CONDITIONS) >= {"graceful_shutdown", "unknown_endpoint", "conference_already_exists"}
