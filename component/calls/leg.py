"""Between a call and where it leads: the echo test or a room."""

from __future__ import annotations

from typing import Protocol
from xml.etree.ElementTree import Element

from component.calls.answer import Downlinks
from component.calls.offer import OfferedContent
from component.calls.records import LegRecord
from jingle.content import Reason
from jingle.ice import IceTransport


class LegListener(Protocol):
    """The call, as its leg sees it."""

    def reached(self, downlinks: Downlinks, now: float) -> None:
        """The bridge's side of contents asked for is known."""

    def unreachable(self, media: str, reason: Reason, now: float) -> None:
        """A further content cannot be had; the call goes on without it."""

    def restarted(self, transport: IceTransport | None, now: float) -> None:
        """The bridge's side of a restart of ICE; None = it cannot be restarted."""

    def pictured(self, shown: bool, now: float) -> None:
        """Whether anybody on the far side sends a picture."""

    def lost(self, reason: Reason, now: float) -> None:
        """The leg is over, or never came to be."""

    def tell(self, words: str) -> None:
        """Tell the caller something in words."""


class Leg(Protocol):
    """The far side of one call."""

    def begin(self, contents: tuple[OfferedContent, ...], *, bundled: bool, now: float) -> None:
        """Have the caller's media carried."""

    def add(self, content: OfferedContent, now: float) -> None:
        """Have one more content carried; `reached` or `unreachable` answers."""

    def remove(self, media: str, now: float) -> None:
        """Carry a content no more."""

    def show(self, muted: frozenset[str], unwanted: frozenset[str]) -> None:
        """The media that the caller does not send, and those that it does not want to be sent."""

    def restart(self, transport: IceTransport, now: float) -> None:
        """The caller restarts ICE with these credentials; `restarted` answers. Only in a bundle."""

    def say(self, words: str) -> None:
        """The caller says something in words to those on the far side."""

    def check(self, now: float) -> None:
        """See whether the leg is still there; `lost` tells if not."""

    def bridges_changed(self, now: float) -> None:
        """The health of a bridge is another than before; `lost` tells if that ends the leg."""

    def record(self) -> LegRecord:
        """What another process would need to go on."""

    def resume(self, now: float) -> None:
        """The leg is as another process has left it: go on, `lost` tells if that cannot be."""

    def ask_again(self, request: Element) -> None:
        """Send a request to the far side that another process may have sent; nobody has heard its answer."""

    def end(self) -> None:
        """The call is over."""
