"""Source signalling: what one receiver has been told of the sources of others, and what it must be told next.

The difference is computed when it is sent: whatever happens between two sendings is told at once, and a
source that came and went is not told at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from component.focus import features
from jingle.content import Action, Content
from jingle.element import Jingle
from jingle.jitsi.json_sources import LETTERS
from jingle.rtp import RtpDescription
from jingle.source_map import Owned, merge, split, tidy
from jingle.source_rules import contents_of, strip_simulcast

Sources = dict[str, Owned]
"""Sources by owner."""

DELAYS_S = ((100, 1.0), (50, 0.5), (20, 0.1), (0, 0.0))
"""How long changes are collected, by number of participants: in large rooms many come at once."""

_NEEDED = {"audio": features.AUDIO, "video": features.VIDEO}


def signalling_delay_s(participants: int) -> float:
    """How long to collect changes of sources in a room of this size."""
    return next(delay_s for size, delay_s in DELAYS_S if participants >= size)


@dataclass(frozen=True)
class Receiver:
    """How a participant wants to be told of sources."""

    nick: str
    supported: frozenset[str]

    @property
    def media(self) -> frozenset[str]:
        """The media types it can take."""
        return frozenset(media for media, feature in _NEEDED.items() if feature in self.supported)

    def view(self, sources: Sources) -> Sources:
        """What this receiver is told of the `forwarded` sources for its media: not its own."""
        if features.SINGLE_STREAM in self.supported:
            return {}
        return {owner: owned for owner, owned in sources.items() if owner != self.nick}

    def offer(self, offer: Jingle, sources: Sources) -> Jingle:
        """A session-initiate with the sources that exist already."""
        if not sources:
            return offer
        if features.JSON_SOURCES in self.supported:
            return replace(offer, json_sources=_with_letters(sources))
        described = {content.name: content.description for content in contents_of(sources)}
        return replace(offer, contents=tuple(_with_sources(content, described) for content in offer.contents))

    def change(self, action: Action, sid: str, sources: Sources) -> Jingle:
        """A source-add or source-remove."""
        if features.JSON_SOURCES in self.supported:
            return Jingle(action, sid, json_sources=_with_letters(sources))
        return Jingle(action, sid, contents=contents_of(sources))


def _with_sources(content: Content, described: dict[str, RtpDescription | None]) -> Content:
    found = described.get(content.name)
    if content.description is None or found is None:
        return content
    description = replace(content.description, sources=found.sources, groups=found.groups)
    return replace(content, description=description)


def _with_letters(sources: Sources) -> Sources:
    """Without the groups that the JSON form has no letter for."""
    return {
        owner: tuple(
            replace(media, groups=tuple(group for group in media.groups if group.semantics in LETTERS))
            for media in owned
        )
        for owner, owned in sources.items()
    }


def forwarded(sources: Mapping[str, Owned], media: frozenset[str]) -> Sources:
    """What receivers of these media types are told of `sources`: one SSRC per stream."""
    stripped = {
        owner: tidy(strip_simulcast(one for one in owned if one.media in media))
        for owner, owned in sources.items()
    }
    return {owner: owned for owner, owned in stripped.items() if owned}


def minus(left: Mapping[str, Owned], right: Mapping[str, Owned]) -> Sources:
    """The sources and groups of `left` that are not in `right`."""
    result: Sources = {}
    for owner, owned in left.items():
        other = right.get(owner, ())
        if owned == other:
            continue
        if not other:
            result[owner] = owned
            continue
        known_sources = {source for media in other for source in media.sources}
        known_groups = {group for media in other for group in media.groups}
        ssrcs = {source.ssrc for media in owned for source in media.sources if source not in known_sources}
        groups = {group for media in owned for group in media.groups if group not in known_groups}
        rest, _ = split(owned, ssrcs, groups)
        if rest:
            result[owner] = rest
    return result


class SourceSignalling:
    """What one receiver knows."""

    def __init__(self) -> None:
        self._told: Sources = {}

    def begin(self, view: Sources) -> None:
        """A new session began, and its offer told `view`."""
        self._told = dict(view)

    def forget(self, owner: str) -> None:
        """`owner` has left the room: receivers drop its sources by themselves."""
        self._told.pop(owner, None)

    def untold(self, action: Action, sources: Sources) -> None:
        """A change did not go out: it is told again with the next ones."""
        if action is Action.SOURCE_ADD:
            self._told = minus(self._told, sources)
        else:
            self._told = {
                owner: merge(self._told.get(owner, ()), gone) for owner, gone in sources.items()
            } | {owner: owned for owner, owned in self._told.items() if owner not in sources}

    def changes(self, view: Sources) -> list[tuple[Action, Sources]]:
        """What to tell so that the receiver knows `view`: removals first. It is told with this."""
        removed, added = minus(self._told, view), minus(view, self._told)
        self._told = dict(view)
        changes = ((Action.SOURCE_REMOVE, removed), (Action.SOURCE_ADD, added))
        return [(action, sources) for action, sources in changes if sources]
