"""Source signalling: what one receiver has been told of the sources of others, and what it must be told next.

The difference is computed when it is sent: whatever happens between two sendings is told at once, and a
source that came and went is not told at all.

Nearly always all receivers know the same of an owner. So what all were told stands once for the room, and
with a receiver only what it was told of those owners where that is something else: it costs what changes,
however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
Changes = tuple[tuple[Action, Sources], ...]
"""What a receiver is told, in this order."""

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
        """The media types it can take: none for a caller, who is told of nobody."""
        if features.SINGLE_STREAM in self.supported:
            return frozenset()
        return frozenset(media for media, feature in _NEEDED.items() if feature in self.supported)

    def view(self, sources: Sources) -> Sources:
        """What this receiver is told of the `forwarded` sources: its media types, and not its own."""
        media = self.media
        seen = {owner: of_media(owned, media) for owner, owned in sources.items() if owner != self.nick}
        return {owner: owned for owner, owned in seen.items() if owned}

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


def forwarded(owned: Owned) -> Owned:
    """What receivers of all media types are told of one owner's sources: one SSRC per stream."""
    return tidy(strip_simulcast(owned))


def of_media(owned: Owned, media: frozenset[str]) -> Owned:
    """What receivers of these media types are told of it."""
    return tuple(one for one in owned if one.media in media)


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


class Announced:
    """What the receivers of one room were told.

    A receiver's `differing` is what it was told of those owners of whom all were told something else: None
    for one that was told of nobody.
    """

    def __init__(self) -> None:
        self.told: Sources = {}
        """What all were told, by owner, of all media types."""
        self._forwarded: dict[str, tuple[Owned, Owned]] = {}

    def current(self, sources: Mapping[str, Owned]) -> Sources:
        """What all should know of `sources`; unchanged where an owner's sources are the same object."""
        known = self._forwarded
        self._forwarded = {
            owner: one
            if (one := known.get(owner)) is not None and one[0] is owned
            else (owned, forwarded(owned))
            for owner, owned in sources.items()
        }
        return {owner: told for owner, (_, told) in self._forwarded.items() if told}

    def begin(self, receiver: Receiver, current: Sources) -> tuple[Sources, Sources]:
        """What the offer of a new session tells: that, and what then differs."""
        return receiver.view(current), self._differing(receiver, current, {*self.told, *current})

    def advance(self, current: Sources) -> Advance:
        """All are told `current` from now on; gives what that is for each receiver."""
        before, self.told = self.told, current
        return Advance(before, current)

    def forget(self, owner: str) -> None:
        """`owner` has left the room: receivers drop its sources by themselves."""
        self.told.pop(owner, None)
        self._forwarded.pop(owner, None)

    def untold(self, receiver: Receiver, differing: Sources, action: Action, sources: Sources) -> Sources:
        """What differs when a change did not go out: it is told again with the next ones."""
        known = receiver.view({owner: self.told[owner] for owner in sources if owner in self.told})
        known |= {owner: owned for owner, owned in differing.items() if owner in sources}
        if action is Action.SOURCE_ADD:
            left = minus(known, sources)
        else:
            left = {owner: merge(known.get(owner, ()), gone) for owner, gone in sources.items()}
        return differing | {owner: left.get(owner, ()) for owner in sources}

    def _differing(self, receiver: Receiver, known: Sources, owners: Iterable[str]) -> Sources:
        """`known` by a receiver, for those of `owners` of whom all were told something else."""
        all_told, own = receiver.view(self.told), receiver.view(known)
        return {one: own.get(one, ()) for one in owners if own.get(one, ()) != all_told.get(one, ())}


class Advance:
    """The step from one state of the sources to the next, for every receiver."""

    def __init__(self, before: Sources, current: Sources) -> None:
        self._before = before
        self._current = current
        self.owners = [
            owner
            for owner in dict.fromkeys((*before, *current))
            if before.get(owner) is not current.get(owner) and before.get(owner) != current.get(owner)
        ]
        """Whose sources are others."""
        self._common: dict[tuple[frozenset[str], str], Changes] = {}

    def left_behind(self, receiver: Receiver, differing: Sources) -> Sources:
        """What differs for a receiver that is not told."""
        before = receiver.view(_of(self._before, self.owners))
        current = receiver.view(_of(self._current, {*self.owners, *differing}))
        known = {owner: before.get(owner, ()) for owner in self.owners} | differing
        return {owner: owned for owner, owned in known.items() if owned != current.get(owner, ())}

    def changes(self, receiver: Receiver, differing: Sources) -> Changes:
        """What to tell a receiver so that it knows what all do: removals first."""
        if differing:
            owners = {*self.owners, *differing}
            return self._between(receiver, receiver.view(_of(self._before, owners)) | differing, owners)
        key = receiver.media, receiver.nick if receiver.nick in self.owners else ""
        if key not in self._common:
            known = receiver.view(_of(self._before, self.owners))
            self._common[key] = self._between(receiver, known, self.owners)
        return self._common[key]

    def _between(self, receiver: Receiver, known: Sources, owners: Iterable[str]) -> Changes:
        wanted = receiver.view(_of(self._current, owners))
        changes = ((Action.SOURCE_REMOVE, minus(known, wanted)), (Action.SOURCE_ADD, minus(wanted, known)))
        return tuple((action, sources) for action, sources in changes if sources)


def _of(sources: Sources, owners: Iterable[str]) -> Sources:
    return {owner: sources[owner] for owner in owners if owner in sources}
