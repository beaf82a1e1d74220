"""The contents of one call: what the caller has offered, added, removed, muted and put on hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from component.calls.offer import Offer, OfferedContent, OfferRefused, judge_contents
from component.calls.reasons import NOT_CARRIED, OUTSIDE
from component.stanza_error import StanzaError
from jingle.content import Content, Reason, SessionInfo
from jingle.ice import IceTransport

ALL_MEDIA: Final = frozenset({"audio", "video"})


class Contents:
    """See the module. Names are the caller's; there is at most one content of each medium."""

    def __init__(self, offer: Offer) -> None:
        self.bundled = offer.bundled
        """All contents share one transport."""
        self.declined = offer.declined
        """What was offered with the session and cannot be carried."""
        self._taken = {content.name: content for content in offer.contents}
        self._pending: dict[str, OfferedContent] = {}
        """Contents of a content-add that the leg is asked for, by media."""
        self._muted: set[str] = set()
        """Names of those that the caller has muted."""
        self._held = False

    def __iter__(self) -> Iterator[OfferedContent]:
        return iter(self._taken.values())

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def offer(self) -> Offer:
        """What is taken and what is declined, as the answer needs it."""
        return Offer(tuple(self), self.declined, self.bundled)

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Name and creator of all that have a place in the session, idle ones too."""
        taken = tuple((one.name, one.creator) for one in self)
        return taken + tuple((one.name, one.creator) for one in self.declined)

    def find(self, media: str) -> OfferedContent | None:
        """The content of a medium."""
        return next((content for content in self if content.kind == media), None)

    def do_without(self, media: str) -> None:
        """What was offered with the session cannot be had."""
        content = self.find(media)
        if content is not None:
            del self._taken[content.name]
            self.declined += (Content(content.name, content.creator, description=content.description),)

    # Coming and going

    def judge_added(
        self, contents: tuple[Content, ...]
    ) -> tuple[list[OfferedContent], list[tuple[tuple[Content, ...], Reason]]]:
        """What of a content-add is asked for from now on, and what is rejected, each with its reason.

        Inside a bundle the roles of DTLS are settled, whatever is said of them with it.
        """
        try:
            offer = judge_contents(contents)
        except OfferRefused as error:
            return [], [(names_of(contents), error.reason)]
        taken: list[OfferedContent] = []
        rejected = [(names_of((one,)), NOT_CARRIED) for one in offer.declined]
        for content in offer.contents:
            shared = next((one for one in self if self.bundled), content)
            place = (Content(content.name, content.creator),)
            if not shared.knows(content.transport):
                rejected.append((place, OUTSIDE))
            elif not self._wait_for(replace(content, transport=shared.transport)):
                rejected.append((place, NOT_CARRIED))
            else:
                taken.append(self._pending[content.kind])
        return taken, rejected

    def _wait_for(self, content: OfferedContent) -> bool:
        """One more is asked for; False when there is one of its medium, or of its name, already."""
        known = {*(one.kind for one in self), *self._pending}
        names = {*(name for name, _ in self.places), *(one.name for one in self._pending.values())}
        if content.kind in known or content.name in names:
            return False
        self._pending[content.kind] = content
        return True

    def settle(self, media: str, *, taken: bool) -> OfferedContent | None:
        """What was asked for is there, or cannot be had; None when nothing was."""
        content = self._pending.pop(media, None)
        if content is not None and taken:
            self._taken[content.name] = content
        return content

    def remove(self, contents: tuple[Content, ...]) -> list[OfferedContent]:
        """The caller takes contents back. Raises StanzaError; then none is gone."""
        removed = [self._known(name) for name in dict.fromkeys(one.name for one in contents)]
        for content in removed:
            del self._taken[content.name]
            self._muted.discard(content.name)
        return removed

    # Who sends

    def modify(self, contents: tuple[Content, ...]) -> None:
        """The caller says anew who sends (XEP-0166 §7.2.3). Raises StanzaError; then nothing is different.

        Clients leave out what is the default: both.
        """
        known = [self._known(content.name) for content in contents]
        for content, before in zip(contents, known, strict=True):
            self._taken[content.name] = replace(before, senders=content.senders or "both")

    def note(self, info: SessionInfo) -> None:
        """mute, unmute, hold, unhold and active of the caller (XEP-0167 §8). Raises StanzaError."""
        if info.kind in ("mute", "unmute"):
            about = {self._known(info.name).name} if info.name else set(self._taken)
            self._muted = self._muted | about if info.kind == "mute" else self._muted - about
        else:
            self._held = info.kind == "hold"

    @property
    def muted(self) -> frozenset[str]:
        """The media that the caller does not send."""
        sent = {one.kind for one in self if one.name not in self._muted and one.senders in _CALLER_SENDS}
        return ALL_MEDIA if self._held else ALL_MEDIA - sent

    @property
    def unwanted(self) -> frozenset[str]:
        """The media that the caller does not want to be sent."""
        return frozenset(one.kind for one in self if self._held or one.senders in _CALLER_IS_DEAF)

    def renew(self, transport: IceTransport) -> None:
        """The caller has restarted ICE: all that is in the bundle has these credentials now."""
        for name, content in self._taken.items():
            fresh = replace(content.transport, ufrag=transport.ufrag, pwd=transport.pwd)
            self._taken[name] = replace(content, transport=fresh)

    # The journal

    @property
    def pending(self) -> tuple[OfferedContent, ...]:
        """Those that the leg is asked for."""
        return tuple(self._pending.values())

    @property
    def muted_names(self) -> frozenset[str]:
        """Names of those that the caller has muted."""
        return frozenset(self._muted)

    @property
    def held(self) -> bool:
        """Whether the caller has put the call on hold."""
        return self._held

    def restore(self, pending: tuple[OfferedContent, ...], muted: frozenset[str], *, held: bool) -> None:
        """What was asked for and who sends, as it was."""
        self._pending = {content.kind: content for content in pending}
        self._muted, self._held = set(muted), held

    def _known(self, name: str) -> OfferedContent:
        if name not in self._taken:
            raise StanzaError("item-not-found", "no such content")
        return self._taken[name]


def names_of(contents: tuple[Content, ...]) -> tuple[Content, ...]:
    """Contents that are only named."""
    return tuple(Content(one.name, one.creator) for one in contents)


_CALLER_SENDS: Final = frozenset({"both", "initiator"})
_CALLER_IS_DEAF: Final = frozenset({"initiator", "none"})
