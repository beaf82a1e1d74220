"""Between a call and where it leads: the echo test or a room."""

from __future__ import annotations

from typing import Protocol

from component.calls.answer import Downlinks
from component.calls.offer import OfferedContent
from jingle.content import Reason


class LegListener(Protocol):
    """The call, as its leg sees it."""

    def reached(self, downlinks: Downlinks, now: float) -> None:
        """The bridge's side of contents asked for is known."""

    def unreachable(self, media: str, reason: Reason, now: float) -> None:
        """A further content cannot be had; the call goes on without it."""

    def lost(self, reason: Reason, now: float) -> None:
        """The leg is over, or never came to be."""

    def tell(self, words: str) -> None:
        """Tell the caller something in words."""


class Leg(Protocol):
    """The far side of one call."""

    def begin(self, contents: tuple[OfferedContent, ...], *, bundled: bool, now: float) -> None:
        """Have the caller's media carried."""

    def add(self, content: OfferedContent, now: float) -> None:
        """Have one more content carried."""

    def show(self, muted: frozenset[str]) -> None:
        """The caller sends these media no more, and all others."""

    def check(self, now: float) -> None:
        """See whether the leg is still there; `lost` tells if not."""

    def end(self) -> None:
        """The call is over."""
