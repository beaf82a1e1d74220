"""The sources of a conference by owner, and the rules that a change must keep.

A change is checked as a whole before anything is touched: a refused one leaves the map as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from jingle.errors import JingleError
from jingle.source_rules import extended_group
from jingle.sources import MediaSources, Source, SsrcGroup

MEDIA: Final = ("audio", "video")

Owned = tuple[MediaSources, ...]
"""The sources of one owner: one entry per media type, none of them empty."""


class SourceError(JingleError):
    """A change of sources that breaks a rule: a bad-request, also when there are too many."""


class SourceMap:
    """Who sends what in a conference: unique SSRCs, unique streams, complete groups.

    `max_sources` and `max_groups` count all media types of one owner together.
    """

    def __init__(self, max_sources: int = 20, max_groups: int = 20) -> None:
        self.max_sources = max_sources
        self.max_groups = max_groups
        self._owned: dict[str, Owned] = {}
        self._owner_of_ssrc: dict[int, str] = {}
        self._owner_of_msid: dict[str, str] = {}

    def of(self, owner: str) -> Owned:
        """The sources of one owner, () when there are none."""
        return self._owned.get(owner, ())

    def owner(self, ssrc: int) -> str | None:
        """Whose SSRC this is."""
        return self._owner_of_ssrc.get(ssrc)

    def all(self) -> Mapping[str, Owned]:
        """Every owner with its sources, in the order in which they came."""
        return dict(self._owned)

    def add(self, owner: str, added: Iterable[MediaSources]) -> Owned:
        """Add sources and groups to those of an owner and return what was added, named.

        Sources without a name get `<owner>-a0`, `<owner>-v0` and so on, one per stream. Groups that are empty
        or already there are passed over. Raises SourceError.
        """
        existing = self.of(owner)
        fresh = tidy(without_known_groups(added, existing))
        self._check_limits(merge(existing, fresh))
        accepted = tuple(name_sources(owner, fresh, existing))
        self._check_new(owner, existing, accepted)
        result = merge(existing, accepted)
        check_owned(result)
        self._put(owner, result)
        return accepted

    def remove(self, owner: str, removed: Iterable[MediaSources]) -> Owned:
        """Remove sources by SSRC, and with them every group that has one of them; return what was removed.

        Groups may be named alone; they have to exist. Raises SourceError.
        """
        existing = self.of(owner)
        wanted = list(removed)
        ssrcs = {source.ssrc for media in wanted for source in media.sources}
        groups = {group for media in wanted for group in media.groups}
        known_groups = {group for media in existing for group in media.groups}
        for ssrc in ssrcs:
            if self._owner_of_ssrc.get(ssrc) != owner:
                raise SourceError("bad-request", f"{ssrc} is not a source of {owner}")
        if not groups <= known_groups:
            raise SourceError("bad-request", "no such group")
        groups |= {group for group in known_groups if not ssrcs.isdisjoint(group.ssrcs)}
        gone, rest = split(existing, ssrcs, groups)
        check_owned(rest)
        self._put(owner, rest)
        return gone

    def remove_owner(self, owner: str) -> Owned:
        """Remove everything of an owner and return it."""
        gone = self.of(owner)
        self._put(owner, ())
        return gone

    def _check_new(self, owner: str, existing: Owned, accepted: Owned) -> None:
        """The rules of a single source against everybody's. Raises SourceError."""
        names = {source.name: media.media for media in existing for source in media.sources}
        seen: set[int] = set()
        for media in accepted:
            for source in media.sources:
                if not 0 < source.ssrc < 2**32:
                    raise SourceError("bad-request", f"{source.ssrc} is no SSRC")
                if source.ssrc in self._owner_of_ssrc or source.ssrc in seen:
                    raise SourceError("bad-request", f"SSRC {source.ssrc} is in use")
                if source.msid and self._owner_of_msid.get(source.msid, owner) != owner:
                    raise SourceError("bad-request", "the msid belongs to somebody else")
                if not source.name.startswith(f"{owner}-"):
                    raise SourceError("bad-request", f"{source.name} does not name a source of {owner}")
                if names.setdefault(source.name, media.media) != media.media:
                    raise SourceError("bad-request", f"{source.name} names both audio and video")
                seen.add(source.ssrc)

    def _check_limits(self, result: Owned) -> None:
        """How much one owner may have. Raises SourceError."""
        if sum(len(media.sources) for media in result) > self.max_sources:
            raise SourceError("bad-request", f"more than {self.max_sources} sources")
        if sum(len(media.groups) for media in result) > self.max_groups:
            raise SourceError("bad-request", f"more than {self.max_groups} groups of sources")

    def _put(self, owner: str, owned: Owned) -> None:
        """Make `owned` the sources of an owner, without checks."""
        for media in self.of(owner):
            for source in media.sources:
                self._owner_of_ssrc.pop(source.ssrc, None)
                self._owner_of_msid.pop(source.msid, None)
        if not owned:
            self._owned.pop(owner, None)
            return
        self._owned[owner] = owned
        for media in owned:
            for source in media.sources:
                self._owner_of_ssrc[source.ssrc] = owner
                if source.msid:
                    self._owner_of_msid[source.msid] = owner


