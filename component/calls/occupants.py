"""Who is in the room with a caller, as the room tells (XEP-0045 §7.2) and as they say of themselves."""

from __future__ import annotations

from typing import Final

from component.calls.records import OtherRecord
from component.focus.occupant import RoomPresence
from component.stanza import bare

FOCUS_NICK: Final = "focus"
MAX_OCCUPANTS: Final = 1000
"""Beyond it, names are not known any more."""


class Occupants:
    """The others in one room; `own_nick` is the caller's, `focus` the bare JID of the conference focus."""

    def __init__(self, own_nick: str, focus: str) -> None:
        self._own_nick = own_nick
        self._focus = focus
        self._others: dict[str, OtherRecord] = {}
        self._unseen: set[str] = set()
        """Those of whom a process before this one knew, and the room has not told since."""
        self.led = False
        """Whether the nick of the focus is the focus: its real JID says so, and the room vouches for that."""

    def see(self, presence: RoomPresence) -> None:
        """A presence of somebody in the room."""
        nick = presence.nick
        self._unseen.discard(nick)
        if nick == FOCUS_NICK:
            self.led = presence.kind == "available" and bare(presence.real_jid) == self._focus
        elif presence.kind != "available":
            self._others.pop(nick, None)
        elif nick != self._own_nick and (nick in self._others or len(self._others) < MAX_OCCUPANTS):
            pictured = presence.screen or "video" in presence.unmuted
            self._others[nick] = OtherRecord(nick, presence.name or nick, pictured)

    def name(self, nick: str) -> str:
        """How somebody is called."""
        known = self._others.get(nick)
        return known.name if known is not None else nick

    @property
    def pictured(self) -> bool:
        """Whether anybody sends a picture."""
        return any(one.pictured for one in self._others.values())

    # The journal

    def record(self) -> tuple[OtherRecord, ...]:
        """Who is there."""
        return tuple(self._others.values())

    def restore(self, others: tuple[OtherRecord, ...], *, led: bool) -> None:
        """Those who were there; the room tells anew who is, and `settle` is told when it has."""
        self._others = {one.nick: one for one in others}
        self._unseen = set(self._others) | ({FOCUS_NICK} if led else set())
        self.led = led

    def settle(self) -> None:
        """The room has told everybody who is there."""
        for nick in self._unseen:
            self._others.pop(nick, None)
        self.led = self.led and FOCUS_NICK not in self._unseen
        self._unseen.clear()
