"""Bridge-channel messages: as recorded from lib-jitsi-meet, malformed, and generated."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media import channel_messages
from bridge.media.allocation import UNLIMITED, Constraints
from bridge.media.channel_dispatch import merged
from bridge.media.channel_messages import (
    ChannelMessageError,
    LastNChanged,
    ReceiverVideoConstraints,
    Relayed,
    VideoType,
)

STATS = (
    '{"colibriClass":"EndpointStats","bitrate":{"download":0,"upload":0,"audio":{"download":0,"upload":0},'
    '"video":{"download":0,"upload":0}},"connectionQuality":100,"jvbRTT":1,"maxEnabledResolution":2160,'
    '"packetLoss":{"download":0,"total":0,"upload":0},"serverRegion":null}'
)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (
            '{"colibriClass":"ReceiverVideoConstraints","defaultConstraints":{"maxHeight":360},"lastN":-1}',
            ReceiverVideoConstraints(last_n=-1, default_height=360),
        ),
        (
            '{"colibriClass":"SourceVideoTypeMessage","sourceName":"f6d46089-v0","videoType":"camera"}',
            VideoType("f6d46089-v0", "camera"),
        ),
        (
            '{"colibriClass":"SourceVideoTypeMessage","sourceName":"f6d46089-v0","videoType":"none"}',
            VideoType("f6d46089-v0", "none"),
        ),
        ('{"colibriClass":"VideoTypeMessage","videoType":"DESKTOP"}', VideoType("", "desktop")),
        (STATS, Relayed("", json.loads(STATS))),
        ('{"colibriClass":"LastNChangedEvent","lastN":5}', LastNChanged(5)),
        ('{"colibriClass":"ForwardedSources","forwardedSources":[]}', None),
        ('{"colibriClass":"ReceiverAudioSubscription","mode":"All"}', None),
    ],
)
def test_messages(recorded: str, expected: object) -> None:
    assert channel_messages.parse(json.loads(recorded)) == expected


def test_all_constraints() -> None:
    parsed = channel_messages.parse(
        {
            "colibriClass": "ReceiverVideoConstraints",
            "lastN": 4.0,
            "selectedSources": ["a-v0"],
            "onStageSources": ["b-v0", "b-v1"],
            "defaultConstraints": {"maxHeight": -1, "maxFrameRate": -1.0},
            "constraints": {"b-v0": {"maxHeight": 720}, "c-v0": {"maxHeight": 180, "maxFrameRate": 0}},
            "assumedBandwidthBps": 2_000_000,
        }
    )
    assert parsed == ReceiverVideoConstraints(
        4, ("a-v0",), ("b-v0", "b-v1"), channel_messages.MAX_HEIGHT, {"b-v0": 720, "c-v0": 0}, 2_000_000
    )


def test_clients_that_name_endpoints() -> None:
    parsed = channel_messages.parse(
        {
            "colibriClass": "ReceiverVideoConstraints",
            "selectedEndpoints": ["a"],
            "onStageEndpoints": ["b"],
            "constraints": {"a": {"maxHeight": 720}},
        }
    )
    assert isinstance(parsed, ReceiverVideoConstraints)
    assert (parsed.selected_sources, parsed.on_stage_sources) == (("a",), ("b",))
    assert parsed.heights == {"a": 720}


def test_what_a_message_does_not_mention_stays() -> None:
    said = ReceiverVideoConstraints(
        last_n=3, selected_sources=("a-v0",), heights={"a-v0": 720}, assumed_bandwidth_bps=5
    )
    first = merged(Constraints(), said)
    assert first.default_height == UNLIMITED
    second = merged(first, ReceiverVideoConstraints(default_height=180))
    assert second == Constraints(3, ("a-v0",), (), 180, {"a-v0": 720}, 5)
    third = merged(second, ReceiverVideoConstraints(heights={}, assumed_bandwidth_bps=-1, last_n=-1))
    assert third == Constraints(-1, ("a-v0",), (), 180, {}, None)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"colibriClass": 5},
        {"colibriClass": "LastNChangedEvent"},
        {"colibriClass": "LastNChangedEvent", "lastN": True},
        {"colibriClass": "LastNChangedEvent", "lastN": "5"},
        {"colibriClass": "LastNChangedEvent", "lastN": 1e300},
        {"colibriClass": "LastNChangedEvent", "lastN": float("nan")},
        {"colibriClass": "SourceVideoTypeMessage", "videoType": "camera"},
        {"colibriClass": "SourceVideoTypeMessage", "sourceName": "a-v0", "videoType": "hologram"},
        {"colibriClass": "SourceVideoTypeMessage", "sourceName": "a" * 1000, "videoType": "camera"},
        {"colibriClass": "EndpointMessage", "to": 5},
        {"colibriClass": "ReceiverVideoConstraints", "constraints": []},
        {"colibriClass": "ReceiverVideoConstraints", "constraints": {"a": 5}},
        {"colibriClass": "ReceiverVideoConstraints", "constraints": {str(n): {} for n in range(501)}},
        {"colibriClass": "ReceiverVideoConstraints", "selectedSources": "a-v0"},
        {"colibriClass": "ReceiverVideoConstraints", "selectedSources": [5]},
        {"colibriClass": "ReceiverVideoConstraints", "selectedSources": ["a"] * 501},
        {"colibriClass": "ReceiverVideoConstraints", "defaultConstraints": 180},
    ],
)
def test_malformed_messages_are_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ChannelMessageError):
        channel_messages.parse(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4)
    ),
    max_leaves=10,
)
CLASSES = st.sampled_from(
    (
        "ReceiverVideoConstraints",
        "LastNChangedEvent",
        "SourceVideoTypeMessage",
        "VideoTypeMessage",
        "EndpointMessage",
        "EndpointStats",
        "x",
    )
)
FIELDS = st.sampled_from(
    (
        "lastN",
        "selectedSources",
        "onStageSources",
        "defaultConstraints",
        "constraints",
        "assumedBandwidthBps",
        "videoType",
        "sourceName",
        "to",
        "msgPayload",
    )
)


@given(JSON | CLASSES, st.dictionaries(FIELDS, JSON, max_size=6))
def test_any_object_is_a_message_or_a_channel_message_error(kind: Any, fields: dict[str, Any]) -> None:
    with contextlib.suppress(ChannelMessageError):
        channel_messages.parse({**fields, "colibriClass": kind})
