"""Who may mute whom.

One table: the first row that fits decides. The same rows as Jicofo's, without moderation of audio and video
by a component of the server: everyone may unmute themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from component.focus.occupant import RoomPresence
from component.stanza_error import StanzaError


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
