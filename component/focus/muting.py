"""Who may mute whom, and how somebody is muted.

One table: the first row that fits decides. The same rows as Jicofo's, without moderation of audio and video
by a component of the server: everyone may unmute themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from component.focus import own_presence
from component.focus.occupant import RoomPresence
from component.focus.outbox import Outbox
from component.focus.participant import Participant
from component.stanza import bare, iq, resource
from component.stanza_error import StanzaError
from jingle.jitsi.mute import Mute, build_mute


@dataclass(frozen=True)
class MuteCase:
    """A request to judge: who asks, for whom, and whether to mute or to unmute."""

    muter: RoomPresence
    target: RoomPresence | None
    mute: bool

    @property
    def own(self) -> bool:
        """Whether the muter speaks for itself."""
        return self.target is not None and self.target.nick == self.muter.nick


_RULES: tuple[tuple[Callable[[MuteCase], bool], str | None, str], ...] = (
    (lambda case: not case.own and not case.muter.moderator, "not-allowed", "only moderators mute others"),
    (lambda case: case.target is None, "item-not-found", "no such participant"),
    (
        lambda case: case.target is not None and case.target.role == "visitor",
        "not-allowed",
        "a visitor is silent",
    ),
    (lambda case: not case.own and not case.mute, "not-allowed", "nobody unmutes others"),
    (lambda _: True, None, ""),
)


def judge(case: MuteCase) -> None:
    """Raise StanzaError if the request is refused."""
    for fits, condition, text in _RULES:
        if fits(case):
            if condition is not None:
                raise StanzaError(condition, text)
            return


class MutingRoom(Protocol):
    """The conference, as muting sees it."""

    jid: str
    own_jid: str

    @property
    def participants(self) -> Mapping[str, Participant]:
        """By nick."""


class Muting:
    """Carries out what participants and administrators want muted; `changed` tells the bridge of it."""

    def __init__(self, outbox: Outbox, room: MutingRoom, changed: Callable[[Participant], None]) -> None:
        self._outbox = outbox
        self._room = room
        self._changed = changed

    def request(self, muter: Participant, mute: Mute) -> None:
        """`muter` wants to mute somebody, or to say that it is not muted any more. Raises StanzaError."""
        if not mute.jid:
            raise StanzaError("bad-request", "nobody to mute")
        here = bare(mute.jid) == self._room.jid
        target = self._room.participants.get(resource(mute.jid)) if here else None
        judge(MuteCase(muter.occupant, target.occupant if target else None, mute.muted))
        if target is None:
            return
        if target is not muter:
            self._order(target, mute.media, actor=muter.jid)
        elif not mute.muted:
            target.unmute(frozenset((mute.media,)))
            self._changed(target)

    def order(self, target: Participant, media: str) -> None:
        """An administrator mutes somebody's "audio", "video" or "desktop". Raises StanzaError."""
        if target.occupant.role == "visitor":
            raise StanzaError("not-allowed", "a visitor is silent")
        self._order(target, media, actor=f"{self._room.jid}/{own_presence.NICK}")

    def order_again(self, target: Participant) -> None:
        """The orders that somebody was given and has not shown that it obeys may not have arrived."""
        for media in sorted(target.muted - target.obeyed):
            self._tell(target, media, actor=f"{self._room.jid}/{own_presence.NICK}")

    def _order(self, target: Participant, media: str, actor: str) -> None:
        self._tell(target, media, actor)
        # A shared screen has no force-mute of its own: it would take the camera too.
        if media != "desktop":
            target.order_mute(media)
            self._changed(target)

    def _tell(self, target: Participant, media: str, actor: str) -> None:
        order = build_mute(Mute(media, True, actor=actor))
        self._outbox.ask(iq("set", target.jid, self._room.own_jid, order), lambda answer, now: None)
