"""Messages that a client sends over the bridge channel, from JSON objects to typed data.

Nothing of a client's is believed but its content: `from` of a relayed message is set by the bridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_NAMES = 500
"""Sources named in one message."""
MAX_NAME = 256
MAX_HEIGHT = 1 << 16
VIDEO_TYPES = ("camera", "desktop", "desktop_high_fps", "none")


class ChannelMessageError(Exception):
    """A message whose fields are not what its colibriClass demands."""


@dataclass(frozen=True, slots=True)
class ReceiverVideoConstraints:
    """What the sender of the message wants to see. None = not mentioned: stays as it was."""

    last_n: int | None = None
    selected_sources: tuple[str, ...] | None = None
    on_stage_sources: tuple[str, ...] | None = None
    default_height: int | None = None
    """Negative = unlimited."""
    heights: Mapping[str, int] | None = None
    assumed_bandwidth_bps: int | None = None
    """Negative = no assumption."""


@dataclass(frozen=True, slots=True)
class LastNChanged:
    """The older way to say lastN alone."""

    last_n: int


@dataclass(frozen=True, slots=True)
class VideoType:
    """What a video source of the sender shows; `source` is "" in VideoTypeMessage, which means all of
    them."""

    source: str
    video_type: str


@dataclass(frozen=True, slots=True)
class Relayed:
    """EndpointMessage (`to` is an endpoint, or "" for all) or EndpointStats: passed on as it is, but for
    `from`."""

    to: str
    message: Mapping[str, Any]


ChannelMessage = ReceiverVideoConstraints | LastNChanged | VideoType | Relayed


def parse(message: Mapping[str, Any]) -> ChannelMessage | None:
    """The typed form of a message; None for a colibriClass that this bridge has no use for.

    Raises ChannelMessageError.
    """
    kind = message.get("colibriClass")
    if not isinstance(kind, str):
        raise ChannelMessageError("no colibriClass")
    match kind:
        case "ReceiverVideoConstraints":
            return _receiver_video_constraints(message)
        case "LastNChangedEvent":
            return LastNChanged(_integer(message, "lastN"))
        case "SourceVideoTypeMessage":
            return VideoType(_name(message, "sourceName"), _video_type(message))
        case "VideoTypeMessage":
            return VideoType("", _video_type(message))
        case "EndpointMessage":
            to = message.get("to", "")
            if not isinstance(to, str):
                raise ChannelMessageError("to is not a string")
            return Relayed(to, message)
        case "EndpointStats":
            return Relayed("", message)
        case _:
            return None


def _receiver_video_constraints(message: Mapping[str, Any]) -> ReceiverVideoConstraints:
    default, named = message.get("defaultConstraints"), message.get("constraints")
    if named is not None and (not isinstance(named, Mapping) or len(named) > MAX_NAMES):
        raise ChannelMessageError("constraints is not an object, or too large")
    return ReceiverVideoConstraints(
        last_n=_optional_integer(message, "lastN"),
        # The keys ending in Endpoints are those of clients that name endpoints instead of sources.
        selected_sources=_names(message, "selectedSources", "selectedEndpoints"),
        on_stage_sources=_names(message, "onStageSources", "onStageEndpoints"),
        default_height=None if default is None else _max_height(default),
        heights=None
        if named is None
        else {_checked_name(name): _max_height(one) for name, one in named.items()},
        assumed_bandwidth_bps=_optional_integer(message, "assumedBandwidthBps"),
    )


def _max_height(constraints: object) -> int:
    """VideoConstraints: maxHeight, where -1 is unlimited; a maxFrameRate of 0 disables as well."""
    if not isinstance(constraints, Mapping):
        raise ChannelMessageError("video constraints are not an object")
    if constraints.get("maxFrameRate") == 0:
        return 0
    height = _optional_integer(constraints, "maxHeight")
    return MAX_HEIGHT if height is None or height < 0 else min(height, MAX_HEIGHT)


def _integer(message: Mapping[str, Any], key: str) -> int:
    value = _optional_integer(message, key)
    if value is None:
        raise ChannelMessageError(f"no {key}")
    return value


def _optional_integer(message: Mapping[str, Any], key: str) -> int | None:
    """JSON numbers: JavaScript may write an integer as 360.0."""
    value = message.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << 53) <= value <= 1 << 53:
        raise ChannelMessageError(f"{key} is not an integer")
    return value


def _names(message: Mapping[str, Any], *keys: str) -> tuple[str, ...] | None:
    value = next((message[key] for key in keys if message.get(key) is not None), None)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_NAMES:
        raise ChannelMessageError(f"{keys[0]} is not a list, or too long")
    return tuple(_checked_name(name) for name in value)


def _name(message: Mapping[str, Any], key: str) -> str:
    return _checked_name(message.get(key))


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        raise ChannelMessageError("a name is not a string of reasonable length")
    return name


def _video_type(message: Mapping[str, Any]) -> str:
    video_type = message.get("videoType")
    if not isinstance(video_type, str) or video_type.lower() not in VIDEO_TYPES:
        raise ChannelMessageError("unknown videoType")
    return video_type.lower()


def dominant_speaker(endpoint: str, previous: list[str], silence: bool) -> dict[str, Any]:
    """Who speaks now, and who did before (latest first)."""
    return {
        "colibriClass": "DominantSpeakerEndpointChangeEvent",
        "dominantSpeakerEndpoint": endpoint,
        "previousSpeakers": previous,
        "silence": silence,
    }


def sender_source_constraints(source: str, max_height: int) -> dict[str, Any]:
    """What the receivers need of a source at most; 0 = nobody looks."""
    return {"colibriClass": "SenderSourceConstraints", "sourceName": source, "maxHeight": max_height}


def connectivity_status(endpoint: str, active: bool) -> dict[str, Any]:
    """Whether anything comes from an endpoint. The value is a string, as clients expect it."""
    return {
        "colibriClass": "EndpointConnectivityStatusChangeEvent",
        "endpoint": endpoint,
        "active": "true" if active else "false",
    }
