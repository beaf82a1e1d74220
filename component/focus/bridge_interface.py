"""Between those who invite participants and the bridge's conference: what one wants, the other reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from component.focus.session import Session
from jingle.colibri2 import ConferenceModified, Endpoint, Media, MediaSource, Transport
from jingle.ice import IceTransport


@dataclass(frozen=True)
class Wanted:
    """What the bridge should know of an endpoint."""

    transport: IceTransport | None = None
    """The participant's own, once it has accepted."""
    sources: tuple[MediaSource, ...] = ()
    """The full list."""
    muted: frozenset[str] = frozenset()
    """Media ("audio", "video") not to be forwarded."""
    media: tuple[Media, ...] = ()
    """Its own payload types, if they are not those of the offer."""
    last_n: int | None = None
    """How many pictures it is sent at most, if that is for the focus to say."""

    def beyond(self, nick: str, told: Wanted | None) -> Endpoint:
        """The update that makes `told` into this; None: nobody knows what the bridge was told."""
        if told is None:
            return replace(
                self.beyond(nick, Wanted()),
                sources=self.sources,
                force_mute_audio="audio" in self.muted,
                force_mute_video="video" in self.muted,
            )
        muted = self.muted if self.muted != told.muted else None
        return Endpoint(
            nick,
            media=self.media if self.media != told.media else (),
            transport=Transport(ice=self.transport) if self.transport != told.transport else None,
            sources=self.sources if self.sources != told.sources else None,
            force_mute_audio=None if muted is None else "audio" in muted,
            force_mute_video=None if muted is None else "video" in muted,
            initial_last_n=self.last_n if self.last_n != told.last_n else None,
        )


class BridgeListener(Protocol):
    """Who invites participants, as the bridge's conference sees it."""

    def wanted(self, session: Session) -> Wanted:
        """What the bridge should know of the session's endpoint now."""

    def allocated(self, session: Session, answer: ConferenceModified, now: float) -> None:
        """The endpoint of `session` exists."""

    def allocation_failed(self, session: Session, *, again: bool) -> None:
        """There is no endpoint for `session`; with `again` it may be asked for later."""

    def endpoint_lost(self, session: Session, now: float) -> None:
        """The bridge has forgotten an endpoint that was in use."""

    def conference_lost(self, now: float) -> None:
        """The bridge has forgotten all endpoints."""

    def probe(self, now: float) -> bool:
        """Ask for one endpoint to see whether the bridge is back. False when nobody waits for one."""

    def bridge_changed(self) -> None:
        """`available` or `in_use` is another."""

    def bridge_back(self, now: float) -> None:
        """The bridge takes requests again."""
