"""What Jitsi puts into room presence: of a participant to be read, of the focus to be written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element

from jingle.errors import bad_request
from jingle.jitsi.session import FOCUS
from jingle.limits import JSON_CHARS, MAX_PROPERTIES, NAME_CHARS, VALUE_CHARS
from jingle.reading import (
    Node,
    checked,
    children,
    content_text,
    element,
    local_name,
    named,
    namespace,
    required,
    text,
)

CONFERENCE_PROPERTIES: Final = f"{{{FOCUS}}}conference-properties"
PROPERTY: Final = f"{{{FOCUS}}}property"
STREAM_NAMESPACES: Final = frozenset({"", "jabber:client", "jabber:component:accept", "jabber:server"})
"""Where clients put their own children: into whatever namespace the stanza has on its stream."""
MEDIA_LETTERS: Final = {"a": "audio", "v": "video"}
SOURCE_NAME: Final = re.compile(r"[^-]+-([av])[0-9]+")


@dataclass(frozen=True)
class SourceInfo:
    """One member of `<SourceInfo/>`: what a participant says of one source. Not said counts as muted."""

    name: str
    media: str
    muted: bool = True
    video_type: str = ""


@dataclass(frozen=True)
class ParticipantPresence:
    """The parts of a participant's presence that matter to a focus. What is absent or unreadable is empty.

    Nothing here is proven: a participant may claim any of it.
    """

    sources: tuple[SourceInfo, ...] = ()
    stats_id: str = ""
    region: str = ""
    codecs: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    audio_muted: bool | None = None
    video_muted: bool | None = None


def parse_participant(presence: Node) -> ParticipantPresence:
    """What a participant says in its `<presence/>`. Raises JingleError."""
    own = {
        local_name(tag): child
        for tag, child in children(presence)
        if namespace(tag) in STREAM_NAMESPACES or local_name(tag) == "features"
    }

    def words(name: str, limit: int = NAME_CHARS) -> str:
        return content_text(own[name], limit) if name in own else ""

    codecs = [codec.strip().lower() for codec in words("jitsi_participant_codecList").split(",")]
    return ParticipantPresence(
        sources=parse_source_info(words("SourceInfo", JSON_CHARS) or "{}"),
        stats_id=words("stats-id"),
        region=words("jitsi_participant_region"),
        codecs=tuple(codec for codec in codecs if codec),
        features=parse_features(own["features"]) if "features" in own else (),
        audio_muted=words("audiomuted") == "true" if "audiomuted" in own else None,
        video_muted=words("videomuted") == "true" if "videomuted" in own else None,
    )


def parse_features(features: Node) -> tuple[str, ...]:
    """The features named in `<features/>`. Raises JingleError."""
    found: list[Node] = [child for tag, child in children(features) if local_name(tag) == "feature"]
    if len(found) > MAX_PROPERTIES:
        raise bad_request(f"more than {MAX_PROPERTIES} features")
    return tuple(required(child, "var", VALUE_CHARS) for child in found)


def parse_source_info(message: str) -> tuple[SourceInfo, ...]:
    """The text of `<SourceInfo/>`: an object by source name. Raises JingleError."""
    try:
        decoded = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise bad_request("SourceInfo is not JSON") from error
    if not isinstance(decoded, dict) or len(decoded) > MAX_PROPERTIES:
        raise bad_request("SourceInfo is no object or too large")
    return tuple(parse_one_source(name, value) for name, value in decoded.items())


def parse_one_source(name: str, value: Any) -> SourceInfo:
    """One member of `<SourceInfo/>`. Raises JingleError."""
    checked(name, "a source name", NAME_CHARS)
    if not isinstance(value, dict):
        raise bad_request("the info of a source is an object")
    muted, video_type = value.get("muted", True), value.get("videoType", "")
    by_name = SOURCE_NAME.fullmatch(name)
    media = value.get("mediaType", MEDIA_LETTERS[by_name[1]] if by_name else "")
    if not isinstance(muted, bool) or not isinstance(video_type, str) or not isinstance(media, str):
        raise bad_request("the info of a source has a member of the wrong type")
    return SourceInfo(
        name,
        checked(media.lower(), "mediaType", NAME_CHARS),
        muted,
        checked(video_type, "videoType", NAME_CHARS),
    )


def build_source_info(sources: Iterable[SourceInfo]) -> str:
    """The text of `<SourceInfo/>`."""
    made: dict[str, dict[str, Any]] = {}
    for source in sources:
        made[source.name] = {"muted": source.muted}
        by_name = SOURCE_NAME.fullmatch(source.name)
        if source.media and not (by_name and MEDIA_LETTERS[by_name[1]] == source.media):
            made[source.name]["mediaType"] = source.media
        if source.video_type:
            made[source.name]["videoType"] = source.video_type
    return json.dumps(made, separators=(",", ":"))


def parse_conference_properties(node: Node) -> dict[str, str]:
    """The properties in `<conference-properties/>`. Raises JingleError."""
    found = named(node, PROPERTY, MAX_PROPERTIES)
    return {required(child, "key"): text(child, "value", VALUE_CHARS) for child in found}


def conference_properties(properties: Mapping[str, str]) -> Element:
    """`<conference-properties/>` of the focus: always the whole list, clients replace what they had."""
    made = element(FOCUS, "conference-properties")
    made.extend(element(FOCUS, "property", {"key": k, "value": v}) for k, v in properties.items())
    return made


def bridge_not_available() -> Element:
    """`<bridgeNotAvailable/>`: in the presence of the focus as long as no bridge takes the conference."""
    return element(FOCUS, "bridgeNotAvailable")
