"""Who gets a conference: the room's address, and how many rooms one user may have (IQ `conference`)."""

from __future__ import annotations

from slixmpp.jid import JID, InvalidJID

from carillon.settings import Settings
from component.stanza import bare, domain
from component.stanza_error import StanzaError


def room_address(text: str, muc: str) -> str:
    """The room's bare JID as the MUC writes it. Raises StanzaError for anything but a room of `muc`."""
    try:
        jid = JID(text)
    except InvalidJID:
        raise StanzaError("jid-malformed", "not the address of a room") from None
    if not jid.local or jid.resource:
        raise StanzaError("jid-malformed", "not the address of a room")
    if jid.domain != muc:
        raise StanzaError(
            "not-allowed", "conferences take place at the conference service of this server only"
        )
    return str(jid.bare)


class Admission:
    """Which user started which running room."""

    def __init__(self, settings: Settings) -> None:
        self._muc = settings.xmpp.muc
        self._guests = settings.xmpp.guest_domain
        self._accounts = settings.xmpp.domain
        self._limit = settings.focus.max_rooms_per_user
        self._rooms: dict[str, set[str]] = {}
        self._user_of: dict[str, str] = {}

    def reload(self, settings: Settings) -> None:
        """Take another limit; what is started stays."""
        self._limit = settings.focus.max_rooms_per_user

    def room(self, sender: str, text: str) -> str:
        """The room that `sender` asks for. Raises StanzaError."""
        if domain(sender) == self._muc:
            raise StanzaError("not-allowed", "ask from your own address, not from a room")
        return room_address(text, self._muc)

    def start(self, sender: str, room: str) -> None:
        """`sender` starts `room`. Raises StanzaError when it has too many."""
        user = self._user(sender)
        if len(self._rooms.get(user, ())) >= self._limit:
            raise StanzaError("policy-violation", "too many conferences at a time")
        self._rooms.setdefault(user, set()).add(room)
        self._user_of[room] = user

    def user(self, room: str) -> str:
        """Who has started a running room; "" = nobody knows."""
        return self._user_of.get(room, "")

    def go_on(self, user: str, room: str) -> None:
        """`room` was started by `user` and runs on, whatever the limit is now."""
        if user:
            self._rooms.setdefault(user, set()).add(room)
            self._user_of[room] = user

    def end(self, room: str) -> None:
        """The conference in `room` is over."""
        user = self._user_of.pop(room, None)
        if user is None:
            return
        self._rooms[user].discard(room)
        if not self._rooms[user]:
            del self._rooms[user]

    def _user(self, sender: str) -> str:
        """Guests have no account: each of their connections counts by itself."""
        guest = domain(sender) == self._guests != self._accounts
        return sender if guest else bare(sender)
