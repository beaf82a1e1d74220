"""`<json-message/>`: `{"sources": {OWNER: [video, video groups, audio, audio groups]}}`.

A source is `{"s": ssrc, "n": name, "m": msid, "v": "d"}` (the last for a shared screen only); a group is
`["f", ssrc, ssrc]` (FID) or `["s", ssrc, …]` (SIM). Empty lists at the end are left out, all but three.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from jingle.errors import bad_request
from jingle.limits import MAX_GROUP_SSRCS, MAX_OWNERS, MAX_SOURCES, MAX_SSRC_GROUPS, NAME_CHARS, VALUE_CHARS
from jingle.reading import checked
from jingle.sources import MediaSources, Source, SsrcGroup

OwnedSources = Mapping[str, tuple[MediaSources, ...]]
"""Sources and groups by owner, one entry per media type that the owner has."""

SEMANTICS: Final = {"f": "FID", "s": "SIM"}
LETTERS: Final = {semantics: letter for letter, semantics in SEMANTICS.items()}
DESKTOP: Final = "d"

T = TypeVar("T")


def parse_json_sources(message: str) -> OwnedSources | None:
    """The sources in the text of a `<json-message/>`, None when it is a message about something else.

    Raises JingleError.
    """
    try:
        decoded = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise bad_request("json-message is not JSON") from error
    if not isinstance(decoded, dict):
        raise bad_request("json-message is no object")
    if "sources" not in decoded:
        return None
    owners = decoded["sources"]
    if not isinstance(owners, dict) or len(owners) > MAX_OWNERS:
        raise bad_request("sources is no object or has too many owners")
    return {checked(owner, "owner", VALUE_CHARS): parse_owner(lists) for owner, lists in owners.items()}


def build_json_sources(sources: OwnedSources) -> str:
    """The text of a `<json-message/>`."""
    return json.dumps(
        {"sources": {owner: build_owner(media) for owner, media in sources.items()}}, separators=(",", ":")
    )


def parse_owner(lists: Any) -> tuple[MediaSources, ...]:
    """The sources of one owner. Raises JingleError."""
    if not isinstance(lists, list) or len(lists) > 4:
        raise bad_request("the sources of an owner are a list of up to four lists")
    padded: list[Any] = [*lists, [], [], [], []]
    video, video_groups, audio, audio_groups = padded[:4]
    found = (
        MediaSources(
            "audio",
            each(audio, parse_source, MAX_SOURCES),
            each(audio_groups, parse_group, MAX_SSRC_GROUPS),
        ),
        MediaSources(
            "video",
            each(video, parse_video_source, MAX_SOURCES),
            each(video_groups, parse_group, MAX_SSRC_GROUPS),
        ),
    )
    return tuple(media for media in found if media.sources or media.groups)


def build_owner(media: tuple[MediaSources, ...]) -> list[list[Any]]:
    """The lists of one owner: at least three, for those who index without looking."""
    lists: list[list[Any]] = []
    for name in ("video", "audio"):
        chosen = [one for one in media if one.media == name]
        lists.append([build_source(source) for one in chosen for source in one.sources])
        lists.append([build_group(group) for one in chosen for group in one.groups])
    return lists if lists[3] else lists[:3]


def each(value: Any, parse: Callable[[Any], T], limit: int) -> tuple[T, ...]:
    """Every member of a list, parsed. Raises JingleError."""
    if not isinstance(value, list) or len(value) > limit:
        raise bad_request(f"not a list of up to {limit}")
    return tuple(parse(member) for member in value)


def parse_ssrc(value: Any) -> int:
    """An SSRC. Raises JingleError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**32:
        raise bad_request("an SSRC is a number from 1 to 4294967295")
    return value


def parse_text(source: dict[str, Any], key: str) -> str:
    """An optional text of a source. Raises JingleError."""
    value = source.get(key, "")
    if not isinstance(value, str):
        raise bad_request(f"{key} is no text")
    return checked(value, key, NAME_CHARS)


def parse_source(value: Any, camera: str = "") -> Source:
    """One source; `camera` is the video type of one that is not a shared screen. Raises JingleError."""
    if not isinstance(value, dict):
        raise bad_request("a source is an object")
    desktop = parse_text(value, "v") == DESKTOP
    return Source(
        ssrc=parse_ssrc(value.get("s")),
        name=parse_text(value, "n"),
        msid=parse_text(value, "m"),
        video_type="desktop" if desktop else camera,
    )


def parse_video_source(value: Any) -> Source:
    """One video source: camera unless it says otherwise. Raises JingleError."""
    return parse_source(value, camera="camera")


def build_source(source: Source) -> dict[str, Any]:
    """One source as an object."""
    made: dict[str, Any] = {"s": source.ssrc}
    if source.name:
        made["n"] = source.name
    if source.msid:
        made["m"] = source.msid
    if source.video_type == "desktop":
        made["v"] = DESKTOP
    return made


def parse_group(value: Any) -> SsrcGroup:
    """One group. Raises JingleError."""
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= MAX_GROUP_SSRCS + 1
        or not isinstance(value[0], str)
        or value[0] not in SEMANTICS
    ):
        raise bad_request('a group is a list that begins with "f" or "s"')
    return SsrcGroup(SEMANTICS[value[0]], tuple(parse_ssrc(member) for member in value[1:]))


def build_group(group: SsrcGroup) -> list[Any]:
    """One group as a list; only FID and SIM have a letter. Raises JingleError for others."""
    if group.semantics not in LETTERS:
        raise bad_request(f"no letter for {group.semantics}")
    return [LETTERS[group.semantics], *group.ssrcs]