def tidy(media: Iterable[MediaSources]) -> Owned:
    """One entry per media type with all its sources and groups, audio before video; empty ones left out.

    Raises SourceError for another media type.
    """
    by_media: dict[str, MediaSources] = {name: MediaSources(name) for name in MEDIA}
    for one in media:
        if one.media not in by_media:
            raise SourceError("bad-request", f"no sources of {one.media}")
        known = by_media[one.media]
        groups = dict.fromkeys((*known.groups, *(group for group in one.groups if group.ssrcs)))
        by_media[one.media] = MediaSources(one.media, (*known.sources, *one.sources), tuple(groups))
    return tuple(one for one in by_media.values() if one.sources or one.groups)


def merge(existing: Owned, added: Owned) -> Owned:
    """Two lists of sources of one owner as one."""
    return tidy((*existing, *added))


def split(owned: Owned, ssrcs: set[int], groups: set[SsrcGroup]) -> tuple[Owned, Owned]:
    """Those sources and groups that are in the sets, and the others."""
    picked = (
        MediaSources(
            media.media,
            tuple(source for source in media.sources if source.ssrc in ssrcs),
            tuple(group for group in media.groups if group in groups),
        )
        for media in owned
    )
    others = (
        MediaSources(
            media.media,
            tuple(source for source in media.sources if source.ssrc not in ssrcs),
            tuple(group for group in media.groups if group not in groups),
        )
        for media in owned
    )
    return tidy(picked), tidy(others)


def without_known_groups(added: Iterable[MediaSources], existing: Owned) -> list[MediaSources]:
    """`added` without the groups that are there already."""
    known = {group for media in existing for group in media.groups}
    return [replace(one, groups=tuple(g for g in one.groups if g not in known)) for one in added]


def check_owned(owned: Owned) -> None:
    """The rules among the sources of one owner. Raises SourceError.

    The members of a group are sources of the owner and of one stream (msid); FID has two; two sources of one
    media type that are in no common group are of different streams. Audio and video may share an msid.
    """
    for media in owned:
        msid_of = {source.ssrc: source.msid for source in media.sources}
        for group in media.groups:
            if not msid_of.keys() >= set(group.ssrcs):
                raise SourceError("bad-request", f"{group.semantics} group with an unknown source")
            if len(set(group.ssrcs)) != len(group.ssrcs):
                raise SourceError("bad-request", f"{group.semantics} group with one source twice")
            if group.semantics == "FID" and len(group.ssrcs) != 2:
                raise SourceError("bad-request", "an FID group has two sources")
            msids = {msid_of[ssrc] for ssrc in group.ssrcs}
            if "" in msids or len(msids) > 1:
                raise SourceError("bad-request", "the sources of a group have one msid")
        stream_of_msid: dict[str, int] = {}
        for source in media.sources:
            stream = extended_group(source.ssrc, media.groups)
            if source.msid and stream_of_msid.setdefault(source.msid, stream) != stream:
                raise SourceError("bad-request", "two sources with one msid and no group")


def name_sources(owner: str, added: Iterable[MediaSources], existing: Owned) -> Iterable[MediaSources]:
    """`added` with a name for every source: `<owner>-a0`, `<owner>-v0`, counted on; one name per stream."""
    used = {source.name for media in existing for source in media.sources}
    added = list(added)
    used |= {source.name for media in added for source in media.sources}
    for media in added:
        known = next((one.groups for one in existing if one.media == media.media), ())
        groups = (*known, *media.groups)
        name_of_stream = {
            extended_group(source.ssrc, groups): source.name
            for one in (*existing, media)
            if one.media == media.media
            for source in one.sources
            if source.name
        }
        sources: list[Source] = []
        for source in media.sources:
            stream = extended_group(source.ssrc, groups)
            if not source.name and stream not in name_of_stream:
                name_of_stream[stream] = free_name(f"{owner}-{media.media[:1]}", used)
            sources.append(source if source.name else replace(source, name=name_of_stream[stream]))
        yield replace(media, sources=tuple(sources))


def free_name(prefix: str, used: set[str]) -> str:
    """The first of prefix0, prefix1, … that is not used; it is used from now on."""
    name = next(f"{prefix}{n}" for n in range(len(used) + 1) if f"{prefix}{n}" not in used)
    used.add(name)
    return name
